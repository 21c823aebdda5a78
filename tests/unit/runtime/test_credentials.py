"""Keys come from variables or from a mounted folder, and never show themselves."""

from __future__ import annotations

import os
import pprint
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krakked.domain.errors import BadInput
from krakked.runtime import sealed_secrets
from krakked.runtime.credentials import (
    PASSWORD_FILE_VARIABLE,
    PASSWORD_VARIABLE,
    ApiKey,
    Credentials,
    Keys,
    KeySources,
    load_credentials,
    sealed_content,
)
from krakked.runtime.sealed_secrets import Cost

KEY, SECRET = "trade-key-text", "c2VjcmV0LW9mLXRyYWRl"
QUERY, QUERY_SECRET = "query-key-text", "c2VjcmV0LW9mLXF1ZXJ5"
VARIABLES = {"KRAKEN_API_KEY": KEY, "KRAKEN_API_SECRET": SECRET}


def mounted(folder: Path, mode: int = 0o600, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("_", "-")
        path.write_text(text)
        path.chmod(mode)
    return folder


def refusal(environ: dict[str, str], keys_dir: Path | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        load_credentials(KeySources(environ=environ, keys_dir=keys_dir))
    assert caught.value.exit_code == 77
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_nothing_given_is_none() -> None:
    assert load_credentials(KeySources(environ={}, keys_dir=None)) is None


def test_one_pair_of_variables_serves_for_both() -> None:
    keys = load_credentials(KeySources(environ=VARIABLES, keys_dir=None))
    assert keys is not None
    assert keys.trade == ApiKey(KEY, SECRET)
    assert keys.query is keys.trade
    assert keys.describe() == "one key for all, from KRAKEN_API_KEY, KRAKEN_API_SECRET"


def test_second_pair_of_variables_is_the_query_key() -> None:
    environ = {**VARIABLES, "KRAKEN_QUERY_KEY": QUERY, "KRAKEN_QUERY_SECRET": QUERY_SECRET}
    keys = load_credentials(KeySources(environ=environ, keys_dir=None))
    assert keys is not None
    assert keys.query == ApiKey(QUERY, QUERY_SECRET)
    assert keys.describe().startswith("trade and query key, from ")


def test_files_are_read_without_their_line_ends(tmp_path: Path) -> None:
    folder = mounted(tmp_path, trade_key=f"{KEY}\n", trade_secret=f"{SECRET}\r\n")
    keys = load_credentials(KeySources(environ={}, keys_dir=folder))
    assert keys is not None
    assert keys.trade == ApiKey(KEY, SECRET)
    assert keys.source == f"files in {folder}"


def test_files_may_hold_a_query_key_too(tmp_path: Path) -> None:
    folder = mounted(
        tmp_path,
        trade_key=KEY,
        trade_secret=SECRET,
        query_key=QUERY,
        query_secret=QUERY_SECRET,
    )
    keys = load_credentials(KeySources(environ={}, keys_dir=folder))
    assert keys is not None
    assert keys.query == ApiKey(QUERY, QUERY_SECRET)


def test_links_as_kubernetes_mounts_them_are_followed(tmp_path: Path) -> None:
    real = tmp_path / "..data"
    real.mkdir()
    mounted(real, trade_key=KEY, trade_secret=SECRET)
    for name in ("trade-key", "trade-secret"):
        (tmp_path / name).symlink_to(real / name)
    assert load_credentials(KeySources(environ={}, keys_dir=tmp_path)) is not None


def test_variables_win_over_files(tmp_path: Path) -> None:
    folder = mounted(tmp_path, trade_key="other", trade_secret=SECRET)
    keys = load_credentials(KeySources(environ=VARIABLES, keys_dir=folder))
    assert keys is not None
    assert keys.trade.key == KEY


@pytest.mark.parametrize("missing", ["KRAKEN_API_KEY", "KRAKEN_API_SECRET"])
def test_half_a_pair_is_refused(missing: str) -> None:
    environ = {name: text for name, text in VARIABLES.items() if name != missing}
    assert refusal(environ).startswith(f"{missing}: is missing while ")
    assert refusal({**VARIABLES, missing: "  "}).startswith(f"{missing}: is missing while ")


def test_half_a_query_pair_is_refused() -> None:
    said = refusal({**VARIABLES, "KRAKEN_QUERY_KEY": QUERY})
    assert said.startswith("KRAKEN_QUERY_SECRET: is missing")


def test_secret_that_is_not_base64_is_refused_without_showing_it() -> None:
    said = refusal({**VARIABLES, "KRAKEN_API_SECRET": "no base64!"})
    assert said == "KRAKEN_API_SECRET: not base64; copy the venue's private key whole"


def test_missing_folder_and_missing_file_are_refused(tmp_path: Path) -> None:
    assert "no such folder; mend venue.keys_dir" in refusal({}, tmp_path / "no")
    assert "no file `trade-key` in it" in refusal({}, tmp_path)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o601, 0o666, 0o444])
def test_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    folder = mounted(tmp_path, mode, trade_key=KEY, trade_secret=SECRET)
    said = refusal({}, folder)
    assert f"others may read it (mode {mode:04o}); chmod 600 it" in said


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_file_of_its_owner_alone_is_accepted(tmp_path: Path, mode: int) -> None:
    folder = mounted(tmp_path, mode, trade_key=KEY, trade_secret=SECRET)
    assert load_credentials(KeySources(environ={}, keys_dir=folder)) is not None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make root's files")
@pytest.mark.parametrize(("mode", "is_good"), [(0o440, True), (0o460, False), (0o450, False)])
def test_file_of_root_may_be_read_by_its_group_and_no_more(
    tmp_path: Path, mode: int, is_good: bool
) -> None:
    folder = mounted(tmp_path, mode, trade_key=KEY, trade_secret=SECRET)
    if is_good:
        assert load_credentials(KeySources(environ={}, keys_dir=folder)) is not None
    else:
        assert "others may read it" in refusal({}, folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_file_of_a_user_may_not_be_read_by_its_group(tmp_path: Path) -> None:
    folder = mounted(tmp_path, 0o440, trade_key=KEY, trade_secret=SECRET)
    for name in ("trade-key", "trade-secret"):
        os.chown(folder / name, 1000, 1000)
    assert "others may read it (mode 0440)" in refusal({}, folder)


def test_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    folder = mounted(tmp_path, trade_key="x" * 5000, trade_secret=SECRET)
    assert "too long for a key" in refusal({}, folder)
    (folder / "trade-key").write_bytes(b"\xff\xfe")
    assert "not plain text" in refusal({}, folder)
    (folder / "trade-key").unlink()
    (folder / "trade-key").mkdir(mode=0o700)
    assert "cannot be read" in refusal({}, folder)


def test_no_way_of_printing_shows_a_key() -> None:
    keys = Credentials(trade=ApiKey(KEY, SECRET), query=ApiKey(QUERY, QUERY_SECRET), source="x")
    shown = " ".join(
        [repr(keys), str(keys), f"{keys.trade}", pprint.pformat(keys), keys.describe()]
    )
    for text in (KEY, SECRET, QUERY, QUERY_SECRET):
        assert text not in shown


def test_secrets_for_the_redactor_are_all_texts() -> None:
    keys = load_credentials(KeySources(environ=VARIABLES, keys_dir=None))
    assert keys is not None
    assert keys.secrets() == (KEY, SECRET)
    two = msgspec.structs.replace(keys, query=ApiKey(QUERY, QUERY_SECRET))
    assert two.secrets() == (KEY, SECRET, QUERY, QUERY_SECRET)


# ---------------------------------------------------------------- sealed

PASSWORD = "correct horse battery"


def sealed_in(folder: Path, query: ApiKey | None = None, content: bytes | None = None) -> Path:
    path = folder / "secrets.enc"
    plain = sealed_content(ApiKey(KEY, SECRET), query) if content is None else content
    sealed_secrets.write_private(path, sealed_secrets.seal(plain, PASSWORD, Cost(n=2)))
    return path


def opened(
    path: Path, password: str = PASSWORD, environ: dict[str, str] | None = None, **more: Any
) -> Credentials | None:
    variables = {PASSWORD_VARIABLE: password, **(environ or {})}
    return load_credentials(KeySources(environ=variables, sealed=path, **more))


def sealed_refusal(path: Path, **more: Any) -> str:
    with pytest.raises(BadInput) as caught:
        opened(path, **more)
    assert caught.value.exit_code == 77
    message = str(caught.value)
    assert "\n" not in message
    assert PASSWORD not in message
    assert SECRET not in message
    return message


def test_sealed_keys_are_opened_by_the_master_password(tmp_path: Path) -> None:
    path = sealed_in(tmp_path)
    keys = opened(path)
    assert keys is not None
    assert (keys.trade, keys.query, keys.source) == (
        ApiKey(KEY, SECRET),
        ApiKey(KEY, SECRET),
        str(path),
    )
    assert keys.query is keys.trade


def test_sealed_file_holds_a_query_key_too(tmp_path: Path) -> None:
    keys = opened(sealed_in(tmp_path, ApiKey(QUERY, QUERY_SECRET)))
    assert keys is not None
    assert keys.query == ApiKey(QUERY, QUERY_SECRET)


def test_variables_go_before_files_and_files_before_the_sealed_file(tmp_path: Path) -> None:
    sealed = sealed_in(tmp_path)
    folder = tmp_path / "mounted"
    folder.mkdir()
    mounted(folder, trade_key="of-the-folder", trade_secret=SECRET)
    by_variable = opened(sealed, keys_dir=folder, environ=VARIABLES)
    by_folder = opened(sealed, keys_dir=folder)
    assert by_variable is not None
    assert by_variable.source == "KRAKEN_API_KEY, KRAKEN_API_SECRET"
    assert by_folder is not None
    assert by_folder.trade.key == "of-the-folder"


def test_sealed_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    sources = KeySources(environ={}, sealed=tmp_path / "secrets.enc")
    assert load_credentials(sources) is None


def test_password_comes_from_a_private_file_without_its_line_end(tmp_path: Path) -> None:
    path = sealed_in(tmp_path)
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    sources = KeySources(environ={PASSWORD_FILE_VARIABLE: str(file)}, sealed=path)
    assert load_credentials(sources) is not None
    file.chmod(0o604)
    with pytest.raises(BadInput, match="others may read it"):
        load_credentials(sources)


def test_person_is_asked_for_the_password_only_where_nothing_else_tells_it(tmp_path: Path) -> None:
    path = sealed_in(tmp_path)
    asked: list[bool] = []

    def ask() -> str:
        asked.append(True)
        return PASSWORD

    assert opened(path, ask=ask) is not None
    assert asked == []
    assert load_credentials(KeySources(environ={}, sealed=path, ask=ask)) is not None
    assert asked == [True]


def test_sealed_file_without_any_password_says_how_to_give_it(tmp_path: Path) -> None:
    path = sealed_in(tmp_path)
    with pytest.raises(BadInput, match="no master password; set KRAKKED_MASTER_PASSWORD_FILE"):
        load_credentials(KeySources(environ={}, sealed=path))


def test_wrong_password_is_one_line(tmp_path: Path) -> None:
    path = sealed_in(tmp_path)
    assert sealed_refusal(path, password="wrong") == f"{path}: the master password is wrong"


@pytest.mark.parametrize("content", [b"", b"{}", b"{\x00", b'{"trade": {"key": "x"}}'])
def test_damaged_sealed_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = sealed_in(tmp_path)
    path.write_bytes(content)
    assert "damaged, or not made by krakked" in sealed_refusal(path)


def test_sealed_content_that_is_no_keys_is_damage(tmp_path: Path) -> None:
    path = sealed_in(tmp_path, content=b'{"trade": 1}')
    assert "damaged" in sealed_refusal(path)


def test_sealed_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = sealed_in(tmp_path)
    path.chmod(0o644)
    assert "others may read it (mode 0644); chmod 600 it" in sealed_refusal(path)


def test_keys_are_looked_for_once_and_told_as_often_as_wanted(tmp_path: Path) -> None:
    asked: list[bool] = []

    def ask() -> str:
        asked.append(True)
        return PASSWORD

    keys = Keys(KeySources(environ={}, sealed=sealed_in(tmp_path), ask=ask))
    assert keys.get() == keys.get()
    assert keys.secrets() == (KEY, SECRET)
    assert asked == [True]
    assert KEY not in repr(keys)


def test_keys_that_cannot_be_used_are_told_when_they_are_wanted(tmp_path: Path) -> None:
    keys = Keys(KeySources(environ={}, sealed=sealed_in(tmp_path), ask=lambda: "wrong"))
    assert keys.secrets() == ()
    for _ in range(2):
        with pytest.raises(BadInput, match="the master password is wrong"):
            keys.get()


def test_run_that_needs_no_keys_has_none() -> None:
    assert Keys(None).get() is None


def test_sources_do_not_show_the_variables_that_they_hold() -> None:
    sources = KeySources(environ={**VARIABLES, PASSWORD_VARIABLE: PASSWORD})
    for shown in (repr(sources), str(sources), pprint.pformat(sources)):
        assert SECRET not in shown
        assert PASSWORD not in shown

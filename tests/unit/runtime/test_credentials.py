"""Keys come from variables or from a mounted folder, and never show themselves."""

from __future__ import annotations

import os
import pprint
from pathlib import Path

import msgspec
import pytest

from krakked.domain.errors import BadInput
from krakked.runtime.credentials import ApiKey, Credentials, load_credentials

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
        load_credentials(environ=environ, keys_dir=keys_dir)
    assert caught.value.exit_code == 77
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_nothing_given_is_none() -> None:
    assert load_credentials(environ={}, keys_dir=None) is None


def test_one_pair_of_variables_serves_for_both() -> None:
    keys = load_credentials(environ=VARIABLES, keys_dir=None)
    assert keys is not None
    assert keys.trade == ApiKey(KEY, SECRET)
    assert keys.query is keys.trade
    assert keys.describe() == "one key for all, from KRAKEN_API_KEY, KRAKEN_API_SECRET"


def test_second_pair_of_variables_is_the_query_key() -> None:
    environ = {**VARIABLES, "KRAKEN_QUERY_KEY": QUERY, "KRAKEN_QUERY_SECRET": QUERY_SECRET}
    keys = load_credentials(environ=environ, keys_dir=None)
    assert keys is not None
    assert keys.query == ApiKey(QUERY, QUERY_SECRET)
    assert keys.describe().startswith("trade and query key, from ")


def test_files_are_read_without_their_line_ends(tmp_path: Path) -> None:
    folder = mounted(tmp_path, trade_key=f"{KEY}\n", trade_secret=f"{SECRET}\r\n")
    keys = load_credentials(environ={}, keys_dir=folder)
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
    keys = load_credentials(environ={}, keys_dir=folder)
    assert keys is not None
    assert keys.query == ApiKey(QUERY, QUERY_SECRET)


def test_links_as_kubernetes_mounts_them_are_followed(tmp_path: Path) -> None:
    real = tmp_path / "..data"
    real.mkdir()
    mounted(real, trade_key=KEY, trade_secret=SECRET)
    for name in ("trade-key", "trade-secret"):
        (tmp_path / name).symlink_to(real / name)
    assert load_credentials(environ={}, keys_dir=tmp_path) is not None


def test_variables_win_over_files(tmp_path: Path) -> None:
    folder = mounted(tmp_path, trade_key="other", trade_secret=SECRET)
    keys = load_credentials(environ=VARIABLES, keys_dir=folder)
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
    assert load_credentials(environ={}, keys_dir=folder) is not None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make root's files")
@pytest.mark.parametrize(("mode", "is_good"), [(0o440, True), (0o460, False), (0o450, False)])
def test_file_of_root_may_be_read_by_its_group_and_no_more(
    tmp_path: Path, mode: int, is_good: bool
) -> None:
    folder = mounted(tmp_path, mode, trade_key=KEY, trade_secret=SECRET)
    if is_good:
        assert load_credentials(environ={}, keys_dir=folder) is not None
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
    keys = load_credentials(environ=VARIABLES, keys_dir=None)
    assert keys is not None
    assert keys.secrets() == (KEY, SECRET)
    two = msgspec.structs.replace(keys, query=ApiKey(QUERY, QUERY_SECRET))
    assert two.secrets() == (KEY, SECRET, QUERY, QUERY_SECRET)

"""A sealed file opens for its password and for nothing else; it is there whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from krakked.runtime import sealed_secrets
from krakked.runtime.sealed_secrets import (
    Cost,
    Damaged,
    WrongPassword,
    seal,
    unseal,
    write_private,
)

PASSWORD = "correct horse battery"
CONTENT = b"what nobody may see"
QUICK = Cost(n=2)


def changed(file: bytes, **header: Any) -> bytes:
    """The same file with something else in its header."""
    document = msgspec.json.decode(file)
    document["header"].update(header)
    return msgspec.json.encode(document)


@pytest.fixture(scope="module")
def file() -> bytes:
    return seal(CONTENT, PASSWORD, QUICK)


def test_password_gives_back_what_was_sealed(file: bytes) -> None:
    assert unseal(file, PASSWORD) == CONTENT


def test_cost_of_a_new_file_is_the_one_that_is_recommended_and_it_opens() -> None:
    sealed = seal(CONTENT, PASSWORD)
    assert msgspec.json.decode(sealed)["header"]["cost"] == {"n": 131_072, "r": 8, "p": 1}
    assert unseal(sealed, PASSWORD) == CONTENT


@given(content=st.binary(max_size=300), password=st.text(min_size=1, max_size=30))
def test_any_content_and_any_password_come_round(content: bytes, password: str) -> None:
    assert unseal(seal(content, password, QUICK), password) == content


@pytest.mark.parametrize("password", ["", "correct horse batterz", PASSWORD + " ", PASSWORD[:-1]])
def test_wrong_password_is_told_from_damage(file: bytes, password: str) -> None:
    with pytest.raises(WrongPassword):
        unseal(file, password)


def test_nothing_that_was_sealed_can_be_read_in_the_file(file: bytes) -> None:
    assert CONTENT not in file
    assert b"nobody" not in file
    assert PASSWORD.encode() not in file


def test_two_files_of_the_same_content_have_nothing_in_common() -> None:
    one, two = (msgspec.json.decode(seal(CONTENT, PASSWORD, QUICK)) for _ in range(2))
    for name in ("salt", "nonce", "proof"):
        assert one["header"][name] != two["header"][name]
    assert one["sealed"] != two["sealed"]


def test_every_flipped_byte_of_the_sealed_part_is_damage(file: bytes) -> None:
    document = msgspec.json.decode(file)
    sealed = msgspec.convert(document["sealed"], bytes, builtin_types=())
    for index in range(len(sealed)):
        broken = bytearray(sealed)
        broken[index] ^= 1
        damaged = msgspec.json.encode({**document, "sealed": bytes(broken)})
        with pytest.raises(Damaged):
            unseal(damaged, PASSWORD)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ({"krakked_secrets": 2}, Damaged),
        ({"nonce": "AAAAAAAAAAAAAAAA"}, Damaged),
        ({"nonce": ""}, Damaged),
        ({"salt": "AAAA"}, WrongPassword),
        ({"cost": {"n": 4, "r": 8, "p": 1}}, WrongPassword),
        ({"cost": {"n": 3, "r": 8, "p": 1}}, Damaged),
        ({"cost": {"n": 2**40, "r": 8, "p": 1}}, Damaged),
        ({"cost": {"n": 2, "r": 2**30, "p": 1}}, Damaged),
        ({"cost": {"n": 2, "r": 8, "p": 1000}}, Damaged),
        ({"more": 1}, Damaged),
    ],
)
def test_header_that_was_changed_is_noticed(
    file: bytes, header: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        unseal(changed(file, **header), PASSWORD)


def test_content_that_was_not_sealed_together_with_its_header_is_damage(file: bytes) -> None:
    parsed = sealed_secrets._parse(file)
    key, _ = sealed_secrets._derive(PASSWORD, parsed.header.salt, parsed.header.cost)
    alone = ChaCha20Poly1305(key).encrypt(parsed.header.nonce, CONTENT, None)
    with pytest.raises(Damaged):
        unseal(msgspec.json.encode(msgspec.structs.replace(parsed, sealed=alone)), PASSWORD)


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff\xfe", b"[1]", b"not json", b'{"sealed": 1}'])
def test_what_is_no_sealed_file_is_damaged(text: bytes) -> None:
    with pytest.raises(Damaged):
        unseal(text, PASSWORD)


def test_half_a_file_is_damaged(file: bytes) -> None:
    with pytest.raises(Damaged):
        unseal(file[: len(file) // 2], PASSWORD)


def test_written_file_is_its_owners_alone_and_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secrets.enc"
    write_private(path, b"one")
    path.chmod(0o644)
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [found.name for found in path.parent.iterdir()] == ["secrets.enc"]


def test_rest_of_a_write_that_was_cut_off_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "secrets.enc"
    path.with_name("secrets.enc.new").write_bytes(b"half")
    write_private(path, b"whole")
    assert path.read_bytes() == b"whole"

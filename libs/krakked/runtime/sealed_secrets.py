"""``secrets.enc``: texts of people, sealed with a master password.

The password becomes a key by scrypt (slow and large on purpose), the key seals the content with
ChaCha20-Poly1305, and what stands beside it in the clear (version, cost, salt) is sealed along, so
that none of it can be exchanged. A hash of the other half of the derived key stands there too, and
tells a wrong password from a damaged file. Nothing here is logged; the file is its owner's alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

FORMAT: Final = 1
FILE_MAX_BYTES: Final = 64 * 1024
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_PROOF_BYTES: Final = 8


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of scrypt: 128 · n · r bytes of memory, here 128 MiB and about half a second.

    The bounds keep a strange file from taking all memory.
    """

    n: Annotated[int, msgspec.Meta(ge=2, le=2**20)] = 2**17
    r: Annotated[int, msgspec.Meta(ge=1, le=16)] = 8
    p: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1


RECOMMENDED: Final = Cost()


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the clear, and is sealed along."""

    krakked_secrets: int
    cost: Cost
    salt: bytes
    proof: bytes
    nonce: bytes


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    header: _Header
    sealed: bytes


class Damaged(Exception):
    """The file is not one of these, or not whole."""


class WrongPassword(Exception):
    """It was sealed with another password."""


def seal(content: bytes, password: str, cost: Cost | None = None) -> bytes:
    """The content of a file that ``password`` opens."""
    cost = cost or RECOMMENDED
    salt = secrets.token_bytes(_SALT_BYTES)
    key, proof = _derive(password, salt, cost)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    header = _Header(FORMAT, cost, salt, proof, nonce)
    sealed = ChaCha20Poly1305(key).encrypt(nonce, content, msgspec.json.encode(header))
    return msgspec.json.format(msgspec.json.encode(_File(header, sealed))) + b"\n"


def unseal(file: bytes, password: str) -> bytes:
    """What was sealed.

    Raises:
        Damaged: not a file of ours, or changed since.
        WrongPassword: another password sealed it.
    """
    parsed = _parse(file)
    header = parsed.header
    try:
        key, proof = _derive(password, header.salt, header.cost)
    except ValueError as error:  # n is no power of two
        raise Damaged from error
    if not hmac.compare_digest(proof, header.proof):
        raise WrongPassword
    try:
        return ChaCha20Poly1305(key).decrypt(
            header.nonce, parsed.sealed, msgspec.json.encode(header)
        )
    except (InvalidTag, ValueError) as error:
        raise Damaged from error


def write_private(path: Path, content: bytes) -> None:
    """Replace the file whole, or not at all; it is its owner's alone (0600).

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _parse(file: bytes) -> _File:
    try:
        parsed = msgspec.json.decode(file, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged from error
    if parsed.header.krakked_secrets != FORMAT:
        raise Damaged
    return parsed


def _derive(password: str, salt: bytes, cost: Cost) -> tuple[bytes, bytes]:
    """The key, and the proof of having it."""
    scrypt = Scrypt(salt=salt, length=2 * _KEY_BYTES, n=cost.n, r=cost.r, p=cost.p)
    derived = scrypt.derive(password.encode())
    return derived[:_KEY_BYTES], hashlib.sha256(derived[_KEY_BYTES:]).digest()[:_PROOF_BYTES]

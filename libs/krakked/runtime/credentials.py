"""The venue's API keys: from variables, or from a mounted folder; never shown, never logged.

Two pairs are possible: the *trade* key, which may change something, and the *query* key, which may
only read, so that slow questions never hold up a cancel. One pair may serve for both. Files that
others than their owner may read are refused, but for root's own with a group bit, which is how
Kubernetes mounts a secret for a pod that is not root.
"""

from __future__ import annotations

import base64
import binascii
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from krakked.domain.errors import BadInput
from krakked.runtime.exit_codes import ExitCode

TRADE_VARIABLES: Final = ("KRAKEN_API_KEY", "KRAKEN_API_SECRET")
QUERY_VARIABLES: Final = ("KRAKEN_QUERY_KEY", "KRAKEN_QUERY_SECRET")
TRADE_FILES: Final = ("trade-key", "trade-secret")
QUERY_FILES: Final = ("query-key", "query-secret")
_FILE_MAX_BYTES: Final = 4096


class ApiKey(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One key and its secret; ``repr`` shows neither."""

    key: str
    secret: str

    def __repr__(self) -> str:
        return "ApiKey(**********)"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Nothing for pretty printers either."""
        return []


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine signs with."""

    trade: ApiKey
    query: ApiKey
    """The same as ``trade`` where no second key was given."""
    source: str

    def describe(self) -> str:
        """Where they came from, for logs and people."""
        keys = "one key for all" if self.query is self.trade else "trade and query key"
        return f"{keys}, from {self.source}"

    def secrets(self) -> tuple[str, ...]:
        """The texts that no log may hold."""
        pairs = (self.trade,) if self.query is self.trade else (self.trade, self.query)
        return tuple(text for pair in pairs for text in (pair.key, pair.secret))


def load_credentials(*, environ: Mapping[str, str], keys_dir: Path | None) -> Credentials | None:
    """The keys, or None if there are none.

    Raises:
        BadInput: half a pair, a file that others may read, or a secret that is none.
    """
    trade = _from_variables(environ, TRADE_VARIABLES)
    if trade is not None:
        query = _from_variables(environ, QUERY_VARIABLES)
        return Credentials(trade=trade, query=query or trade, source=", ".join(TRADE_VARIABLES))
    if keys_dir is None:
        return None
    trade = _from_files(keys_dir, TRADE_FILES)
    if trade is None:
        raise _bad(f"{keys_dir}: no file `{TRADE_FILES[0]}` in it; mount the keys there")
    query = _from_files(keys_dir, QUERY_FILES)
    return Credentials(trade=trade, query=query or trade, source=f"files in {keys_dir}")


def _from_variables(environ: Mapping[str, str], names: tuple[str, str]) -> ApiKey | None:
    values = [environ.get(name, "").strip() for name in names]
    return _pair(values, names)


def _from_files(folder: Path, names: tuple[str, str]) -> ApiKey | None:
    if not folder.is_dir():
        raise _bad(f"{folder}: no such folder; mend venue.keys_dir or mount the keys there")
    paths = [folder / name for name in names]
    values = [_read(path) if path.exists() else "" for path in paths]
    return _pair(values, (str(paths[0]), str(paths[1])))


def _pair(values: list[str], names: tuple[str, str]) -> ApiKey | None:
    if not any(values):
        return None
    if not all(values):
        missing, given = (names[0], names[1]) if not values[0] else (names[1], names[0])
        raise _bad(f"{missing}: is missing while {given} is there; give both or none")
    try:
        base64.b64decode(values[1], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad(f"{names[1]}: not base64; copy the venue's private key whole") from error
    return ApiKey(*values)


def _read(path: Path) -> str:
    try:
        _check_mode(path)
        with path.open("rb") as file:
            content = file.read(_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise _bad(f"{path}: cannot be read: {error.strerror}; mend its permissions") from error
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise _bad(f"{path}: not plain text; write the key alone into it") from error
    if len(content) > _FILE_MAX_BYTES:
        raise _bad(f"{path}: too long for a key; write the key alone into it")
    return text


def _check_mode(path: Path) -> None:
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    is_mounted = status.st_uid == 0 and not mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP)
    if mode & stat.S_IRWXO or (mode & stat.S_IRWXG and not is_mounted):
        raise _bad(f"{path}: others may read it (mode {mode:04o}); chmod 600 it")


def _bad(message: str) -> BadInput:
    return BadInput(message, exit_code=ExitCode.KEYS)

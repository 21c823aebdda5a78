"""The venue's API keys: from variables, from a mounted folder, or sealed; never shown or logged.

Two pairs are possible: the *trade* key, which may change something, and the *query* key, which may
only read, so that slow questions never hold up a cancel. One pair may serve for both. Files that
others than their owner may read are refused, but for root's own with a group bit, which is how
Kubernetes mounts a secret for a pod that is not root. The sealed file (``secrets.enc``) is opened
by a master password, which comes from a variable, a mounted file, or a person at a terminal.
"""

from __future__ import annotations

import base64
import binascii
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from krakked.domain.errors import BadInput
from krakked.runtime.exit_codes import ExitCode

TRADE_VARIABLES: Final = ("KRAKEN_API_KEY", "KRAKEN_API_SECRET")
QUERY_VARIABLES: Final = ("KRAKEN_QUERY_KEY", "KRAKEN_QUERY_SECRET")
TRADE_FILES: Final = ("trade-key", "trade-secret")
QUERY_FILES: Final = ("query-key", "query-secret")
SEALED_FILE: Final = "secrets.enc"
PASSWORD_VARIABLE: Final = "KRAKKED_MASTER_PASSWORD"  # noqa: S105 - a name
PASSWORD_FILE_VARIABLE: Final = "KRAKKED_MASTER_PASSWORD_FILE"  # noqa: S105 - a name
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


class KeySources(msgspec.Struct, frozen=True, kw_only=True):
    """Where keys may come from; the first that has any counts."""

    environ: Mapping[str, str]
    keys_dir: Path | None = None
    sealed: Path | None = None
    """``secrets.enc``; looked at only if it is there."""
    ask: Callable[[], str] | None = None
    """Asks a person for the master password; None where nobody sits."""

    def __repr__(self) -> str:
        return f"KeySources(keys_dir={self.keys_dir}, sealed={self.sealed})"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Variables may hold keys: nothing for pretty printers."""
        return []


def load_credentials(sources: KeySources) -> Credentials | None:
    """The keys, or None if there are none.

    Raises:
        BadInput: half a pair, a file that others may read, a secret that is none, a sealed file
            that is damaged or whose password is wrong or missing.
    """
    environ = sources.environ
    trade = _from_variables(environ, TRADE_VARIABLES)
    if trade is not None:
        query = _from_variables(environ, QUERY_VARIABLES)
        return Credentials(trade=trade, query=query or trade, source=", ".join(TRADE_VARIABLES))
    if sources.keys_dir is not None:
        return _from_folder(sources.keys_dir)
    if sources.sealed is not None and sources.sealed.exists():
        return _unsealed(sources.sealed, master_password(environ, sources.ask))
    return None


class Keys:
    """The keys of one run: looked for once, however often they are asked for."""

    def __init__(self, sources: KeySources | None) -> None:
        """Look for them now; what is wrong with them is told by :meth:`get`."""
        self._found: Credentials | BadInput | None = None
        if sources is not None:
            try:
                self._found = load_credentials(sources)
            except BadInput as error:
                self._found = error

    def __repr__(self) -> str:
        return "<Keys **********>"

    def get(self) -> Credentials | None:
        """The keys, or None if there are none.

        Raises:
            BadInput: there are some, and they cannot be used.
        """
        if isinstance(self._found, BadInput):
            raise self._found
        return self._found

    def secrets(self) -> tuple[str, ...]:
        """The texts that no log may hold."""
        return self._found.secrets() if isinstance(self._found, Credentials) else ()


def master_password(environ: Mapping[str, str], ask: Callable[[], str] | None) -> str:
    """What opens the sealed file.

    Raises:
        BadInput: it is nowhere, and nobody can be asked.
    """
    given, file = environ.get(PASSWORD_VARIABLE, ""), environ.get(PASSWORD_FILE_VARIABLE, "")
    if given:
        return given
    if file:
        return _decoded(Path(file), "utf-8").rstrip("\r\n")
    if ask is None:
        raise _bad(
            f"secrets.enc: no master password; set {PASSWORD_FILE_VARIABLE} or "
            f"{PASSWORD_VARIABLE}, or start at a terminal, which asks for it"
        )
    return ask()


def sealed_content(trade: ApiKey, query: ApiKey | None) -> bytes:
    """What is sealed into ``secrets.enc``."""
    return msgspec.json.encode({"trade": trade, "query": query})


def checked_pair(key: str, secret: str, names: tuple[str, str]) -> ApiKey | None:
    """A pair of texts as a key; None if both are empty.

    Raises:
        BadInput: half a pair, or a secret that is none.
    """
    return _pair([key.strip(), secret.strip()], names)


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    trade: ApiKey
    query: ApiKey | None = None


def _unsealed(path: Path, password: str) -> Credentials:
    from krakked.runtime import sealed_secrets  # late: ciphers come with it

    content = _read_bytes(path, sealed_secrets.FILE_MAX_BYTES)
    try:
        sealed = msgspec.json.decode(sealed_secrets.unseal(content, password), type=_Sealed)
    except sealed_secrets.WrongPassword:
        raise _bad(f"{path}: the master password is wrong") from None
    except (sealed_secrets.Damaged, msgspec.DecodeError):
        raise _bad(
            f"{path}: damaged, or not made by krakked; restore a copy of it, or make it anew with "
            "`krakked secrets set`"
        ) from None
    return Credentials(trade=sealed.trade, query=sealed.query or sealed.trade, source=str(path))


def _from_folder(folder: Path) -> Credentials:
    trade = _from_files(folder, TRADE_FILES)
    if trade is None:
        raise _bad(f"{folder}: no file `{TRADE_FILES[0]}` in it; mount the keys there")
    query = _from_files(folder, QUERY_FILES)
    return Credentials(trade=trade, query=query or trade, source=f"files in {folder}")


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
    return _decoded(path, "ascii").strip()


def _decoded(path: Path, encoding: str) -> str:
    try:
        return _read_bytes(path, _FILE_MAX_BYTES).decode(encoding)
    except UnicodeDecodeError as error:
        raise _bad(f"{path}: not plain text; write the key alone into it") from error


def _read_bytes(path: Path, bytes_max: int) -> bytes:
    try:
        _check_mode(path)
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise _bad(f"{path}: cannot be read: {error.strerror}; mend its permissions") from error
    if len(content) > bytes_max:
        raise _bad(f"{path}: too long for a key; write the key alone into it")
    return content


def _check_mode(path: Path) -> None:
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    is_mounted = status.st_uid == 0 and not mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP)
    if mode & stat.S_IRWXO or (mode & stat.S_IRWXG and not is_mounted):
        raise _bad(f"{path}: others may read it (mode {mode:04o}); chmod 600 it")


def _bad(message: str) -> BadInput:
    return BadInput(message, exit_code=ExitCode.KEYS)

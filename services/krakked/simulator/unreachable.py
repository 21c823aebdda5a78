"""Why another address cannot be reached, in words for a person.

Whoever connects raises its own error from the library's, and that one from the system's; only the
system's says what happened, so it is looked for along the causes.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import aiohttp

from krakked.adapters.kraken.network import NoAnswer, NotConnected

_LATE: Final = "it does not answer in time"
_KINDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (socket.gaierror, "no host has that name"),
    (TimeoutError, _LATE),
    (ssl.SSLError, "it does not speak TLS as it should, or its certificate does not hold"),
    (ssl.CertificateError, "its certificate does not hold"),
    (aiohttp.WSServerHandshakeError, "it opens no WebSocket there"),
    (aiohttp.ServerDisconnectedError, "it hangs up without an answer"),
)
_NUMBERS: Final = {
    errno.ECONNREFUSED: "nobody listens there",
    errno.EHOSTUNREACH: "no way leads there",
    errno.ENETUNREACH: "no way leads there",
    errno.ETIMEDOUT: _LATE,
}


def in_words(error: BaseException) -> str:
    """The error's own text, but for connections that do not come about or break."""
    chain = list(_chain(error))
    if not any(isinstance(each, NotConnected | NoAnswer) for each in chain):
        return str(error)
    return next((words for each in chain if (words := _words(each)) is not None), "no connection")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes; what the library keeps in a field is one."""
    while error is not None:
        yield error
        if isinstance(error, aiohttp.ClientConnectorError):
            yield error.os_error
        error = error.__cause__


def _words(error: BaseException) -> str | None:
    for kind, words in _KINDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, aiohttp.ClientConnectorError) or not isinstance(error, OSError):
        return None  # of the first the field says more
    number = error.errno
    return None if number is None else _NUMBERS.get(number, os.strerror(number).lower())

"""Why an address cannot be reached is told in words, not in a library's."""

from __future__ import annotations

import errno
import itertools
import socket
from typing import Any

import pytest
from aiohttp import ClientConnectorDNSError, ClientConnectorError, ServerDisconnectedError

from krakked.adapters.kraken.network import NoAnswer, NotConnected
from krakked.domain.errors import Transient
from krakked.simulator.unreachable import in_words

KEY: Any = type("Key", (), {"host": "127.0.0.1", "port": 1, "is_ssl": False, "ssl": True})()


def caused(*errors: BaseException) -> BaseException:
    """The first, raised from the second, and so on."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def connector(error: OSError) -> BaseException:
    return caused(
        Transient("Time: not connected: ClientConnectorError Cannot connect to host"),
        NotConnected("ClientConnectorError Cannot connect to host"),
        ClientConnectorError(KEY, error),
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "nobody listens there"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no way leads there"),
        (OSError(errno.EACCES, "whatever the library says"), "permission denied"),
        (OSError("Multiple exceptions: [Errno 111], [Errno 111]"), "no connection"),
        (TimeoutError(), "it does not answer in time"),
    ],
)
def test_what_the_system_says_of_a_connection_is_told_in_words(error: OSError, words: str) -> None:
    assert in_words(connector(error)) == words


def test_a_name_that_nobody_has_and_a_host_that_hangs_up_are_told() -> None:
    nameless = ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name or service not known"))
    assert in_words(caused(NotConnected("x"), nameless)) == "no host has that name"
    gone = caused(Transient("x"), NoAnswer("x"), ServerDisconnectedError())
    assert in_words(gone) == "it hangs up without an answer"


def test_what_is_no_matter_of_connections_keeps_its_own_words() -> None:
    assert in_words(Transient("Time: HTTP 503")) == "Time: HTTP 503"
    assert in_words(caused(ValueError("no such pair"), TimeoutError())) == "no such pair"

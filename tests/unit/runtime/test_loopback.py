"""Counting bytes between two ends of one process."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from krakked.runtime.loopback import CountedSocket, Loopback


class Wire:
    """A listener, a client that has connected to it, and a book that counts."""

    def __init__(self) -> None:
        self.deaf: set[int] = set()
        self.book = Loopback(lambda fd: fd not in self.deaf)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.book.listen(self.listener)
        self.client = self.book.adopt(socket.create_connection(self.listener.getsockname()))
        self.server: socket.socket | None = None

    def accept(self) -> socket.socket:
        raw, _ = self.listener.accept()
        self.server = self.book.adopt(raw)
        return self.server

    def close(self) -> None:
        for one in (self.client, self.server, self.listener):
            if one is not None:
                one.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    with closing(Wire()) as made:
        yield made


def test_a_connection_that_is_not_accepted_yet_is_in_flight(wire: Wire) -> None:
    assert "not accepted" in repr(wire.book.in_flight())
    wire.accept()
    assert wire.book.in_flight() is None


def test_bytes_are_in_flight_until_all_of_them_are_read(wire: Wire) -> None:
    server = wire.accept()
    wire.client.send(b"hello")
    assert repr(wire.book.in_flight()).endswith("sent 5, read 0")
    assert server.recv(2) == b"he"
    assert repr(wire.book.in_flight()).endswith("sent 5, read 2")
    assert server.recv_into(bytearray(10)) == 3
    assert wire.book.in_flight() is None


def test_both_directions_are_counted(wire: Wire) -> None:
    server = wire.accept()
    server.sendmsg([b"ab", b"cd"])
    assert wire.book.in_flight() is not None
    assert wire.client.recv(10) == b"abcd"
    assert wire.book.in_flight() is None


def test_bytes_that_left_before_the_connection_was_accepted_count_too(wire: Wire) -> None:
    wire.client.send(b"early")
    server = wire.accept()
    assert wire.book.in_flight() is not None
    assert server.recv(10) == b"early"
    assert wire.book.in_flight() is None


def test_a_close_is_in_flight_until_the_other_end_has_seen_it(wire: Wire) -> None:
    server = wire.accept()
    wire.client.send(b"bye")
    wire.client.close()
    assert server.recv(10) == b"bye"
    assert "closed" in repr(wire.book.in_flight())
    assert server.recv(10) == b""
    assert wire.book.in_flight() is None


def test_closing_the_other_end_ends_the_matter(wire: Wire) -> None:
    server = wire.accept()
    wire.client.send(b"never read")
    server.close()
    wire.client.close()
    assert wire.book.in_flight() is None


def test_a_reset_is_the_end_of_the_stream(wire: Wire) -> None:
    server = wire.accept()
    server.send(b"unread")
    wire.client.close()  # with bytes unread: the kernel resets
    wire.book.settle()
    with pytest.raises(ConnectionError):
        server.recv(10)
    assert wire.book.in_flight() is None


def test_an_end_that_has_stopped_reading_holds_nothing_up(wire: Wire) -> None:
    server = wire.accept()
    wire.client.send(b"later")
    wire.deaf.add(server.fileno())
    assert wire.book.in_flight() is None
    wire.deaf.clear()
    assert wire.book.in_flight() is not None


def test_nothing_to_read_is_not_the_end_of_the_stream(wire: Wire) -> None:
    server = wire.accept()
    wire.client.send(b"x")
    assert server.recv(1) == b"x"
    with pytest.raises(BlockingIOError):
        server.recv(1)
    with pytest.raises(BlockingIOError):
        server.recv_into(bytearray(1))
    wire.client.send(b"y")
    assert wire.book.in_flight() is not None


def test_settling_waits_until_what_was_sent_can_be_read(wire: Wire) -> None:
    server = wire.accept()
    wire.client.send(b"z" * 50_000)
    wire.book.settle()
    assert len(server.recv(100_000)) == 50_000


def test_settling_does_not_wait_for_what_a_full_buffer_holds_back(wire: Wire) -> None:
    server = wire.accept()
    sent = 0
    with contextlib.suppress(BlockingIOError):  # the buffers are full
        while True:
            sent += wire.client.send(b"z" * 65_536)
    assert sent > 65_536
    wire.book.settle()
    received = 0
    while received < sent:
        wire.book.settle()
        received += len(server.recv(1 << 20))
    assert wire.book.in_flight() is None


def test_a_peer_of_another_process_is_not_counted() -> None:
    book = Loopback(lambda _fd: True)
    with socket.create_server(("127.0.0.1", 0)) as foreign:  # nobody told the book of it
        client = book.adopt(socket.create_connection(foreign.getsockname()))
        client.send(b"hello")
        assert book.in_flight() is None
        client.close()


def test_a_listener_that_has_closed_is_no_longer_of_this_process(wire: Wire) -> None:
    wire.accept()
    wire.book.stop_listening(wire.listener)
    late = wire.book.adopt(socket.create_connection(wire.listener.getsockname()))
    assert wire.book.in_flight() is None
    late.close()


def test_sockets_of_other_families_and_dead_ones_are_left_alone() -> None:
    book = Loopback(lambda _fd: True)
    left, right = socket.socketpair()
    with left, right:
        assert book.adopt(left) is left
    with socket.socket() as unconnected:
        assert book.adopt(unconnected) is unconnected
        assert not isinstance(unconnected, CountedSocket)


def test_an_address_that_is_used_again_makes_a_new_pair(wire: Wire) -> None:
    server = wire.accept()
    wire.client.close()
    assert server.recv(1) == b""
    server.close()
    again = wire.book.adopt(socket.create_connection(wire.listener.getsockname()))
    assert wire.book.in_flight() is not None
    raw, _ = wire.listener.accept()
    with closing(wire.book.adopt(raw)) as other, closing(again):
        again.send(b"1")
        assert other.recv(5) == b"1"
        assert wire.book.in_flight() is None

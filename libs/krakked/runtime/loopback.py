"""Counts the bytes that travel between two sockets of one process.

A simulated clock may jump only when nothing is on its way. The kernel does not say when a
loopback byte has been *read*, so every socket that the loop owns is replaced by one that counts
what it sent and received; the two ends of a connection find each other by their addresses.
A byte is in flight from ``send`` at one end until ``recv`` at the other; a close is in flight
until the other end has seen the end of the stream. Bytes for an end that has stopped reading
(flow control) are its own business and hold nothing up, and peers in other processes are not
counted.
"""

from __future__ import annotations

import array
import fcntl
import select
import socket
import termios
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

Address: TypeAlias = tuple[object, ...]

_NAP_S: Final = 0.0002
_ARRIVAL_NAPS_MAX: Final = 10
"""Bytes that do not become readable for so many naps wait behind a full buffer."""
_COUNTED_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)


class End:
    """One side of a counted connection."""

    __slots__ = ("address", "closed", "expected", "fd", "mate", "peer", "received", "sent")

    def __init__(self, fd: int, address: Address, peer: Address, *, expected: bool) -> None:
        self.fd = fd
        self.address = address
        self.peer = peer
        self.expected = expected
        """Whether the other end will be, or is, in this process."""
        self.mate: End | None = None
        self.sent = 0
        self.received = 0
        self.closed = False

    def __repr__(self) -> str:
        mate = "not accepted" if self.mate is None else f"read {self.mate.received}"
        state = ", closed" if self.closed else ""
        return f"{_spoken(self.address)} -> {_spoken(self.peer)}: sent {self.sent}, {mate}{state}"


class Loopback:
    """The book of all counted connections of one loop."""

    def __init__(self, is_reading: Callable[[int], bool]) -> None:
        self._is_reading = is_reading
        self._ends: dict[tuple[Address, Address], End] = {}
        self._moving: dict[End, None] = {}  # senders whose mates have not seen everything
        self._listening: dict[object, int] = {}  # port -> listeners

    def listen(self, sock: socket.socket) -> None:
        """A listener of this process has opened."""
        if sock.family in _COUNTED_FAMILIES:
            port = sock.getsockname()[1]
            self._listening[port] = self._listening.get(port, 0) + 1

    def stop_listening(self, sock: socket.socket) -> None:
        """A listener of this process is about to close."""
        if sock.family in _COUNTED_FAMILIES and sock.fileno() >= 0:
            port = sock.getsockname()[1]
            self._listening[port] = self._listening.get(port, 1) - 1

    def adopt(self, sock: socket.socket) -> socket.socket:
        """The same connection behind a socket that counts; others are returned as they are."""
        addresses = _addresses(sock)
        if addresses is None:
            return sock
        address, peer = addresses
        counted = CountedSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
        counted.setblocking(False)
        expected = self._listening.get(peer[1], 0) > 0
        counted.watch(self, self._open(End(counted.fileno(), address, peer, expected=expected)))
        return counted

    def in_flight(self) -> End | None:
        """A sender that something still comes from, to an end that reads; None if all is quiet."""
        return next((end for end in self._moving if self._holds_up(end)), None)

    def settle(self) -> None:
        """Return when everything sent has become readable (or waits behind a full buffer)."""
        for end in tuple(self._moving):
            mate = end.mate
            if mate is not None and self._is_reading(mate.fd):
                _await_arrival(end, mate)

    def sent(self, end: End, count: int) -> None:
        """``count`` bytes left at this end."""
        end.sent += count
        if end.mate is not None or end.expected:
            self._moving[end] = None

    def received(self, end: End, count: int) -> None:
        """``count`` bytes were read at this end; zero is the end of the stream."""
        end.received += count
        mate = end.mate
        if mate is not None and (count == 0 or (mate.sent <= end.received and not mate.closed)):
            self._moving.pop(mate, None)

    def closed(self, end: End) -> None:
        """The end is gone: what was on its way to it no longer counts, its close does."""
        end.closed = True
        self._ends.pop((end.address, end.peer), None)
        mate = end.mate
        if mate is None or mate.closed:
            self._moving.pop(end, None)
        else:
            self._moving[end] = None
        if mate is not None:
            self._moving.pop(mate, None)

    def _open(self, end: End) -> End:
        self._ends[end.address, end.peer] = end
        mate = self._ends.get((end.peer, end.address))
        if mate is not None:
            end.mate, mate.mate = mate, end
            if mate.sent == 0:
                self._moving.pop(mate, None)
        elif end.expected:
            self._moving[end] = None
        return end

    def _holds_up(self, end: End) -> bool:
        return end.mate is None or self._is_reading(end.mate.fd)


class CountedSocket(socket.socket):
    """A socket that reports to a :class:`Loopback` what passes through it."""

    _book: Loopback
    _end: End

    def watch(self, book: Loopback, end: End) -> None:
        """Report to ``book`` from now on."""
        self._book = book
        self._end = end

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Send, and count."""
        count = super().send(data, flags)
        self._book.sent(self._end, count)
        return count

    def sendmsg(self, buffers: Iterable[ReadableBuffer], *args: object) -> int:
        """Send, and count."""
        assert not args
        count = super().sendmsg(buffers)
        self._book.sent(self._end, count)
        return count

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive, and count."""
        try:
            data = super().recv(bufsize, flags)
        except BlockingIOError:
            raise
        except OSError:
            self._book.received(self._end, 0)
            raise
        self._book.received(self._end, len(data))
        return data

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """Receive, and count."""
        try:
            count = super().recv_into(buffer, nbytes, flags)
        except BlockingIOError:
            raise
        except OSError:
            self._book.received(self._end, 0)
            raise
        self._book.received(self._end, count)
        return count

    def close(self) -> None:
        """Close, and tell."""
        if not self._end.closed:
            self._book.closed(self._end)
        super().close()


def _addresses(sock: socket.socket) -> tuple[Address, Address] | None:
    if sock.family not in _COUNTED_FAMILIES:
        return None
    try:
        return tuple(sock.getsockname()), tuple(sock.getpeername())
    except OSError:  # the peer has gone before it was met
        return None


def _await_arrival(end: End, mate: End) -> None:
    before, naps = -1, 0
    while naps < _ARRIVAL_NAPS_MAX:
        readable = _readable_bytes(mate.fd)
        if readable >= end.sent - mate.received and (not end.closed or _has_hung_up(mate.fd)):
            return
        naps = naps + 1 if readable == before else 0
        before = readable
        select.select([], [], [], _NAP_S)


def _readable_bytes(fd: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def _has_hung_up(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)
    return bool(poll.poll(0))


def _spoken(address: Address) -> str:
    return f"{address[0]}:{address[1]}"

"""The control socket: how a person's commands reach a running engine.

A unix socket beside the database (``<database>.sock``, mode 0600): who may open the file may
command. One JSON object a line, a command in, its reply out, in order; the set of commands is
closed (``domain/commands.py``) and anything else is answered with what was wrong. The engine
answers one connection's commands one after the other; a slow client holds up nobody else.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from krakked.domain.commands import Command, Reply
from krakked.domain.errors import BadInput, Transient
from krakked.runtime.exit_codes import ExitCode

Handle: TypeAlias = Callable[[Command], Awaitable[Reply]]

LINE_MAX_BYTES: Final = 64 * 1024
ANSWER_TIMEOUT_S: Final = 60.0
"""Flattening an account waits for the venue."""
_PATH_MAX_BYTES: Final = 100
"""The kernel takes 108."""

_decoder = msgspec.json.Decoder(Command)
_reply_decoder = msgspec.json.Decoder(Reply)
_encoder = msgspec.json.Encoder()


class NoEngine(Transient):
    """Nobody listens on the socket."""


def socket_path(db_path: Path) -> Path:
    """Where the engine of that database listens."""
    return db_path.with_name(db_path.name + ".sock")


@asynccontextmanager
async def serve(path: Path, handle: Handle) -> AsyncIterator[None]:
    """Answer commands for the length of the block.

    Raises:
        BadInput: another engine listens there, or the socket cannot be made.
    """
    _make_way(path)
    connections: dict[asyncio.Task[None], None] = {}  # in the order in which they came

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_converse(reader, writer, handle), name="control connection")
        connections[task] = None
        task.add_done_callback(lambda done: connections.pop(done, None))

    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(accept, path, limit=LINE_MAX_BYTES)
    except OSError as error:
        raise BadInput(
            f"{path}: the control socket cannot be made: {error.strerror}; "
            "choose another folder with --db-path",
            exit_code=ExitCode.OCCUPIED,
        ) from error
    finally:
        os.umask(before)
    try:
        yield
    finally:
        await _close(server, list(connections))
        _remove(path)


def ask(path: Path, command: Command, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Reply:
    """Send one command and wait for its answer.

    Raises:
        NoEngine: nobody listens there.
        Transient: no answer in time; the command may have been done, and may be sent again with
            the same id.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except (OSError, ValueError) as error:
            raise NoEngine(f"no engine answers at {path}") from error
        try:
            connection.sendall(_encoder.encode(command) + b"\n")
            line = _read_line(connection)
        except OSError as error:
            raise Transient(f"the engine at {path} did not answer in time") from error
    if not line.endswith(b"\n"):
        raise Transient(f"the engine at {path} closed the connection without an answer")
    return _reply_decoder.decode(line)


def _read_line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = connection.recv(LINE_MAX_BYTES)
        if not part:
            break
        line += part
    return line


def _make_way(path: Path) -> None:
    """Remove what a killed engine left behind; refuse to take the place of a living one."""
    if len(os.fsencode(path)) > _PATH_MAX_BYTES:
        raise BadInput(
            f"{path}: too long for a socket ({_PATH_MAX_BYTES} bytes at most); "
            "choose a shorter --db-path",
            exit_code=ExitCode.OCCUPIED,
        )
    if not path.exists():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            with suppress(OSError):  # a folder we may not write says so when the socket is made
                path.unlink()
            return
    raise BadInput(
        f"{path}: another engine is running on this database; stop it first, or give another "
        "--db-path",
        exit_code=ExitCode.OCCUPIED,
    )


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handle
) -> None:
    try:
        while line := await reader.readline():
            writer.write(_encoder.encode(await _answer(line, handle)) + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError):
        pass  # the client left, or sent a line without end: its own loss
    finally:
        writer.close()


async def _answer(line: bytes, handle: Handle) -> Reply:
    try:
        command = _decoder.decode(line)
    except msgspec.MsgspecError as error:
        return Reply(command_id="", ok=False, message=f"not a command: {error}")
    return await handle(command)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _close(server: asyncio.Server, connections: list[asyncio.Task[None]]) -> None:
    server.close()
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    await server.wait_closed()

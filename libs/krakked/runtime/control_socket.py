"""The control socket: how a person's commands reach a running engine.

A unix socket beside the database (``<database>.sock``, mode 0600): who may open the file may
command. One JSON object a line, a command in, its reply out, in order; the set of commands is
closed (``domain/commands.py``) and anything else is answered with what was wrong. The engine
answers one connection's commands one after the other; a slow client holds up nobody else.

A command is done only after both have heard of each other: the engine repeats its id, and the
person's side says go. An engine that hangs is given up after seconds and never gets that word, so
"it was not done" stays true when it wakes up later::

    > {"command": "halt", "command_id": "c1", ...}
    < {"heard": "c1"}
    > {"go": "c1"}
    < {"command_id": "c1", "ok": true, "message": "halted: ..."}
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
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
HEARD_TIMEOUT_S: Final = 5.0
"""An engine that works repeats a command's id at once."""
ANSWER_TIMEOUT_S: Final = 60.0
"""Flattening an account waits for the venue."""
_PATH_MAX_BYTES: Final = 100
"""The kernel takes 108."""


class _Heard(msgspec.Struct, frozen=True):
    """The engine's word that it has the command; it does nothing yet."""

    heard: str


class _First(msgspec.Struct, frozen=True):
    """The engine's first line: that it heard, or the reply that this is no command."""

    heard: str | None = None


class _Go(msgspec.Struct, frozen=True):
    """The person's word that he is still there."""

    go: str


_decoder = msgspec.json.Decoder(Command)
_go_decoder = msgspec.json.Decoder(_Go)
_reply_decoder = msgspec.json.Decoder(Reply)
_first_decoder = msgspec.json.Decoder(_First)
_encoder = msgspec.json.Encoder()


class NoEngine(Transient):
    """Nobody listens on the socket."""


class EngineHangs(Transient):
    """It runs and does not answer; what it was told is not done, and will not be."""

    def __init__(self, path: Path, process_id: int | None) -> None:
        self.process_id = process_id
        """Whom to stop; None where the system does not say."""
        named = "" if process_id is None else f" (pid {process_id})"
        super().__init__(f"the engine at {path}{named} is running but not answering")


class NotFinished(Transient):
    """It has begun and gave no answer: it may be done, or still be done."""


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


def ask(
    path: Path,
    command: Command,
    *,
    heard_timeout_s: float = HEARD_TIMEOUT_S,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Reply:
    """Send one command and wait for its answer.

    Raises:
        NoEngine: nobody listens there.
        EngineHangs: it did not even hear; nothing was done, and nothing will be.
        NotFinished: no answer in time; the command may be sent again with the same id.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(heard_timeout_s)
        _connect(connection, path)
        refusal = _announce(connection, path, command)
        if refusal is not None:
            return refusal
        connection.settimeout(timeout_s)
        try:
            connection.sendall(_encoder.encode(_Go(command.command_id)) + b"\n")
            line = _read_line(connection)
        except OSError as error:
            raise NotFinished(f"the engine at {path} did not answer in time") from error
    if not line.endswith(b"\n"):
        raise NotFinished(f"the engine at {path} closed the connection without an answer")
    return _reply_decoder.decode(line)


def _connect(connection: socket.socket, path: Path) -> None:
    try:
        connection.connect(str(path))
    except (TimeoutError, BlockingIOError) as error:  # so many wait that no more may
        raise EngineHangs(path, None) from error
    except PermissionError as error:
        raise NoEngine(
            f"the engine at {path} belongs to another user; command it as him"
        ) from error
    except (OSError, ValueError) as error:
        raise NoEngine(f"no engine answers at {path}") from error


def _announce(connection: socket.socket, path: Path, command: Command) -> Reply | None:
    """Make sure that the engine listens; its answer, if it refuses to hear of such a command."""
    try:
        connection.sendall(_encoder.encode(command) + b"\n")
        line = _read_line(connection)
    except TimeoutError as error:
        raise EngineHangs(path, _listener(connection)) from error
    except OSError as error:
        raise NoEngine(f"the engine at {path} is stopping; nothing was done") from error
    if not line.endswith(b"\n"):
        raise NoEngine(f"the engine at {path} is stopping; nothing was done")
    is_heard = _first_decoder.decode(line).heard is not None
    return None if is_heard else _reply_decoder.decode(line)


def _listener(connection: socket.socket) -> int | None:
    """The process on the other side, where the system says (Linux)."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = struct.Struct("3i")
    process_id, _, _ = credentials.unpack(
        connection.getsockopt(socket.SOL_SOCKET, option, credentials.size)
    )
    return int(process_id)


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
    async def say(message: _Heard | Reply) -> None:
        writer.write(_encoder.encode(message) + b"\n")
        await writer.drain()

    try:
        while line := await reader.readline():
            command = _parsed(line)
            if isinstance(command, Reply):
                await say(command)
                continue
            await say(_Heard(command.command_id))
            if not _says_go(await reader.readline(), command):
                break
            await say(await handle(command))
    except (ConnectionError, ValueError):
        pass  # the client left, or sent a line without end: its own loss
    finally:
        writer.close()


def _parsed(line: bytes) -> Command | Reply:
    """The command, or what is wrong with it."""
    try:
        command: Command = _decoder.decode(line)
    except msgspec.MsgspecError as error:
        return Reply(command_id="", ok=False, message=f"not a command: {error}")
    return command


def _says_go(line: bytes, command: Command) -> bool:
    """Whether the client is still there and means this command."""
    try:
        return _go_decoder.decode(line).go == command.command_id
    except msgspec.MsgspecError:
        return False


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _close(server: asyncio.Server, connections: list[asyncio.Task[None]]) -> None:
    server.close()
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    await server.wait_closed()

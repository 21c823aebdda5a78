"""The control socket: a closed set of commands, one line each way, for its owner alone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from krakked.domain.commands import (
    Cancel,
    CancelAll,
    Command,
    Flatten,
    Halt,
    Panic,
    Reply,
    Resolve,
    Resume,
    SetKillSwitch,
    Shutdown,
    Status,
)
from krakked.domain.errors import BadInput
from krakked.domain.ids import ClientOrderId, PairName
from krakked.runtime import control_socket
from krakked.runtime.control_socket import (
    EngineHangs,
    NoEngine,
    NotFinished,
    ask,
    serve,
    socket_path,
)

WHO: Any = {"command_id": "c1", "principal": "ann@home"}
EVERY_COMMAND = (
    SetKillSwitch(**WHO, active=True, reason="news"),
    Halt(**WHO, cancel=True),
    Resume(**WHO),
    Cancel(**WHO, order_id="O1"),
    CancelAll(**WHO, pair=PairName("XBTUSD")),
    Flatten(**WHO),
    Panic(**WHO),
    Shutdown(**WHO),
    Status(**WHO),
    Resolve(**WHO, client_order_id=ClientOrderId("1-2"), outcome="absent"),
)


class Engine:
    """Answers commands on a thread of its own, as an engine in another process would."""

    def __init__(self) -> None:
        self.heard: list[Command] = []
        self.has_heard = threading.Event()
        self.answer: Callable[[Command], Awaitable[Reply]] = self.done

    async def done(self, command: Command) -> Reply:
        self.heard.append(command)
        return Reply(command_id=command.command_id, ok=True, message="done", data={"n": 1})

    async def never(self, command: Command) -> Reply:
        self.heard.append(command)
        self.has_heard.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def handle(self, command: Command) -> Reply:
        return await self.answer(command)

    @contextmanager
    def running(self, path: Path) -> Iterator[None]:
        loop = asyncio.new_event_loop()
        is_up, over = threading.Event(), asyncio.Event()

        async def serving() -> None:
            async with serve(path, self.handle):
                is_up.set()
                await over.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
        thread.start()
        assert is_up.wait(5)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join(5)
            loop.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return socket_path(tmp_path / "portfolio.db")


def test_socket_stands_beside_the_database() -> None:
    assert socket_path(Path("/data/portfolio.db")) == Path("/data/portfolio.db.sock")


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda c: type(c).__name__)
def test_every_command_arrives_as_it_was_sent(path: Path, command: Command) -> None:
    engine = Engine()
    with engine.running(path):
        reply = ask(path, command)
    assert engine.heard == [command]
    assert reply == Reply(command_id="c1", ok=True, message="done", data={"n": 1})


def test_socket_is_its_owners_alone_and_gone_afterwards(path: Path) -> None:
    with Engine().running(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_ISSOCK(path.stat().st_mode)
    assert not path.exists()


def test_umask_of_the_process_is_left_as_it_was(path: Path) -> None:
    before = os.umask(0o022)
    try:
        with Engine().running(path):
            assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_nobody_there_is_told_apart(path: Path) -> None:
    with pytest.raises(NoEngine, match="no engine answers at"):
        ask(path, Status(**WHO))


def test_socket_that_a_killed_engine_left_is_nobody_there_and_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
    with pytest.raises(NoEngine):
        ask(path, Status(**WHO))
    engine = Engine()
    with engine.running(path):
        assert ask(path, Status(**WHO)).ok


def test_second_engine_does_not_take_the_place_of_a_living_one(path: Path) -> None:
    async def second() -> None:
        async with serve(path, Engine().handle):
            pass

    engine = Engine()
    with engine.running(path):
        with pytest.raises(BadInput, match="another engine is running on this database") as caught:
            asyncio.run(second())
        assert caught.value.exit_code == 74
        assert ask(path, Status(**WHO)).ok


def test_path_too_long_for_a_socket_is_refused_in_one_line(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)

    async def start() -> None:
        async with serve(long, Engine().handle):
            pass

    with pytest.raises(BadInput, match="too long for a socket") as caught:
        asyncio.run(start())
    assert caught.value.exit_code == 74


def test_folder_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    async def start() -> None:
        async with serve(tmp_path / "no/x.sock", Engine().handle):
            pass

    with pytest.raises(BadInput, match="the control socket cannot be made"):
        asyncio.run(start())


def test_client_that_leaves_and_long_lines_harm_nobody(path: Path) -> None:
    engine = Engine()
    with engine.running(path):
        for text in (b"", b"half a line", b"x" * 200_000 + b"\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                with_end = client.send(text)
                assert with_end <= len(text)
        assert ask(path, Status(**WHO)).ok


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"{}\n",
        b'{"command": "sell_everything", "command_id": "1", "principal": "x"}\n',
        b'{"command": "cancel", "command_id": "1", "principal": "x"}\n',
        b'{"command": "halt", "command_id": 1, "principal": "x"}\n',
        b"\xff\n",
    ],
)
def test_what_is_no_command_is_answered_and_not_done(path: Path, line: bytes) -> None:
    engine = Engine()
    with engine.running(path), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(line)
        reply = json.loads(client.recv(65536))
    assert reply["ok"] is False
    assert reply["message"].startswith("not a command: ")
    assert engine.heard == []


RESUME = b'{"command": "resume", "command_id": "%s", "principal": "x"}\n'
GO = b'{"go": "%s"}\n'


def test_one_connection_carries_several_commands_in_order(path: Path) -> None:
    engine = Engine()
    with engine.running(path), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        for number in (b"1", b"2"):
            client.sendall(RESUME % number + GO % number)
        with client.makefile("rb") as lines:
            said = [json.loads(lines.readline()) for _ in range(4)]
    assert [said[0], said[2]] == [{"heard": "1"}, {"heard": "2"}]
    assert [said[1]["command_id"], said[3]["command_id"]] == ["1", "2"]


def test_command_is_not_done_before_its_client_says_go(path: Path) -> None:
    engine = Engine()
    with engine.running(path), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(RESUME % b"1")
        with client.makefile("rb") as lines:
            assert json.loads(lines.readline()) == {"heard": "1"}
            assert engine.heard == []
            client.sendall(GO % b"1")
            assert json.loads(lines.readline())["ok"] is True
    assert len(engine.heard) == 1


@pytest.mark.parametrize("last", [b"", GO % b"2", b"nonsense\n", RESUME % b"2"])
def test_command_whose_client_left_or_says_something_else_is_dropped(
    path: Path, last: bytes
) -> None:
    engine = Engine()
    with engine.running(path):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(RESUME % b"1" + last)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(5)
            with client.makefile("rb") as lines:
                assert [json.loads(line) for line in lines] == [{"heard": "1"}]
        assert ask(path, Status(**WHO)).ok
    assert [type(command) for command in engine.heard] == [Status]


@contextmanager
def hanging(path: Path) -> Iterator[socket.socket]:
    """A process that listens and never looks."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


def test_engine_that_hangs_is_told_within_seconds_with_its_process(path: Path) -> None:
    assert control_socket.HEARD_TIMEOUT_S == 5
    with hanging(path), pytest.raises(EngineHangs, match="is running but not answering") as caught:
        ask(path, Panic(**WHO), heard_timeout_s=0.05)
    assert caught.value.process_id == os.getpid()
    assert f"(pid {os.getpid()})" in str(caught.value)


def test_engine_so_hung_that_nobody_can_queue_is_told_as_hanging(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(path))
            with pytest.raises(EngineHangs):
                ask(path, Panic(**WHO), heard_timeout_s=0.05)


def test_command_given_up_on_is_not_done_when_the_engine_wakes_up(path: Path) -> None:
    """What it finds is what a hung engine finds later: the command, and that nobody waits."""
    with hanging(path) as listener:
        with pytest.raises(EngineHangs):
            ask(path, Panic(**WHO), heard_timeout_s=0.05)
        waiting, _ = listener.accept()
        with waiting, waiting.makefile("rb") as lines:
            left = lines.read()
    assert json.loads(left)["command"] == "panic"
    path.unlink()
    engine = Engine()
    with engine.running(path):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(left)
        assert ask(path, Status(**WHO)).ok
    assert [type(command) for command in engine.heard] == [Status]


def test_engine_that_closes_before_it_heard_is_stopping(path: Path) -> None:
    with hanging(path) as listener:

        def stop() -> None:
            waiting, _ = listener.accept()
            with waiting:
                waiting.recv(4096)

        stopping = threading.Thread(target=stop)
        stopping.start()
        with pytest.raises(NoEngine, match="is stopping; nothing was done"):
            ask(path, Panic(**WHO), heard_timeout_s=5)
        stopping.join(5)


def test_engine_that_does_not_answer_in_time_is_told(path: Path) -> None:
    engine = Engine()
    engine.answer = engine.never
    with engine.running(path), pytest.raises(NotFinished, match="did not answer in time"):
        ask(path, Panic(**WHO), timeout_s=0.05)
    assert len(engine.heard) == 1


def test_engine_that_stops_while_it_answers_closes_the_connection(path: Path) -> None:
    engine = Engine()
    engine.answer = engine.never
    said: list[str] = []

    def client() -> None:
        with pytest.raises(NotFinished) as caught:
            ask(path, Panic(**WHO), timeout_s=5)
        said.append(str(caught.value))

    with engine.running(path):
        asking = threading.Thread(target=client)
        asking.start()
        assert engine.has_heard.wait(5)
    asking.join(5)
    assert said
    assert "closed the connection without an answer" in said[0]


def test_slow_answer_to_one_does_not_hold_up_another(path: Path) -> None:
    engine = Engine()

    async def answer(command: Command) -> Reply:
        return await (engine.never(command) if isinstance(command, Panic) else engine.done(command))

    engine.answer = answer
    with engine.running(path), socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(path))
        slow.sendall(b'{"command": "panic", "command_id": "1", "principal": "x"}\n{"go": "1"}\n')
        assert engine.has_heard.wait(5)
        assert ask(path, Status(**WHO), timeout_s=5).ok


def test_limits_are_sane() -> None:
    assert control_socket.LINE_MAX_BYTES >= 4096

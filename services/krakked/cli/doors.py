"""The two ways to a running engine's world: its database, read-only, and its control socket."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from krakked.domain.errors import BadInput, Transient
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.adapters.sqlite.queries import SqliteQueries
    from krakked.domain.commands import Command, Reply


class NothingAnswers(BadInput):
    """No engine answered; whether one runs nevertheless."""

    def __init__(
        self, message: str, *, is_running: bool = False, process_id: int | None = None
    ) -> None:
        super().__init__(message, exit_code=ExitCode.NO_ENGINE)
        self.is_running = is_running
        self.process_id = process_id


@contextmanager
def reading(db_path: Path) -> Iterator[SqliteQueries]:
    """Questions to the database; it is never written, created or checkpointed."""
    from krakked.adapters.sqlite.queries import open_queries

    with closing(open_queries(db_path)) as queries:
        yield queries


def new_command_id() -> str:
    """Names one wish of a person: sent twice, it is done once."""
    return os.urandom(8).hex()


def principal() -> str:
    """Who types: goes on record."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def send(db_path: Path, command: Command, *, otherwise: str) -> Reply:
    """Give the engine a command, and wait for its answer.

    Args:
        db_path: names the engine.
        command: to be done once.
        otherwise: what a person can do where no engine answers.

    Raises:
        NothingAnswers: no engine, or none that answers in time; says what became of the command.
    """
    from krakked.runtime import control_socket

    path = control_socket.socket_path(db_path)
    try:
        return control_socket.ask(path, command)
    except control_socket.NoEngine as error:
        raise NothingAnswers(f"{error}; {otherwise}") from error
    except control_socket.EngineHangs as error:
        raise NothingAnswers(
            f"{error}: this was not done, and will not be; {_stopping(error.process_id)}",
            is_running=True,
            process_id=error.process_id,
        ) from error
    except Transient as error:
        raise NothingAnswers(
            f"{error}: it has begun and may still finish; look at `krakked status` and "
            "`krakked orders list --open`",
            is_running=True,
        ) from error


def _stopping(process_id: int | None) -> str:
    who = "PID" if process_id is None else str(process_id)
    return (
        f"wait and try again, or stop it with `kill {who}` (`kill -9 {who}` if it stays) and start "
        "it again: nothing on record is lost"
    )


def order(db_path: Path, command: Command, *, otherwise: str, as_json: bool) -> int:
    """Send a command, print the answer; the exit code."""
    return tell(send(db_path, command, otherwise=otherwise), as_json=as_json)


def tell(reply: Reply, *, as_json: bool) -> int:
    """Print an answer; the exit code."""
    from krakked.cli.output import print_json

    if as_json:
        print_json(reply)
    else:
        click.echo(reply.message, err=not reply.ok)
    return ExitCode.DONE if reply.ok else ExitCode.REFUSED

"""One world: a venue, an API server, engines with volumes, lines between them, and a person.

The person does what a person would: acknowledges what a database did not hear of, lets a fenced
engine go on. Everything else that happens, happens to the world from ``acts``.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from tests.chaos import audit, auditor
from tests.chaos.engines import (
    EXPECTED_ENDS,
    KRAKKED,
    QUERY_KEY,
    TRADE_KEY,
    Engine,
    Place,
)
from tests.chaos.failovers import Failovers
from tests.chaos.programs import Program
from tests.chaos.relay import Relay
from tests.chaos.sorts import Sort
from tests.chaos.tape import Tape
from tests.chaos.volumes import Volume

from krakked.adapters.kraken.rate_limit import Tier
from krakked.domain.commands import Acknowledge, Halt, Resume, SetKillSwitch, Unfence

LOOK_S = 0.25
START_S = 40.0
READY_AFTER_S = 4.0
QUIET_S = 120.0
END_S = 45.0
VIOLATIONS_MAX = 8
ENDS_BY_DISK, ENDS_BY_CLOCK = 73, 76
MEMORY_S = 30.0
"""An end of that kind is put down to a fault for so long after it was mended."""


class World:
    """See the module."""

    def __init__(self, sort: Sort, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self.sort = sort
        self.folder = folder
        self.dice = random.Random(f"{seed}/{sort.name}")
        self.tape = Tape()
        self.failovers = Failovers(sort.timings, Tier(sort.tier))
        self.violations: list[str] = []
        self.say = say
        self.engines: list[Engine] = []
        self.owner: Engine | None = None
        self.holds = 0
        """So many acts want a halt or a kill switch to last."""
        self.disk_trouble_s = self.clock_trouble_s = -MEMORY_S
        self.keys_of_venue = (TRADE_KEY, QUERY_KEY)
        self.venue = Program("venue", folder / "venue.log", self._hear_venue)
        self.api = Program("api", folder / "api.log", self._hear_api)
        self._place = Place(folder, sort, self.dice)
        self._admin_url = self._api_admin_url = ""
        self.venue_url = ""
        self._api_target = ("127.0.0.1", 0)
        self._venue_up, self._api_up = asyncio.Event(), asyncio.Event()
        self._keeping: list[asyncio.Task[None]] = []

    # begin and end

    async def open(self) -> None:
        """Start all of it."""
        (self.folder / "token").write_text("chaos")
        await self.start_venue()
        if self.sort.has_api:
            await self.start_api()
            # The chart does this once: nobody ever owned the account.
            lease = {"namespace": "chaos", "name": "engine"}
            word = {"krakked.io/released": "0"}
            await post(f"{self._api_admin_url}/change", {**lease, "annotations": word})
        for name in "abc"[: self.sort.engines]:
            await self._add_engine(name)
        self._keeping = [asyncio.create_task(e.keep(), name=e.name) for e in self.engines]

    async def _add_engine(self, name: str) -> None:
        venue = Relay(name, self.tape, self.dice)
        api = Relay(f"{name}-api", None, self.dice) if self.sort.has_api else None
        for line in (venue, api):
            if line is not None:
                await line.start()
        venue.target = self._target(self.venue_url)
        if api is not None:
            api.target = self._api_target
        if self.sort.shares_volume and self.engines:
            volume = self.engines[0].volume
        else:
            volume = Volume(self.folder / f"volume-{name}")
        self.engines.append(Engine(name, self._place, volume, (venue, api), self))

    async def start_venue(self) -> None:
        """Or again: its account is in a file."""
        self._venue_up.clear()
        trade, query = self.keys_of_venue
        argv = [*KRAKKED, "simulator", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        argv += ["--state", str(self.folder / "venue.state"), "--tier", self.sort.tier, "--json"]
        argv += ["--balance", "USD=1000000", "--api-key", trade, "--api-secret", auditor.SECRET]
        argv += ["--query-key", query, "--query-secret", auditor.SECRET]
        await self.venue.start(argv, self.folder, {})
        await self._up(self._venue_up)

    async def start_api(self) -> None:
        """Or again: what it answered is in a file."""
        self._api_up.clear()
        argv = [sys.executable, "-m", "krakked.simulator.coordination", "--lease", "chaos/engine"]
        argv += ["--state", str(self.folder / "api.state")]
        await self.api.start(argv, self.folder, {})
        await self._up(self._api_up)

    async def _up(self, event: asyncio.Event) -> None:
        async with asyncio.timeout(START_S):
            await event.wait()

    def _hear_venue(self, line: dict[str, object]) -> None:
        if "rest_url" in line:
            self.venue_url, self._admin_url = str(line["rest_url"]), str(line["admin_url"])
            for engine in self.engines:
                engine.venue_line.target = self._target(self.venue_url)
            for role, name in (("KEY", TRADE_KEY), ("SECRET", auditor.SECRET)):
                self._place.secrets[f"KRAKEN_API_{role}"] = name
            for role, name in (("KEY", QUERY_KEY), ("SECRET", auditor.SECRET)):
                self._place.secrets[f"KRAKEN_QUERY_{role}"] = name
            self._venue_up.set()

    def _hear_api(self, line: dict[str, object]) -> None:
        self._api_target = self._target(str(line["api"]))
        self._api_admin_url = str(line["admin"])
        for engine in self.engines:
            if engine.api_line is not None:
                engine.api_line.target = self._api_target
        self._api_up.set()

    @staticmethod
    def _target(url: str) -> tuple[str, int]:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or 0

    async def close(self) -> None:
        """End all of it, whatever state it is in."""
        for engine in self.engines:
            engine.is_wanted = False
        for program in (*(e.program for e in self.engines), self.venue, self.api):
            await program.clear()
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        (self.folder / "tape.jsonl").write_bytes(
            b"\n".join(msgspec.json.encode(entry) for entry in self.tape.entries)
        )
        for engine in self.engines:
            for line in (engine.venue_line, engine.api_line):
                if line is not None:
                    await line.stop()
            kept = self.folder / f"kept-{engine.name}"
            kept.mkdir()
            engine.volume.copy_to(kept)
            engine.volume.close()

    # what engines let it know

    def engine_started(self, engine: Engine) -> None:
        """It trades."""
        self.owner = engine
        self.failovers.end(time.monotonic())

    def engine_ended(self, engine: Engine, code: int) -> None:
        """Some ends must not be."""
        if self.owner is engine:
            self.owner = None
        now_s = time.monotonic()
        is_excused = (
            code in EXPECTED_ENDS
            or (code in (0, 130) and (engine.is_stopping or not engine.is_wanted))
            or (code == ENDS_BY_DISK and now_s < self.disk_trouble_s + MEMORY_S)
            or (code == ENDS_BY_CLOCK and now_s < self.clock_trouble_s + MEMORY_S)
        )
        if not is_excused:
            self.fail(f"engine {engine.name} ended with {code}: {last_words(engine)}")

    def fail(self, words: str) -> None:
        """Something that must not be."""
        self.violations.append(f"{self.sort.name}: {words}")
        self.say(f"VIOLATION {words}")

    # the person

    def others(self, engine: Engine) -> list[Engine]:
        """All but that one."""
        return [one for one in self.engines if one is not engine]

    def _answering(self) -> list[Engine]:
        """Who can be asked: on one volume there is one control socket, the owner's."""
        if not self.sort.shares_volume:
            return self.engines
        return [] if self.owner is None else [self.owner]

    def stands_ready(self, engine: Engine) -> bool:
        """Whether it can take over at once; who waits for a file does not say so."""
        if self.sort.shares_volume:
            return engine.can_answer and engine.running_s() > READY_AFTER_S
        return engine.can_answer and engine.is_candidate

    @property
    def is_disturbed(self) -> bool:
        """Whether a line or a disk is bad now, or nobody stands ready."""
        lines = [one for e in self.engines for one in (e.venue_line, e.api_line) if one]
        bad = any(any(vars(line.faults).values()) for line in lines)
        is_api_bad = self.sort.has_api and not self.api.is_at_work
        is_full = any(e.volume.is_full for e in self.engines)
        return bad or is_api_bad or is_full or not self.venue.is_at_work

    @property
    def is_hopeless(self) -> bool:
        """Enough has gone wrong to look at it."""
        return len(self.violations) > VIOLATIONS_MAX

    async def wait_until_trading(self, patience_s: float) -> Engine | None:
        """An engine that leads and is ready, the person helping; None: a violation."""
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s and not self.is_hopeless:
            for engine in self._answering():
                status = await engine.status()
                await self._help(engine, status)
                if status.get("ownership") == "leading" and status.get("ready"):
                    self.owner = engine
                    return engine
            await asyncio.sleep(LOOK_S)
        states = {e.name: brief(await e.status()) for e in self.engines}
        self.fail(f"nobody trades again within {patience_s:.0f} s: {states}")
        return None

    async def _help(self, engine: Engine, status: dict[str, Any]) -> None:
        if status.get("ownership") == "fenced":
            if not engine.is_fenced_once:
                self.say(f"{engine.name} is fenced: {status.get('fenced')}")
            engine.is_fenced_once = True
            await engine.tell(Unfence, reason="chaos: the others are known")
        elif status.get("needs_acknowledgement"):
            await engine.tell(Acknowledge, reason="chaos: looked")
        if status.get("kill_switch"):
            await self._look_at_kill_switch(engine, str(status["kill_switch"]))
        if status.get("halted") and not self.holds:
            await engine.tell(Resume, reason="chaos: enough")

    async def _look_at_kill_switch(self, engine: Engine, reason: str) -> None:
        if not reason.startswith("chaos"):
            self.fail(f"the kill switch of {engine.name} went on by itself: {reason}")
        if not self.holds:
            await engine.tell(SetKillSwitch, reason="chaos: enough", active=False)

    async def administer(self, path: str, act: dict[str, object]) -> None:
        """The venue's admin port."""
        await post(f"{self._admin_url}{path}", act)

    # the end

    async def heal(self) -> None:
        """Nothing is wrong any more."""
        for engine in self.engines:
            engine.program.send(signal.SIGCONT)
            if engine.volume.is_full:
                engine.volume.free(engine.program.pid)
            for line in (engine.venue_line, engine.api_line):
                if line is not None:
                    line.heal()
        self.venue.send(signal.SIGCONT)
        if not self.venue.is_running:
            await self.start_venue()
        self.api.send(signal.SIGCONT)
        if self.sort.has_api and not self.api.is_running:
            await self.start_api()

    async def settle_and_audit(self) -> audit.VenueBooks | None:
        """Heal, let one engine trade, bring it to rest, stop it, and compare from outside."""
        await self.heal()
        owner = await self.wait_until_trading(self.failovers.bound_s("killed") + QUIET_S)
        if owner is None:
            return None
        owner = await self._rest(owner)
        if owner is None:
            return None
        for engine in (*self.others(owner), owner):
            engine.is_wanted = False
            code = await engine.program.end(signal.SIGTERM, patience_s=END_S)
            is_gone = engine is not owner and code in EXPECTED_ENDS  # it had just been preempted
            if code not in (0, 130) and not is_gone:
                self.fail(f"stop of {engine.name} ended with {code}: {last_words(engine)}")
        return await self._audit(owner)

    async def _rest(self, owner: Engine) -> Engine | None:
        """Nothing is decided any more, nothing rests, nothing is unknown."""
        for make, fields in (
            (SetKillSwitch, {"active": False}),
            (Resume, {}),
            (Halt, {"cancel": True}),
        ):
            await owner.tell(make, reason="chaos: the end", **fields)
        until_s = time.monotonic() + QUIET_S
        status: dict[str, Any] = {}
        while time.monotonic() < until_s:
            status = await owner.status()
            if status and is_at_rest(status):
                return owner
            await asyncio.sleep(1)
        self.fail(f"{owner.name} does not come to rest: {brief(status)}")
        return owner if status else None

    async def _audit(self, owner: Engine) -> audit.VenueBooks:
        await self.venue.end(signal.SIGKILL, patience_s=10)
        self.keys_of_venue = (auditor.KEY, "chaos-nobody")
        await self.start_venue()
        ledgers = [audit.read_ledger(e.name, e.volume.database) for e in self.engines]
        mine = next(ledger for ledger in ledgers if ledger.name == owner.name)
        books = await asyncio.to_thread(audit.read_venue, auditor.Auditor(self.venue_url))
        for line in audit.violations(mine, ledgers, books, self.tape):
            self.fail(line)
        for engine in self.engines:
            await self._check_database(engine)
        for late in self.failovers.intervals:
            if late.is_late:
                self.fail(f"failover ({late.kind}): {late.seconds:.1f} s, bound {late.bound_s:g} s")
        return books

    async def _check_database(self, engine: Engine) -> None:
        check = Program("db-check", self.folder / f"db-check-{engine.name}.log", lambda _: None)
        argv = [*KRAKKED, "db-check", "--db-path", str(engine.volume.database)]
        await check.start(argv, self.folder, {})
        if code := await check.wait():
            self.fail(
                f"db-check of {engine.name} ended with {code}: {check.log.read_text()[-500:]}"
            )


async def post(url: str, act: dict[str, object]) -> None:
    """JSON to an admin port."""

    def send() -> None:
        with urllib.request.urlopen(url, json.dumps(act).encode(), timeout=10) as answer:  # noqa: S310 - our own
            answer.read()

    await asyncio.to_thread(send)


def is_at_rest(status: dict[str, Any]) -> bool:
    """Nothing open, in doubt or unexplained."""
    return not any(
        status.get(n) for n in ("open_orders", "unknown_orders", "drift", "flatten_owed")
    )


def brief(status: dict[str, Any]) -> dict[str, Any]:
    """What tells why an engine does not trade."""
    names = [
        "ownership",
        "ready",
        "epoch",
        "fenced",
        "needs_acknowledgement",
        "kill_switch",
        "drift",
        "unknown_orders",
        "open_orders",
        "degraded",
        "lease_holder",
        "authority_s",
    ]
    return {name: status[name] for name in names if status.get(name) not in (None, [])}


def last_words(engine: Engine) -> str:
    """The end of its log."""
    lines = engine.program.log.read_text(errors="replace").splitlines()
    return " | ".join(line[-300:] for line in lines[-4:])

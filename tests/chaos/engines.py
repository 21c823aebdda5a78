"""An engine with its volume and its lines, started again whenever it ends, as a kubelet does it."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import yaml
from tests.chaos.programs import Program
from tests.chaos.relay import Relay
from tests.chaos.sorts import Sort
from tests.chaos.volumes import Volume

from krakked.domain.commands import Command, Reply, Status
from krakked.domain.errors import KrakkedError
from krakked.runtime.control_socket import ask, socket_path

KRAKKED = (sys.executable, "-m", "krakked.cli")
PAIRS = ["XBTUSD", "ETHUSD", "SOLUSD", "ADAUSD"]
TRADE_KEY, QUERY_KEY = "chaos-trade", "chaos-query"
EXPECTED_ENDS = (-signal.SIGKILL, 69, 70, 72, 75)
"""Killed; or an end after which a service manager starts it again."""
TOLD_NOTHING_S = 3.0


class Told(Protocol):
    """What an engine lets its world know."""

    def engine_started(self, engine: Engine) -> None:
        """It trades."""
        ...

    def engine_ended(self, engine: Engine, code: int) -> None:
        """It is gone."""
        ...


class Place:
    """Where an engine finds everything; the same for all of a world but for the lines."""

    def __init__(self, folder: Path, sort: Sort, dice: random.Random) -> None:
        self.folder = folder
        self.timings = sort.timings
        self.sort = sort
        self.dice = dice
        self.secrets: dict[str, str] = {}

    def settings(self, venue: Relay, api: Relay | None) -> dict[str, Any]:
        """A configuration; whether orders rest or take is drawn for each start."""
        t = self.timings
        address = f"127.0.0.1:{venue.port}"
        ws = f"ws://{address}/v2"
        off = {"enabled": False, "timeframes": ["1m"]}
        weights = {"weight": "0.05", "band": "0", "rebalance_bars": 1}
        return {
            "venue": {
                "rest_url": f"http://{address}",
                "ws_url": ws,
                "ws_auth_url": ws,
                "tier": self.sort.tier,
                "timeout_seconds": 5,
            },
            "universe": {"include_pairs": PAIRS, "min_24h_volume_usd": 0},
            "market_data": {"timeframes": ["1m"], "backfill_bars": 60},
            "risk": {
                "max_per_asset_pct": 50,
                "max_risk_per_trade_pct": 100,
                "max_portfolio_risk_pct": 100,
                "max_daily_drawdown_pct": 100,
                "min_liquidity_24h_usd": 0,
            },
            "execution": {
                "post_only": self.dice.random() < 0.4,
                "order_ttl_seconds": self.dice.choice((20, 90)),
                "min_order_notional_usd": 5,
                "dead_man_switch_seconds": int(t.dead_man_timeout_s or 0),
                "dead_man_refresh_seconds": t.dead_man_refresh_s,
                "deadline_seconds": t.order_deadline_s,
            },
            "scheduler": {"portfolio_sync_sec": self.sort.sync_s},
            "strategies": {
                "trend": {"type": "trend_following", **off},
                "reversion": {"type": "mean_reversion", **off},
                "basket": {
                    "type": "hold_target_weights",
                    "timeframes": ["1m"],
                    "params": weights,
                },
            },
            "leader": self._leader(api),
        }

    def _leader(self, api: Relay | None) -> dict[str, Any]:
        t = self.timings
        leader: dict[str, Any] = {
            "lease_duration_seconds": t.lease_duration_s,
            "renew_deadline_seconds": t.renew_deadline_s,
            "retry_period_seconds": t.retry_period_s,
            "request_timeout_seconds": t.request_timeout_s,
            "margin_seconds": t.margin_s,
            "clock_offset_max_seconds": t.clock_offset_max_s,
            "quarantine_seconds": t.quarantine_s,
            "start_budget_seconds": t.start_budget_s,
            "waits": True,
        }
        if api is not None:
            leader |= {
                "store": "kubernetes",
                "api_url": f"http://127.0.0.1:{api.port}",
                "namespace": "chaos",
                "lease_name": "engine",
                "token_file": str(self.folder / "token"),
            }
        return leader


class Engine:
    """One of a world's engines."""

    def __init__(
        self, name: str, place: Place, volume: Volume, lines: tuple[Relay, Relay | None], told: Told
    ) -> None:
        self.name = name
        self.volume = volume
        self.venue_line, self.api_line = lines
        self.program = Program(name, place.folder / f"engine-{name}.log", self._hear)
        self.ends: Counter[int] = Counter()
        self.is_candidate = False
        self.is_wanted = True
        self.is_fenced_once = False
        self.is_stopping = False
        """Told to end by a signal that asks."""
        self.rests_s = 0.5
        """Before it is started again."""
        self.incarnation = 1
        """Of its pod; a process of the same incarnation may retake the lease at once."""
        self.starts, self.stops = asyncio.Event(), asyncio.Event()
        """Set when a process of it begins, and when one has ended."""
        self._place = place
        self._told = told

    @property
    def can_answer(self) -> bool:
        """Whether it makes sense to ask it."""
        return self.program.is_at_work

    async def keep(self) -> None:
        """Start it, and again whenever it ended, as long as it is wanted."""
        while self.is_wanted:
            await self.program.start(self._command(), self._place.folder, self._environment())
            self.starts.set()
            code = await self.program.wait()
            self.is_candidate = False
            self.ends[code] += 1
            self._told.engine_ended(self, code)
            self.is_stopping = False
            self.stops.set()
            await asyncio.sleep(self.rests_s)
            self.rests_s = 0.5

    def _command(self) -> list[str]:
        folder = self._place.folder / f"config-{self.name}"
        folder.mkdir(exist_ok=True)
        settings = self._place.settings(self.venue_line, self.api_line)
        (folder / "config.yaml").write_text(yaml.safe_dump(settings))
        where = ("--config-dir", str(folder), "--db-path", str(self.volume.database))
        return [*KRAKKED, "run", "--env", "paper", *where, "--json"]

    def _environment(self) -> dict[str, str]:
        return {
            **self._place.secrets,
            "KRAKKED_HEALTH__PORT": "0",
            "POD_NAME": f"engine-{self.name}",
            "POD_UID": f"{self.name}-{self.incarnation}",
        }

    def _hear(self, line: dict[str, object]) -> None:
        match line.get("event"), line.get("stage"):
            case "engine_started", _:
                self.is_candidate = False
                self._told.engine_started(self)
            case "stage_done", "database":
                self.is_candidate = True
            case "stage_done", "lease":
                self.is_candidate = False
            case _:
                pass

    async def tell(self, make: Callable[..., Command], **fields: object) -> Reply | None:
        """A person's command through the control socket; None: no answer."""
        command = make(command_id=uuid.uuid4().hex, principal="chaos", **fields)
        path = socket_path(self.volume.database)

        def converse() -> Reply | None:
            try:
                return ask(path, command, heard_timeout_s=TOLD_NOTHING_S, timeout_s=20)
            except (KrakkedError, OSError):
                return None

        return await asyncio.to_thread(converse)

    async def status(self) -> dict[str, Any]:
        """What it says of itself; nothing, if it says nothing."""
        if not self.can_answer:
            return {}
        reply = await self.tell(Status)
        return {} if reply is None else dict(reply.data)

    def running_s(self) -> float:
        """Since its process was started."""
        return time.monotonic() - self.program.started_at_s

"""Safeguards between a plan and the wire, each taken away."""

from __future__ import annotations

from tests.sim.mutants.mixtures import (
    HALT,
    KILL_ON,
    PANIC,
    RESTING,
    TAKING,
    at_bars,
    behaving,
    commanding,
    cut_until_a_bar,
    faults,
    happening,
    mixed,
    weather,
)
from tests.sim.mutants.patching import Mutant, Patch, around, passage, value

from krakked.adapters.kraken import errors, rest
from krakked.adapters.kraken.outcomes import BROKEN, Broken, Meaning
from krakked.domain import risk_book
from krakked.domain.orders import TimeInForce
from krakked.domain.risk_book import RiskBook
from krakked.engine import running
from krakked.engine.leading import Leading
from krakked.sim.fault_kinds import FaultKind
from krakked.trading import legs
from krakked.trading.cycling import Cycler
from krakked.trading.execute import Executor
from krakked.trading.guard import Guard
from krakked.trading.order_queue import OrderQueue
from krakked.worlds.recipe import What

LOSSY = weather(order_answer_lost=0.3)
BUSY = faults({FaultKind.THROTTLED: 0.3})
CROWDED = behaving(max_concurrent_orders=2)
TIGHT = behaving(max_per_asset_pct=2)


async def _false(*_: object) -> bool:
    return False


async def _nothing(*_: object, **__: object) -> None:
    return None


async def _none_dropped(*_: object) -> int:
    return 0


def _item(owner: object, key: object, instead: object) -> Patch:
    return Patch(owner=owner, name=key, make=lambda _: instead)


MUTANTS = (
    Mutant(
        name="resend on time-out",
        breaks="An order whose call did not come back is looked up, never sent again.",
        patches=(
            passage(
                Executor,
                "_try",
                "            await self._mark_unknown(request, error)\n",
                "            await self._mark_not_sent(request, Transient(str(error)))\n"
                "            return Transient(str(error))\n",
            ),
        ),
        mixture=mixed(LOSSY),
    ),
    Mutant(
        name="silence is a refusal",
        breaks="No answer says nothing about whether the order exists.",
        patches=(
            passage(
                Executor,
                "_try",
                "            await self._mark_unknown(request, error)\n",
                "            await self._mark_rejected(request, Permanent(str(error)))\n",
            ),
        ),
        mixture=mixed(LOSSY),
    ),
    Mutant(
        name="a page of the edge is a no",
        breaks="A 5xx says nothing about whether the order exists.",
        patches=(_item(BROKEN, Broken.NO_RESULT, Meaning.LATER),),
        mixture=mixed(faults({FaultKind.SERVER_ERROR_AFTER: 0.3})),
    ),
    Mutant(
        name="busy is a no",
        breaks="Busy was seen after acceptance, so it says nothing about whether the order exists.",
        patches=(
            around(
                errors,
                "error_of",
                lambda true, code: true("EService:Throttled" if "Busy" in code else code),
            ),
        ),
        mixture=mixed(faults({FaultKind.BUSY_AFTER: 0.3})),
    ),
    Mutant(
        name="journal after the wire",
        breaks="An order is on record as sent before its first byte leaves.",
        patches=(
            passage(
                Executor,
                "_mark_sent",
                "            await self._put(\n"
                "                sent, self._recorder.event(EventName.ORDER_SENT, "
                "**order_fields(request))\n"
                "            )\n",
                "            self._account.put_order(sent)\n",
            ),
        ),
        mixture=mixed(),
    ),
    Mutant(
        name="no deadline",
        breaks="The venue refuses an order that comes later than its deadline.",
        patches=(passage(rest, "order_form", '"deadline": to_rfc3339(deadline_at_ns),', ""),),
        mixture=mixed(weather(request_stuck=0.1, stuck_max_s=90.0)),
    ),
    Mutant(
        name="a long deadline",
        breaks="The deadline is on record before the order leaves.",
        patches=(
            passage(
                rest,
                "order_form",
                "to_rfc3339(deadline_at_ns)",
                "to_rfc3339(deadline_at_ns + 40 * NS_PER_SECOND)",
            ),
        ),
        mixture=mixed(weather(request_stuck=0.1, stuck_max_s=90.0)),
    ),
    Mutant(
        name="expiry unchecked",
        breaks="Nothing is sent once its plan has expired.",
        patches=(passage(Guard, "veto", "now_ns >= plan_expires_at_ns", "False"),),
        mixture=mixed(RESTING, CROWDED),
    ),
    Mutant(
        name="kill switch checked only at planning",
        breaks="No entry is sent once the kill switch is on record.",
        patches=(passage(Guard, "_refusal_of_entry", "self._account.kill_switch.active", "False"),),
        mixture=mixed(
            TAKING,
            faults({FaultKind.THROTTLED: 0.3}),
            happening(What.SLOW_DISK, 1, seconds=(0.2, 1.0)),
            commanding(KILL_ON, 2, after_bar_s=(0.0, 4.0)),
            commanding(PANIC, 2, after_bar_s=(0.0, 4.0)),
        ),
    ),
    Mutant(
        name="halt checked only at planning",
        breaks="No entry is sent once a halt is on record.",
        patches=(passage(Guard, "_refusal_of_entry", "self._account.halted", "False"),),
        mixture=mixed(RESTING, CROWDED, BUSY, commanding(HALT, 3, after_bar_s=(0.0, 10.0))),
    ),
    Mutant(
        name="doubt checked only at planning",
        breaks="An order in doubt blocks its pair.",
        patches=(
            passage(
                Guard,
                "_refusal_of_entry",
                "order.request.pair in self._account.unknown_pairs()",
                "False",
            ),
        ),
        mixture=mixed(LOSSY),
    ),
    Mutant(
        name="entries without a dead-man",
        breaks="No entry goes out while the venue's timer does not run.",
        patches=(
            passage(Guard, "_refusal_of_entry", "not self.is_dead_man_trusted(now_ns)", "False"),
        ),
        mixture=mixed(TAKING, cut_until_a_bar(What.CUT_OUT, 75.0, 85.0)),
    ),
    Mutant(
        name="sent while stopping",
        breaks="A process that is told to end sends nothing any more.",
        patches=(
            passage(Guard, "_refusal_of_all", "self.is_stopping", "False"),
            value(Leading, "drain", lambda _: None),
        ),
        mixture=mixed(RESTING, CROWDED, BUSY, happening(What.TERMINATE, 3)),
    ),
    Mutant(
        name="places are not counted",
        breaks="No more orders are open at once than allowed.",
        patches=(value(Executor, "has_place", lambda *_: True),),
        mixture=mixed(RESTING, CROWDED),
    ),
    Mutant(
        name="entries out of turn",
        breaks="Entries are sent in the order of their plans.",
        patches=(passage(OrderQueue, "_next", "self._entries[0]", "self._entries[-1]"),),
        mixture=mixed(RESTING, CROWDED, BUSY),
    ),
    Mutant(
        name="no end of its own",
        breaks="What rests ends by itself.",
        patches=(value(legs, "_lifetime", lambda *_, **__: (TimeInForce.GTC, None)),),
        mixture=mixed(RESTING),
    ),
    Mutant(
        name="resting orders take no headroom",
        breaks="Open purchases count as if they were filled.",
        patches=(value(risk_book, "_is_open_buy", lambda *_: False),),
        mixture=mixed(RESTING, TIGHT),
    ),
    Mutant(
        name="decisions take no headroom",
        breaks="Two decisions never use one headroom.",
        patches=(value(RiskBook, "reserve", lambda self, *_: self),),
        mixture=mixed(TAKING, TIGHT),
    ),
    Mutant(
        name="decisions are not recorded",
        breaks="Every order can be traced to a decision.",
        patches=(
            passage(
                Cycler,
                "_record",
                "            for record in (*gaps, *result.records):\n"
                "                tx.save_decision(record)\n",
                "",
            ),
        ),
        mixture=mixed(),
    ),
    Mutant(
        name="trading before looking",
        breaks="Nothing is sent before the books were compared with the venue's.",
        patches=(value(running, "agree", _nothing),),
        mixture=mixed(TAKING, at_bars(What.KILL, 3, after_s=(-9.0, -2.0))),
    ),
    Mutant(
        name="the unsent is kept over a restart",
        breaks="What a process planned and never sent is not sent late, and not kept for ever.",
        patches=(value(Executor, "drop_pending", _none_dropped),),
        mixture=mixed(RESTING, CROWDED, BUSY, happening(What.KILL, 3)),
    ),
)

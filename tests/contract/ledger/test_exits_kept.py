"""Verdicts on exits in the ledger: runs grow in place, readers find them by sleeve and by plan."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from krakked.adapters.sqlite.queries import open_queries
from krakked.domain.decisions import ExitRecord, Outcome
from krakked.domain.positions import Sleeve


def test_verdict_on_an_exit_is_kept_and_its_run_grows_in_place(subject: Any, records: Any) -> None:
    first = ExitRecord(
        decision_id="a/stop/1",
        sleeve=records.SLEEVE,
        cause="stop",
        principal="engine",
        outcome=Outcome.REFUSED,
        checks=records.refusal().checks,
        trace_id="stop-1",
        decided_at_ns=1,
        last_decided_at_ns=1,
    )
    longer = msgspec.structs.replace(first, count=2, last_decided_at_ns=9)
    other = msgspec.structs.replace(
        first, decision_id="a/stop/2", outcome=Outcome.ACTED, plan_id="p", last_decided_at_ns=20
    )
    for one in (first, longer, other):
        subject.write(lambda tx, one=one: tx.save_exit(one))
    subject.reopen()
    with contextlib.closing(open_queries(subject.path)) as queries:
        assert list(queries.exits()) == [other, longer]
        assert list(queries.exits(plan_id="p")) == [other]
        assert list(queries.exits(sleeve=records.SLEEVE, limit=1)) == [other]
        assert list(queries.exits(sleeve=Sleeve("revert", records.XBTUSD))) == []

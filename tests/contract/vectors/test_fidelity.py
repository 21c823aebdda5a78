"""The table of fidelity, the tables of methods and the document say the same."""

from __future__ import annotations

from pathlib import Path

from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.rest import METHODS as PRIVATE
from krakked.sim.exchange.ws_orders import METHODS as TRADING
from krakked.sim.fidelity import TABLE, Kind, Level, as_markdown, level_of
from krakked.sim.public.gate import GateLimits
from krakked.sim.public.requests import PRIVATE_CHANNELS, PUBLIC_CHANNELS
from krakked.sim.public.rest import METHODS as PUBLIC

DOCUMENT = Path(__file__).parents[3] / "docs" / "simulator" / "fidelity.md"
BESIDES = {
    Kind.PUBLIC: set(),
    Kind.PRIVATE: set(),
    Kind.CHANNEL: {"status", "heartbeat"},
    Kind.REQUEST: {"ping", "subscribe", "unsubscribe"},
}
"""What is served without a table of its own."""
SERVED = {
    Kind.PUBLIC: set(PUBLIC),
    Kind.PRIVATE: set(PRIVATE),
    Kind.CHANNEL: {*PUBLIC_CHANNELS, *PRIVATE_CHANNELS},
    Kind.REQUEST: set(TRADING),
}


def test_what_is_served_is_in_the_table_and_nothing_else_but_what_is_missing() -> None:
    for kind, served in SERVED.items():
        rows = {row.name for row in TABLE if row.kind is kind and row.level is not Level.MISSING}
        assert rows == served | BESIDES[kind]


def test_no_name_stands_in_the_table_twice() -> None:
    names = [(row.kind, row.name) for row in TABLE]
    assert len(set(names)) == len(names)
    assert level_of(Kind.PUBLIC, "Time") is Level.EXACT
    assert level_of(Kind.PUBLIC, "Nonsense") is None


def test_what_is_modelled_says_what_is_ours() -> None:
    silent = [row.name for row in TABLE if row.level is Level.MODELLED and not row.note]
    assert silent == []


def test_the_document_shows_the_table() -> None:
    assert as_markdown() in DOCUMENT.read_text(encoding="utf-8")


def test_the_document_names_every_choice_and_every_limit_of_the_gate() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    names = (*ExchangeOptions.__struct_fields__, *GateLimits.__struct_fields__)
    assert [name for name in names if f"`{name}`" not in text] == []

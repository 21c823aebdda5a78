"""Decisions and numbers in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from krakked.cli import output, words
from krakked.cli.decisions import why_lines
from krakked.domain.decisions import NotEvaluated, Outcome
from krakked.domain.intents import Condition
from krakked.domain.limits import LimitCheck, LimitName


def check(limit: LimitName, *numbers: str, unit: str = "USD", passed: bool = True) -> LimitCheck:
    wanted, had, allowed = (Decimal(number) for number in numbers)
    return LimitCheck(
        limit=limit, wanted=wanted, had=had, allowed=allowed, unit=unit, passed=passed
    )


@pytest.mark.parametrize(
    ("limit", "line"),
    [
        (
            check(LimitName.MAX_PER_ASSET_PCT, "200", "400", "500", passed=False),
            "NO  max_per_asset_pct: wanted 200 USD, had 400, at most 500, left 100",
        ),
        (
            check(LimitName.FREE_CASH, "201.803471647", "0", "9596.39367189594"),
            "ok  free_cash: wanted 201.80347 USD, had 0, at most 9596.3937, left 9596.3937",
        ),
        (
            check(LimitName.MIN_ORDER_NOTIONAL_USD, "0", "12.5", "20", passed=False),
            "NO  min_order_notional_usd: 12.5 USD, at least 20 needed, short of it by 7.5",
        ),
        (
            check(LimitName.VENUE_MINIMUM, "0", "0.002", "0.00005", unit="XBT"),
            "ok  venue_minimum: 0.002 XBT, at least 0.00005 needed, above it by 0.00195",
        ),
        (check(LimitName.KILL_SWITCH, "0", "0", "0", unit="bool"), "ok  kill_switch: clear"),
        (
            check(LimitName.DRIFT, "0", "1", "0", unit="bool", passed=False),
            "NO  drift: in the way",
        ),
    ],
)
def test_limit_says_what_is_left_by_its_kind(limit: LimitCheck, line: str) -> None:
    assert words.limit_line(limit) == line


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        (Condition("z", Decimal("-2.5"), "<", Decimal(-2)), "yes  z: -2.5 < -2"),
        (Condition("z", Decimal("-1.123456789"), "<", Decimal(-2)), "no   z: -1.1234568 < -2"),
    ],
)
def test_condition_says_whether_it_held(condition: Condition, line: str) -> None:
    assert words.condition_line(condition) == line


def test_every_outcome_and_every_reason_has_words(records: Any) -> None:
    said = {
        words.outcome_words(records.decision(outcome=outcome))
        for outcome in Outcome
        if outcome is not Outcome.NOT_EVALUATED
    } | {
        words.outcome_words(records.decision(outcome=Outcome.NOT_EVALUATED, not_evaluated=reason))
        for reason in NotEvaluated
    }
    assert len(said) == len(Outcome) - 1 + len(NotEvaluated)


def test_bar_that_could_not_change_anything_counts_as_held(records: Any) -> None:
    record = records.decision(outcome=Outcome.HELD, not_evaluated=NotEvaluated.NOT_WOKEN)
    assert words.outcome_words(record).startswith("held: ")


def test_stale_data_is_named_as_the_reason(records: Any) -> None:
    record = records.decision(outcome=Outcome.NOT_EVALUATED, not_evaluated=NotEvaluated.STALE)
    assert next(iter(why_lines(record))) == (
        "trend/XBTUSD: not evaluated: its market data was too old"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2214.069737889603518065418235", "2214.0697"),
        ("0.000012345678901", "0.000012345679"),
        ("1E+5", "100000"),
        ("1.500", "1.5"),
        ("0", "0"),
        ("-0.00", "0"),
        ("123456789012", "123456790000"),
    ],
)
def test_number_for_people_has_eight_digits_and_no_exponent(value: str, text: str) -> None:
    assert output.rounded(Decimal(value)) == text


def test_nothing_is_a_dash() -> None:
    assert output.rounded(None) == output.money(None) == output.amount(None) == "-"
    assert output.moment(None) == "-"


def test_columns_stand_under_each_other_and_numbers_to_the_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_table(
        ("pair", "size"), [("XBTUSD", "0.5"), ("X", "-12.25"), ("Y", "-")], nothing="no"
    )
    assert capsys.readouterr().out.splitlines() == [
        "pair      size",
        "XBTUSD     0.5",
        "X       -12.25",
        "Y            -",
    ]


def test_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("pair",), [], nothing="no orders")
    assert capsys.readouterr().out == "no orders\n"


def test_json_keeps_amounts_exact_and_names_sorted_by_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_json({"b": Decimal("1.10"), "a": [Outcome.HELD], "c": 2})
    assert capsys.readouterr().out == (
        '{\n  "a": [\n    "held"\n  ],\n  "b": "1.10",\n  "c": 2\n}\n'
    )

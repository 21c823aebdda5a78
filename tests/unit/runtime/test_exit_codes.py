"""One table of exit codes: complete, documented, and what each error leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from krakked.domain.errors import (
    Ambiguous,
    BadInput,
    BadKey,
    Fenced,
    KrakkedError,
    LedgerFailed,
    MissingPermission,
    Permanent,
    Refused,
    Stale,
    Transient,
)
from krakked.runtime import exit_codes
from krakked.runtime.exit_codes import MEANINGS, REMEDIES, ExitCode, of_error

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("x"), ExitCode.CONFIGURATION),
        (BadInput("x", exit_code=74), ExitCode.OCCUPIED),
        (LedgerFailed("x"), ExitCode.DATABASE),
        (LedgerFailed("x", exit_code=78), ExitCode.CONFIGURATION),
        (BadKey("x"), ExitCode.KEYS),
        (MissingPermission("x"), ExitCode.KEYS),
        (Fenced("x"), ExitCode.PREEMPTED),
        (Transient("x"), ExitCode.VENUE_UNREACHABLE),
        (Ambiguous("x"), ExitCode.VENUE_UNREACHABLE),
        (Permanent("x"), ExitCode.REFUSED),
        (Refused("x"), ExitCode.REFUSED),
        (Stale("x"), ExitCode.REFUSED),
        (KrakkedError("x"), ExitCode.CRASHED),
    ],
)
def test_error_leads_to_its_code(error: KrakkedError, code: ExitCode) -> None:
    assert of_error(error) == code


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("DONE", 0),
        ("FINDINGS", 1),
        ("USAGE", 2),
        ("BOOKS_DIFFER", 3),
        ("VENUE_UNREACHABLE", 69),
        ("PREEMPTED", 70),
        ("WATCHDOG", 72),
        ("DATABASE", 73),
        ("KEYS", 77),
        ("CONFIGURATION", 78),
    ],
)
def test_numbers_that_others_rely_on_do_not_change(name: str, number: int) -> None:
    assert ExitCode[name] == number


def test_every_code_has_a_meaning_and_a_remedy() -> None:
    assert set(MEANINGS) == set(REMEDIES) == set(ExitCode)
    assert all(MEANINGS.values())


def test_meanings_differ() -> None:
    assert len(set(MEANINGS.values())) == len(ExitCode)


def test_page_is_current() -> None:
    page = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    assert page == exit_codes.markdown()

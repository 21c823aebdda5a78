"""The table: each of the venue's words, and what the caller must do."""

from __future__ import annotations

import pytest

from krakked.adapters.kraken.errors import (
    ORDER_MINIMUM,
    POST_ONLY,
    UNKNOWN_ORDER,
    Malformed,
    NonceRefused,
    RateRefused,
    Verdict,
    error_from,
    failures,
    lost,
)
from krakked.domain.errors import (
    Ambiguous,
    BadKey,
    Fenced,
    KrakkedError,
    MissingPermission,
    Permanent,
    Transient,
)

NOW_NS = 1_700_000_000 * 10**9


def translated(*errors: str, mutates: bool = True, on_trade_key: bool = True) -> KrakkedError:
    return error_from(
        Verdict(errors, NOW_NS), method="AddOrder", mutates=mutates, on_trade_key=on_trade_key
    )


NOT_PLACED_LATER = [
    "EGeneral:Invalid arguments:deadline",
    "EGeneral:Temporary lockout",
    "EGeneral:Too many requests",
    "EAPI:Rate limit exceeded",
    "EAuth:Rate limit exceeded",
    "EAuth:Too many requests",
    "EService: Throttled: [1700000009]",
    "EService:Market in cancel_only mode",
    "EService:Market in post_only mode",
    "EService:Market in limit_only mode",
    "EOrder:Rate limit exceeded",
    "EOrder:Domain rate limit exceeded",
    "ESession:Invalid session",
]
IN_DOUBT = [
    "EGeneral:Internal error",
    "EGeneral:Internal error:0x1",
    "EService:Unavailable",
    "EService:Busy",
    "EService:Something new",
    "EService:Deadline elapsed",
    "EDatabase:Internal error",
]
NOT_PLACED_EVER = [
    "EGeneral:Invalid arguments",
    "EGeneral:Invalid arguments:ordertype",
    "EGeneral:Unknown method",
    "EAPI:Bad request",
    "EQuery:Unknown asset pair",
    "EQuery:Unknown asset",
    "EOrder:Orders limit exceeded",
    "EOrder:Scheduled orders limit exceeded",
    "EOrder:Positions limit exceeded",
    "EOrder:Insufficient funds",
    "EOrder:Order minimum not met",
    "EOrder:Cost minimum not met",
    "EOrder:Tick size check failed",
    "EOrder:Invalid price",
    "EOrder:Invalid price:Invalid price argument",
    "EOrder:Unknown order",
    "EOrder:Invalid order",
    "EOrder:Post only order",
    "EOrder:Reduce only:No position exists",
    "EOrder:Margin allowance exceeded",
    "EOrder:Cannot open opposing position",
    "EAccount:Invalid permissions:USDT trading restricted for AT.",
    "EAuth:Account temporary disabled",
    "EAuth:Account unconfirmed",
    "ETrade:Invalid request",
    "ETrade:User Locked",
    "EBM:limit exceeded:CAL",
    "EFunding:Unknown withdraw key",
]
UNHEARD = ["ESomething:Never seen before", "EGeneral:Something new", "EOrder:Something new", ""]


@pytest.mark.parametrize("text", NOT_PLACED_LATER)
@pytest.mark.parametrize("mutates", [True, False])
def test_refusal_that_passes_is_transient_for_orders_and_questions(
    text: str, mutates: bool
) -> None:
    is_waited_out = text == "EAPI:Rate limit exceeded" and not mutates
    expected = RateRefused if is_waited_out else Transient
    assert type(translated(text, mutates=mutates)) is expected


@pytest.mark.parametrize("text", IN_DOUBT)
def test_answer_about_the_venues_own_trouble_leaves_an_order_in_doubt(text: str) -> None:
    assert type(translated(text, mutates=True)) is Ambiguous
    assert type(translated(text, mutates=False)) is Transient


@pytest.mark.parametrize("text", ["EGeneral:Invalid arguments:cl_ord_id not unique"])
def test_client_id_that_is_taken_means_that_an_order_may_live_under_it(text: str) -> None:
    assert type(translated(text, mutates=True)) is Ambiguous
    asked = translated(text, mutates=False)
    assert type(asked) is Permanent
    assert asked.code == text


@pytest.mark.parametrize("text", UNHEARD)
def test_words_that_nobody_knows_leave_an_order_in_doubt_and_refuse_a_question(text: str) -> None:
    """The venue may have found them after it took the order."""
    assert type(translated(text, mutates=True)) is Ambiguous
    asked = translated(text, mutates=False)
    assert type(asked) is Permanent
    assert asked.code == text


@pytest.mark.parametrize("text", NOT_PLACED_EVER)
def test_plain_no_is_permanent_and_carries_its_code(text: str) -> None:
    error = translated(text)
    assert type(error) is Permanent
    assert error.code == text


@pytest.mark.parametrize("text", ["EAPI:Invalid key", "EAPI:Invalid signature"])
def test_wrong_credentials_are_told_from_everything_else(text: str) -> None:
    assert type(translated(text)) is BadKey


def test_missing_permission_is_told_from_a_bad_key() -> None:
    assert type(translated("EGeneral:Permission denied")) is MissingPermission


def test_refused_nonce_is_the_fence_on_the_trade_key_and_a_retry_on_the_other() -> None:
    assert type(translated("EAPI:Invalid nonce", on_trade_key=True)) is Fenced
    refused = translated("EAPI:Invalid nonce", on_trade_key=False, mutates=False)
    assert type(refused) is NonceRefused
    assert isinstance(refused, Transient)


@pytest.mark.parametrize(
    "text",
    [
        "EOrder:Order minimum not met",
        "EGeneral:Invalid arguments:volume minimum not met",
        "EGeneral:Invalid arguments: volume minimum not met",
    ],
)
def test_both_spellings_of_the_minimum_have_one_code(text: str) -> None:
    error = translated(text)
    assert isinstance(error, Permanent)
    assert error.code == ORDER_MINIMUM
    assert text in str(error)


def test_codes_that_callers_compare_with_are_the_venues_words() -> None:
    assert POST_ONLY == "EOrder:Post only order"
    assert UNKNOWN_ORDER == "EOrder:Unknown order"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("EService: Throttled: [1700000009]", 9.0),
        ("EService:Throttled:[1700000009]", 9.0),
        ("EService: Throttled: 1700000009", 9.0),
        ("EService: Throttled: [1600000000]", 0.0),
        ("EService: Throttled", 1.0),
        ("EGeneral:Temporary lockout", 900.0),
        ("EAPI:Rate limit exceeded", 5.0),
    ],
)
def test_venues_word_on_when_to_come_back_is_kept(text: str, seconds: float) -> None:
    error = translated(text)
    assert isinstance(error, Transient)
    assert error.retry_after_s == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        (["EOrder:Insufficient funds", "EService:Busy"], Ambiguous),
        (["EAPI:Rate limit exceeded", "EOrder:Insufficient funds"], Permanent),
        (["EAccount:Invalid permissions:x", "EAccount:Invalid permissions:y"], Permanent),
        (["EService:Busy", "EAPI:Invalid nonce"], Fenced),
        (["EOrder:Insufficient funds", "EOrder:Something new"], Ambiguous),
        (["EGeneral:Permission denied", "EAPI:Invalid key"], BadKey),
    ],
)
def test_gravest_of_several_errors_decides(errors: list[str], expected: type[KrakkedError]) -> None:
    assert type(translated(*errors)) is expected
    assert type(translated(*errors[::-1])) is expected


def test_all_errors_stand_in_the_message_with_the_method() -> None:
    message = str(translated("EOrder:Insufficient funds", "EOrder:Invalid price"))
    assert message == "AddOrder: EOrder:Insufficient funds; EOrder:Invalid price"


def test_warnings_are_not_failures() -> None:
    assert failures(["WGeneral:Danger", "EOrder:Insufficient funds"]) == [
        "EOrder:Insufficient funds"
    ]


def test_name_of_a_currency_inside_a_text_decides_nothing() -> None:
    # "EService:Busy" inside another error's text is not that error.
    assert type(translated("EQuery:Unknown asset pair:EService:Busy")) is Permanent


def test_lost_answer_is_in_doubt_only_if_something_may_have_changed() -> None:
    assert type(lost("x", mutates=True)) is Ambiguous
    transient = lost("x", mutates=False, retry_after_s=2.0)
    assert isinstance(transient, Transient)
    assert transient.retry_after_s == 2.0


def test_answer_that_cannot_be_understood_may_be_asked_for_again() -> None:
    assert issubclass(Malformed, Transient)

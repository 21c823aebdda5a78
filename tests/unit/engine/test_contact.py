"""A venue that is not there is told with address, setting and place, and with what to look at."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.adapters.kraken.errors import Unreachable
from krakked.adapters.kraken.rate_limit import Tier
from krakked.domain.errors import Transient
from krakked.engine.contact import REMEDY, Contact
from krakked.engine.venues import Addresses
from krakked.runtime.settings import Settings

PUBLIC, PRIVATE = "ws://public.example/v2", "ws://private.example/v2"


def contact(**venue: str) -> Contact:
    key: Any = None
    addresses = Addresses(
        rest_url="http://rest.example",
        ws_url=PUBLIC,
        ws_auth_url=venue.get("ws_auth_url", PUBLIC),
        trade=key,
        query=key,
        tier=Tier.NONE,
    )
    settings = Settings.model_validate({"venue": venue})
    return Contact(addresses, settings, lambda path: f"config.yaml:{len(path)}")


async def fail(error: Exception) -> None:
    raise error


def test_call_that_reached_nobody_is_told_by_address_and_setting() -> None:
    with pytest.raises(Transient) as caught:
        asyncio.run(contact().told(fail(Unreachable("Time: not connected"))))
    assert str(caught.value) == (
        "config.yaml:2: venue.rest_url: http://rest.example does not answer (Time: not connected); "
        + REMEDY
    )


def test_answer_of_the_venue_itself_is_left_as_it_is() -> None:
    busy = Transient("Time: EService:Busy")
    with pytest.raises(Transient) as caught:
        asyncio.run(contact().told(fail(busy)))
    assert caught.value is busy


@pytest.mark.parametrize(
    ("venue", "is_private", "words"),
    [
        ({}, False, f"config.yaml:2: venue.ws_url: {PUBLIC} does not answer (refused); "),
        ({}, True, f"config.yaml:2: venue.ws_url: {PUBLIC} does not answer (refused); "),
        (
            {"ws_auth_url": PRIVATE},
            True,
            f"config.yaml:2: venue.ws_auth_url: {PRIVATE} does not answer (refused); ",
        ),
    ],
)
def test_stream_that_does_not_stand_is_told_by_its_own_setting(
    venue: dict[str, str], is_private: bool, words: str
) -> None:
    feed: Any = SimpleNamespace(problem=lambda: (is_private, "refused"))
    assert str(contact(**venue).of_streams(feed)) == words + REMEDY


def test_streams_without_a_problem_say_nothing() -> None:
    feed: Any = SimpleNamespace(problem=lambda: None)
    assert contact().of_streams(feed) is None

"""Every way in which a call can end, and what the caller is told to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from krakked.adapters.kraken.errors import NonceRefused, Unreachable
from krakked.adapters.kraken.network import AiohttpNetwork, Bounds
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.transport import Call, RestSettings, Transport
from krakked.domain.errors import Ambiguous, BadKey, Fenced, KrakkedError, Permanent, Transient

READ = Call(method="BalanceEx")
WRITE = Call(method="AddOrder", form={"pair": "XBTUSD"})


def talk(
    kit: Any,
    venue: Any,
    work: Callable[[Transport], Awaitable[Any]],
    tier: Tier = Tier.STARTER,
    **bounds: Any,
) -> Any:
    """Run ``work`` against the venue with two keys; returns its result."""

    async def main() -> Any:
        async with venue.serve() as url:
            transport = Transport(
                RestSettings(url=url, tier=tier),
                kit.clock(),
                network=AiohttpNetwork(Bounds(**bounds)),
                trade=kit.credentials("TRADE-KEY"),
                query=kit.credentials("QUERY-KEY"),
                observer=kit.Listener(),
            )
            try:
                return await work(transport)
            finally:
                await transport.close()

    return kit.run(main())


def failure(kit: Any, venue: Any, call: Call, **bounds: Any) -> KrakkedError:
    """The error that ``call`` ends in."""

    async def work(transport: Transport) -> KrakkedError:
        with pytest.raises(KrakkedError) as caught:
            await transport.private(call)
        return caught.value

    error = talk(kit, venue, work, **bounds)
    assert isinstance(error, KrakkedError)
    return error


@pytest.fixture
def venue(kit: Any) -> Any:
    return kit.FakeVenue()


def test_private_call_is_signed_form_encoded_and_identified(kit: Any, venue: Any) -> None:
    venue.answer("BalanceEx", {"ZUSD": {"balance": "1"}})
    raw = talk(kit, venue, lambda transport: transport.private(READ))
    assert bytes(raw) == b'{"ZUSD": {"balance": "1"}}'
    request = venue.requests[0]
    body = f"nonce={request.nonce}"
    expected = kit.credentials().sign("/0/private/BalanceEx", request.nonce, body)
    assert request.headers["API-Sign"] == expected
    assert request.headers["API-Key"] == "QUERY-KEY"
    assert request.headers["Content-Type"].startswith("application/x-www-form-urlencoded")


def test_form_values_are_encoded_so_that_plus_survives(kit: Any, venue: Any) -> None:
    call = Call(method="BalanceEx", form={"price": "+1.5%", "deadline": "2026-01-01T00:00:00Z"})
    talk(kit, venue, lambda transport: transport.private(call))
    assert venue.requests[0].fields["price"] == "+1.5%"
    assert venue.requests[0].fields["deadline"] == "2026-01-01T00:00:00Z"


def test_mutations_use_the_trade_key_and_questions_the_query_key(kit: Any, venue: Any) -> None:
    async def work(transport: Transport) -> None:
        for method in ("AddOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter"):
            await transport.private(Call(method=method))
        for method in ("OpenOrders", "GetWebSocketsToken"):
            await transport.private(Call(method=method))

    talk(kit, venue, work, tier=Tier.NONE)
    keys = [request.headers["API-Key"] for request in venue.requests]
    assert keys == ["TRADE-KEY"] * 4 + ["QUERY-KEY"] * 2


def test_calls_of_one_key_never_overlap_and_their_nonces_grow(kit: Any, venue: Any) -> None:
    inside = 0
    deepest = 0

    async def slow(_: Any) -> dict[str, str]:
        nonlocal inside, deepest
        inside += 1
        deepest = max(deepest, inside)
        await asyncio.sleep(0.2)
        inside -= 1
        return {}

    venue.answer("BalanceEx", slow)

    async def work(transport: Transport) -> None:
        await asyncio.gather(*(transport.private(READ) for _ in range(5)))

    talk(kit, venue, work)
    nonces = [request.nonce for request in venue.requests]
    assert deepest == 1
    assert nonces == sorted(set(nonces))
    assert len(nonces) == 5


def test_trade_and_query_calls_do_not_wait_for_each_other(kit: Any, venue: Any) -> None:
    async def slow(_: Any) -> dict[str, str]:
        await asyncio.sleep(5)
        return {}

    venue.answer("BalanceEx", slow)

    async def work(transport: Transport) -> float:
        loop = asyncio.get_running_loop()
        asking = asyncio.create_task(transport.private(READ))
        await asyncio.sleep(0.1)
        started = loop.time()
        await transport.private(Call(method="CancelOrder"))
        elapsed = loop.time() - started
        await asking
        return elapsed

    assert talk(kit, venue, work) < 1


def test_api_error_with_http_200_is_an_error(kit: Any, venue: Any) -> None:
    venue.answer("AddOrder", kit.refusal("EOrder:Insufficient funds"))
    error = failure(kit, venue, WRITE)
    assert isinstance(error, Permanent)
    assert error.code == "EOrder:Insufficient funds"


@pytest.mark.parametrize("status", [400, 403, 500, 503, 520])
def test_error_list_is_read_whatever_the_status(kit: Any, venue: Any, status: int) -> None:
    venue.answer("AddOrder", kit.refusal("EOrder:Insufficient funds", status=status))
    assert isinstance(failure(kit, venue, WRITE), Permanent)


def test_warning_beside_a_result_is_no_failure(kit: Any, venue: Any) -> None:
    body = {"error": ["WGeneral:Danger"], "result": {"a": 1}}
    venue.answer("BalanceEx", web.json_response(body))
    assert bytes(talk(kit, venue, lambda transport: transport.private(READ))) == b'{"a": 1}'


def test_word_that_looks_like_an_error_in_the_result_is_no_error(kit: Any, venue: Any) -> None:
    venue.answer("BalanceEx", {"EAPI:Invalid key": "EOrder:Insufficient funds"})
    assert talk(kit, venue, lambda transport: transport.private(READ))


@pytest.mark.parametrize(
    ("call", "expected"), [(READ, Unreachable), (WRITE, Ambiguous)], ids=["read", "write"]
)
@pytest.mark.parametrize(
    "reply",
    [
        lambda _: web.Response(
            status=520, text="<html>Cloudflare</html>", content_type="text/html"
        ),
        lambda _: web.Response(status=200, text="<html>Wait</html>", content_type="text/html"),
        lambda _: web.Response(status=200, text="{nonsense", content_type="application/json"),
        lambda _: web.Response(status=200, text="[]", content_type="application/json"),
        lambda _: web.Response(status=200, text='{"error": 5}', content_type="application/json"),
        lambda _: web.json_response({"error": []}),
        lambda _: web.json_response({"error": [], "result": None}),
        lambda _: web.json_response({"error": [], "result": {}}, status=502),
        lambda _: web.json_response({"error": ["WGeneral:Danger"]}),
        lambda _: web.Response(status=307, headers={"Location": "https://elsewhere.example/"}),
        lambda _: web.Response(body=b'{"error":[],"result":"\xff"}', content_type="text/plain"),
        lambda _: web.Response(body=b'{"error":["\xff"]}', content_type="application/json"),
    ],
)
def test_answer_that_is_none_is_in_doubt_only_for_mutations(
    kit: Any, venue: Any, reply: Any, call: Call, expected: type[KrakkedError]
) -> None:
    venue.answer(call.method, reply)
    assert type(failure(kit, venue, call)) is expected


@pytest.mark.parametrize("call", [READ, WRITE], ids=["read", "write"])
def test_edge_that_limits_requests_has_done_nothing(kit: Any, venue: Any, call: Call) -> None:
    venue.answer(call.method, web.Response(status=429, text="slow down"))
    error = failure(kit, venue, call)
    assert isinstance(error, Transient)
    assert error.retry_after_s == 5.0


@pytest.mark.parametrize(
    ("call", "expected"), [(READ, Unreachable), (WRITE, Ambiguous)], ids=["read", "write"]
)
def test_connection_closed_before_the_answer_is_in_doubt_only_for_mutations(
    kit: Any, venue: Any, call: Call, expected: type[KrakkedError]
) -> None:
    venue.answer(call.method, kit.HANG_UP)
    assert type(failure(kit, venue, call)) is expected
    assert len(venue.calls("AddOrder")) <= 1


@pytest.mark.parametrize(
    ("call", "expected"), [(READ, Unreachable), (WRITE, Ambiguous)], ids=["read", "write"]
)
def test_answer_that_takes_too_long_is_given_up_after_the_set_seconds(
    kit: Any, venue: Any, call: Call, expected: type[KrakkedError]
) -> None:
    async def never(_: Any) -> dict[str, str]:
        await asyncio.sleep(3_600)
        return {}

    venue.answer(call.method, never)

    async def work(transport: Transport) -> float:
        started = asyncio.get_running_loop().time()
        with pytest.raises(expected):
            await transport.private(call)
        return asyncio.get_running_loop().time() - started

    assert talk(kit, venue, work, timeout_s=4.0) == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("call", [READ, WRITE], ids=["read", "write"])
def test_refused_connection_has_sent_nothing_and_is_never_in_doubt(kit: Any, call: Call) -> None:
    async def main() -> None:
        transport = Transport(
            RestSettings(url="http://127.0.0.1:9"), kit.clock(), trade=kit.credentials()
        )
        with pytest.raises(Unreachable, match="not connected"):
            await transport.private(call)
        await transport.close()

    kit.run(main())


def test_answer_larger_than_the_bound_is_not_read_to_its_end(kit: Any, venue: Any) -> None:
    venue.answer("BalanceEx", {"a": "x" * 100_000})
    error = failure(kit, venue, READ, answer_bytes_max=10_000)
    assert "more than 10000 bytes" in str(error)


def test_answer_cut_short_is_not_taken_for_whole(kit: Any, venue: Any) -> None:
    venue.answer("AddOrder", kit.cut_short(b'{"error":[],"result":{"txid":["O'))
    assert type(failure(kit, venue, WRITE)) is Ambiguous


def test_refused_nonce_on_the_query_key_is_tried_once_more(kit: Any, venue: Any) -> None:
    venue.answer("BalanceEx", kit.refusal("EAPI:Invalid nonce"), {"fresh": 1})
    raw = talk(kit, venue, lambda transport: transport.private(READ))
    assert bytes(raw) == b'{"fresh": 1}'
    first, second = venue.requests
    assert second.nonce > first.nonce


def test_refused_nonce_on_the_query_key_is_not_tried_a_third_time(kit: Any, venue: Any) -> None:
    venue.answer("BalanceEx", lambda _: kit.refusal("EAPI:Invalid nonce"))
    assert isinstance(failure(kit, venue, READ), NonceRefused)
    assert len(venue.requests) == 2


def test_key_whose_nonces_are_refused_rests_longer_each_time_so_that_nobody_is_locked_out(
    kit: Any, venue: Any
) -> None:
    venue.answer("BalanceEx", lambda _: kit.refusal("EAPI:Invalid nonce"))

    async def work(transport: Transport) -> list[int]:
        asked = []
        for _ in range(300):
            with pytest.raises(Transient):
                await transport.private(READ)
            asked.append(len(venue.requests))
            await transport.clock.sleep(1)
        return asked

    asked = talk(kit, venue, work, tier=Tier.NONE, keepalive_s=1e9)
    assert asked[:15] == [2] * 15
    assert asked[20] == 4
    assert asked[-1] <= 12


def test_key_that_rested_is_as_quick_as_ever_once_a_nonce_is_taken(kit: Any, venue: Any) -> None:
    first, second, third = (kit.refusal("EAPI:Invalid nonce") for _ in range(3))
    venue.answer("BalanceEx", first, second, {"fresh": 1}, third, {"fresh": 2})

    async def work(transport: Transport) -> None:
        with pytest.raises(NonceRefused):
            await transport.private(READ)
        with pytest.raises(Transient, match="somebody else uses the query key"):
            await transport.private(READ)
        await transport.clock.sleep(16)
        assert bytes(await transport.private(READ)) == b'{"fresh": 1}'
        assert bytes(await transport.private(READ)) == b'{"fresh": 2}'

    talk(kit, venue, work, tier=Tier.NONE, keepalive_s=1e9)


def test_refused_nonce_on_the_trade_key_is_the_fence_and_never_retried(
    kit: Any, venue: Any
) -> None:
    venue.answer("AddOrder", lambda _: kit.refusal("EAPI:Invalid nonce"))
    assert isinstance(failure(kit, venue, WRITE), Fenced)
    assert len(venue.requests) == 1


def test_one_key_for_both_is_fenced_as_the_trade_key_is(kit: Any, venue: Any) -> None:
    venue.answer("BalanceEx", lambda _: kit.refusal("EAPI:Invalid nonce"))

    async def main() -> None:
        async with venue.serve() as url:
            key = kit.credentials("ONE-KEY")
            transport = Transport(RestSettings(url=url), kit.clock(), trade=key, query=key)
            with pytest.raises(Fenced):
                await transport.private(READ)
            await transport.close()

    kit.run(main())
    assert len(venue.requests) == 1


def test_private_call_without_a_key_is_refused_before_anything_is_sent(
    kit: Any, venue: Any
) -> None:
    async def main() -> None:
        async with venue.serve() as url:
            transport = Transport(RestSettings(url=url), kit.clock())
            with pytest.raises(BadKey, match="no API key"):
                await transport.private(READ)
            await transport.close()

    kit.run(main())
    assert venue.requests == []


def test_call_that_waited_past_its_last_instant_is_not_sent(kit: Any, venue: Any) -> None:
    async def work(transport: Transport) -> None:
        call = Call(method="AddOrder", not_after_ns=transport.clock.now_ns() - 1)
        with pytest.raises(Transient, match="not sent"):
            await transport.private(call)

    talk(kit, venue, work)
    assert venue.requests == []


def test_throttled_answer_tells_the_seconds_until_its_timestamp(kit: Any, venue: Any) -> None:
    at_s = kit.START_NS // 10**9 + 30
    venue.answer("BalanceEx", kit.refusal(f"EService: Throttled: [{at_s}]"))
    error = failure(kit, venue, READ)
    assert isinstance(error, Transient)
    assert error.retry_after_s == pytest.approx(30, abs=1)


def test_question_refused_for_its_rate_is_put_once_more_when_there_is_room(
    kit: Any, venue: Any
) -> None:
    venue.answer("BalanceEx", kit.refusal("EAPI:Rate limit exceeded"), {"ZUSD": {}})

    async def work(transport: Transport) -> float:
        started = asyncio.get_running_loop().time()
        assert bytes(await transport.private(READ)) == b'{"ZUSD": {}}'
        return asyncio.get_running_loop().time() - started

    # Starter: 15 points drain at 0.33 a second, one is kept in reserve, and the refused one counts.
    assert talk(kit, venue, work) == pytest.approx(3 / 0.33, abs=0.1)
    assert len(venue.requests) == 2


def test_question_refused_twice_for_its_rate_is_the_callers_to_put_again(
    kit: Any, venue: Any
) -> None:
    venue.answer("BalanceEx", *[kit.refusal("EAPI:Rate limit exceeded")] * 2, {})
    assert isinstance(failure(kit, venue, READ), Transient)
    assert len(venue.requests) == 2


def test_change_refused_for_its_rate_is_never_sent_again_by_itself(kit: Any, venue: Any) -> None:
    venue.answer("AddOrder", kit.refusal("EAPI:Rate limit exceeded"), {})
    assert isinstance(failure(kit, venue, WRITE), Transient)
    assert len(venue.requests) == 1


def test_observer_hears_of_each_call_with_its_outcome(kit: Any, venue: Any) -> None:
    venue.answer("BalanceEx", {})
    venue.answer("AddOrder", kit.refusal("EService:Busy"))

    async def work(transport: Transport) -> Any:
        await transport.private(READ)
        with pytest.raises(Ambiguous):
            await transport.private(WRITE)
        return transport.observer

    heard = talk(kit, venue, work).requests
    assert [(name, outcome) for name, _, outcome in heard] == [
        ("BalanceEx", "ok"),
        ("AddOrder", "ambiguous"),
    ]


def test_cancelled_call_is_told_as_such(kit: Any, venue: Any) -> None:
    async def never(_: Any) -> dict[str, str]:
        await asyncio.sleep(60)
        return {}

    venue.answer("BalanceEx", never)

    async def work(transport: Transport) -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(transport.private(READ), 1)
        return transport.observer

    assert [outcome for *_, outcome in talk(kit, venue, work).requests] == ["cancelled"]


def test_no_text_about_the_transport_holds_a_secret(kit: Any, venue: Any) -> None:
    venue.answer("AddOrder", kit.HANG_UP)

    async def work(transport: Transport) -> str:
        with pytest.raises(Ambiguous) as caught:
            await transport.private(WRITE)
        cause = caught.value.__cause__
        return f"{transport!r} {caught.value!r} {cause!r}"

    text = talk(kit, venue, work)
    assert kit.SECRET not in text
    assert "TRADE-KEY" not in text
    assert "API-Sign" not in text


def test_public_call_is_a_get_without_key_or_signature(kit: Any, venue: Any) -> None:
    venue.answer("Time", {"unixtime": 1})
    talk(kit, venue, lambda transport: transport.public("Time", {"a": "b"}))
    request = venue.requests[0]
    assert request.fields == {"a": "b"}
    assert "API-Key" not in request.headers

"""The line between a machine and the venue: lost, late, cut, and what a death leaves on it."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from krakked.adapters.kraken.network import Broken, NoAnswer, NotConnected, Silent
from krakked.domain.errors import Transient
from krakked.worlds.loop import Process
from krakked.worlds.network import FIN_AFTER_S, LATENCY_S, Weather, by, give

PLACED = "aaaaaaaa-0000-0000-0000-000000000001"


def connected(town: Any) -> Any:
    """A socket that stands, its greeting taken."""

    async def connect() -> Any:
        socket = await town.network().connect("ws://venue/v2", timeout_s=5.0, frame_bytes_max=1000)
        await socket.receive(town.lab.loop.time() + 5.0)
        return socket

    return town.lab.run(connect())


def frames(town: Any, socket: Any, within_s: float = 1.0) -> list[Any]:
    """All that arrives within that time."""

    async def take() -> list[Any]:
        found, until = [], town.lab.loop.time() + within_s
        while True:
            try:
                found.append(await socket.receive(until))
            except Silent:
                return found

    found = town.lab.run(take())
    assert isinstance(found, list)
    return found


# requests


def test_in_fair_weather_each_way_takes_a_packets_latency_and_no_more(town: Any) -> None:
    for number in range(50):
        began_us = town.lab.loop.now_us()
        arrived = len(town.tape.calls)
        assert town.ask(town.signed("Balance")).status == 200
        arrived_us = (town.tape.calls[arrived].at_ns - town.tape.calls[0].at_ns) // 1_000
        took_s = (town.lab.loop.now_us() - began_us) / 1e6
        assert 2 * LATENCY_S[0] - 1e-6 <= took_s <= 2 * LATENCY_S[1] + 1e-6, number
        assert arrived_us <= town.lab.loop.now_us()


def test_a_lost_request_never_arrives_and_its_sender_cannot_know(town: Any) -> None:
    town.link.weather = Weather(request_lost=1.0)
    with pytest.raises(NoAnswer, match="reset"):
        town.ask(town.order(PLACED))
    assert town.tape.calls == []
    assert town.link.happened == {"request lost": 1}


def test_a_lost_answer_looks_the_same_and_the_order_is_placed(town: Any) -> None:
    town.link.weather = Weather(answer_lost=1.0)
    with pytest.raises(NoAnswer, match="reset"):
        town.ask(town.order(PLACED))
    assert [(call.method, call.is_done) for call in town.tape.calls] == [("AddOrder", True)]
    assert town.link.happened == {"answer lost": 1}


def test_a_late_answer_is_an_answer_to_who_waits_long_enough(town: Any) -> None:
    town.link.weather = Weather(answer_late=1.0)
    began_us = town.lab.loop.now_us()
    assert town.ask(town.signed("Balance"), timeout_s=60.0).status == 200
    assert [(call.said, call.is_heard) for call in town.tape.calls] == [((), True)]
    assert 500_000 < town.lab.loop.now_us() - began_us < 20_200_000


def test_a_late_answer_to_who_waits_no_longer_does_no_harm(town: Any) -> None:
    town.link.weather = Weather(answer_late=1.0)
    with pytest.raises(NoAnswer, match="Timeout"):
        town.ask(town.signed("Balance"), timeout_s=0.4)
    town.lab.pass_(30.0)
    assert town.lab.loop.problems == []
    assert [(call.said, call.is_heard) for call in town.tape.calls] == [((), False)]


def test_a_stuck_request_arrives_after_its_sender_has_died(town: Any, process: Process) -> None:
    town.link.weather = Weather(request_stuck=1.0, stuck_max_s=90.0)
    network = town.network(sender=process.name)
    town.lab.start(network.request(town.order(PLACED)), process)
    town.lab.pass_(0.3)
    process.kill()
    network.hang_up()
    assert town.tape.calls == []
    town.lab.pass_(91.0)
    assert [(call.sender, call.is_done) for call in town.tape.calls] == [("a.1", True)]


def test_what_the_last_question_keeps_back_never_leaves(town: Any) -> None:
    def no() -> None:
        raise Transient("not sent: no authority")

    with pytest.raises(Transient, match="no authority"):
        town.lab.run(town.network().request(town.order(PLACED), no))
    town.lab.pass_(1.0)
    assert town.tape.calls == []


def test_a_stopped_sender_stops_nothing_that_is_on_its_way(town: Any, process: Process) -> None:
    answered: list[int] = []

    async def ask() -> None:
        await town.network().request(town.signed("Balance"))
        answered.append(town.lab.loop.now_us())

    town.lab.start(ask(), process)
    town.lab.pass_(0.001)
    process.stop()
    town.lab.pass_(5.0)
    assert [call.is_done for call in town.tape.calls] == [True]
    assert answered == []
    process.go_on(town.lab.loop)
    town.lab.pass_(1.0)
    assert answered == [5_001_000]


def test_requests_may_overtake_each_other(town: Any) -> None:
    async def ask_many() -> None:
        network = town.network()
        requests = [town.signed("Balance") for _ in range(20)]
        await asyncio.gather(*(network.request(request) for request in requests))

    town.lab.run(ask_many())
    nonces = [int(call.form["nonce"]) for call in town.tape.calls]
    assert len(nonces) == 20
    assert nonces != sorted(nonces)


def test_weather_strikes_about_as_often_as_it_says(town: Any) -> None:
    struck = sum(town.link.strikes("x", 0.2) for _ in range(2_000))
    assert 320 < struck < 480
    assert town.link.happened == {"x": struck}
    assert not town.link.strikes("never", 0.0)


# cuts


def test_a_wait_ends_with_what_came_or_with_what_was_to_be_said_at_its_end(town: Any) -> None:
    loop = town.lab.loop

    async def wait(after_s: float | None, deadline_s: float | None) -> tuple[str, float]:
        began_s = loop.time()
        answer: asyncio.Future[str] = loop.create_future()
        if after_s is not None:
            loop.call_later(after_s, give, answer, "came")
        deadline = None if deadline_s is None else began_s + deadline_s
        try:
            said = await by(deadline, answer, LookupError("did not come"))
        except LookupError as error:
            said = str(error)
        return said, round(loop.time() - began_s, 6)

    assert town.lab.run(wait(1.0, 2.0)) == ("came", 1.0)
    assert town.lab.run(wait(3.0, 2.0)) == ("did not come", 2.0)
    assert town.lab.run(wait(None, -1.0)) == ("did not come", 0.0)
    assert town.lab.run(wait(3.0, None)) == ("came", 3.0)


def test_a_line_that_is_cut_outward_lets_nothing_arrive(town: Any) -> None:
    town.link.cut(out=True, into=False)
    kinds = set()
    for _ in range(20):
        try:
            town.ask(town.signed("Balance"), timeout_s=1.0)
        except (NoAnswer, NotConnected) as error:
            kinds.add(type(error))
    assert town.tape.calls == []
    assert kinds == {NoAnswer, NotConnected}, "some lines tell, and some are silent"


def test_a_line_that_is_cut_inward_lets_the_order_arrive_and_no_answer_back(town: Any) -> None:
    town.link.cut(out=False, into=True)
    with pytest.raises(NoAnswer, match="Timeout"):
        town.ask(town.order(PLACED), timeout_s=3.0)
    assert [call.is_done for call in town.tape.calls] == [True]


def test_after_mending_all_goes_through_again(town: Any) -> None:
    town.link.cut(out=True, into=True)
    town.link.mend()
    assert town.ask(town.signed("Balance")).status == 200


@pytest.mark.parametrize(("out", "into"), [(True, False), (False, True), (True, True)])
def test_no_socket_opens_over_a_line_that_is_cut(town: Any, out: bool, into: bool) -> None:
    town.link.cut(out=out, into=into)
    opening = town.network().connect("ws://venue/v2", timeout_s=2.0, frame_bytes_max=1000)
    with pytest.raises(NotConnected):
        town.lab.run(opening)
    assert town.host.venue.connections == {}


# sockets


def test_frames_arrive_in_the_order_in_which_they_were_sent(town: Any) -> None:
    socket = connected(town)
    sent = [b"frame %d" % number for number in range(100)]
    for frame in sent:
        socket.other.send(frame)
    assert frames(town, socket) == sent


def test_texts_of_the_client_are_heard_in_their_order(town: Any, monkeypatch: Any) -> None:
    heard: list[str] = []

    async def hear(session: object, connection: object, text: str) -> None:
        heard.append(text)

    monkeypatch.setattr(town.host.service, "hear", hear)
    socket = connected(town)

    async def send() -> None:
        for number in range(50):
            await socket.send(str(number))

    town.lab.run(send())
    town.lab.pass_(1.0)
    assert heard == [str(number) for number in range(50)]


def test_a_cut_line_holds_frames_and_releases_them_in_order_when_it_is_mended(town: Any) -> None:
    socket = connected(town)
    socket.other.send(b"before")
    assert frames(town, socket) == [b"before"]
    town.link.cut(out=False, into=True)
    for number in range(5):
        socket.other.send(b"held %d" % number)
        town.lab.pass_(1.0)
    assert frames(town, socket, within_s=30.0) == []
    town.link.mend()
    socket.other.send(b"after")
    assert frames(town, socket) == [*(b"held %d" % number for number in range(5)), b"after"]


def test_what_a_client_says_over_a_cut_line_is_lost(town: Any, monkeypatch: Any) -> None:
    heard: list[str] = []

    async def hear(session: object, connection: object, text: str) -> None:
        heard.append(text)

    monkeypatch.setattr(town.host.service, "hear", hear)
    socket = connected(town)
    town.link.cut(out=True, into=False)
    town.lab.run(socket.send("lost"))
    town.lab.pass_(5.0)
    town.link.mend()
    town.lab.run(socket.send("heard"))
    town.lab.pass_(1.0)
    assert heard == ["heard"]


def test_sockets_of_a_dead_process_close_at_the_venue(town: Any) -> None:
    network = town.network()
    for _ in range(2):
        town.lab.run(network.connect("ws://venue/v2", timeout_s=5.0, frame_bytes_max=1000))
    assert len(town.host.venue.connections) == 2
    network.hang_up()
    town.lab.pass_(FIN_AFTER_S / 2)
    assert len(town.host.venue.connections) == 2, "the kernel needs a moment"
    town.lab.pass_(FIN_AFTER_S)
    assert town.host.venue.connections == {}


def test_a_socket_that_the_venue_drops_is_broken_here_after_what_was_sent_before(town: Any) -> None:
    socket = connected(town)
    socket.other.send(b"last words")
    socket.other.drop()
    assert town.host.venue.connections == {}

    async def take() -> Any:
        first = await socket.receive(None)
        with pytest.raises(Broken, match="1006"):
            await socket.receive(None)
        with pytest.raises(Broken, match="1006"):
            await socket.send("too late")
        return first

    assert town.lab.run(take()) == b"last words"


def test_bad_weather_drops_sockets_at_a_frame(town: Any) -> None:
    socket = connected(town)
    town.link.weather = Weather(socket_drop=1.0)
    socket.other.send(b"lost with it")

    async def take() -> None:
        with pytest.raises(Broken, match="1006"):
            await socket.receive(None)

    town.lab.run(take())
    assert town.link.happened == {"socket dropped": 1}


def test_a_socket_that_was_closed_here_is_closed_there(town: Any) -> None:
    socket = connected(town)
    town.lab.run(socket.close())
    town.lab.pass_(1.0)
    assert town.host.venue.connections == {}


def test_a_deaf_socket_stays_open_and_neither_hears_nor_speaks(town: Any) -> None:
    socket = connected(town)
    socket.other.deafen()
    socket.other.send(b"unsaid")
    town.lab.run(socket.send('{"method":"ping"}'))
    assert frames(town, socket, within_s=60.0) == []
    assert len(town.host.venue.connections) == 1


def test_a_stalled_socket_says_all_of_it_later(town: Any) -> None:
    socket = connected(town)
    socket.other.stall(socket.other.now_ns() + 5_000_000_000)
    socket.other.send(b"one")
    socket.other.send(b"two")
    assert frames(town, socket, within_s=4.9) == []
    assert frames(town, socket, within_s=1.0) == [b"one", b"two"]


def test_the_line_draws_from_its_own_generator_alone(town: Any) -> None:
    """So that what befalls one machine's line does not depend on another's."""
    drawn = [town.link.latency_s() for _ in range(5)]
    own = Random("the line")
    assert drawn == [own.uniform(*LATENCY_S) for _ in range(5)]

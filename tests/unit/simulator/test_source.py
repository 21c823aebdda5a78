"""Frames and rows of a venue that is followed."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from krakked.adapters.kraken.records import HeartbeatFrame, Reply
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.simulator.source import (
    BookFrame,
    TradeFrame,
    book_told,
    decode,
    is_loopback,
    trade_told,
)

BOOK = (
    '{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":45283.5,'
    '"qty":0.10000000}],"asks":[],"checksum":3310070434}]}'
)
TRADE = (
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":4136.4,'
    '"qty":0.23374249,"ord_type":"limit","trade_id":4665906,'
    '"timestamp":"2023-09-25T07:49:37.708706Z"}]}'
)


def test_a_book_keeps_the_decimals_that_were_written() -> None:
    frame = decode(BOOK)
    assert isinstance(frame, BookFrame)
    told = book_told(frame, frame.data[0])
    assert told.is_snapshot
    assert [(str(price), str(size)) for price, size in told.bids] == [("45283.5", "0.10000000")]
    assert told.checksum == 3_310_070_434


def test_a_trade_is_told_with_its_takers_side_and_its_microsecond() -> None:
    frame = decode(TRADE)
    assert isinstance(frame, TradeFrame)
    trade = trade_told(frame.data[0], matches=True)
    assert (trade.taker_side, trade.order_type, trade.trade_id) == (Side.SELL, "limit", 4_665_906)
    assert trade.at_ns == 1_695_628_177 * NS_PER_SECOND + 708_706_000


@pytest.mark.parametrize("price", ["-1", "0", "1E+999999"])
def test_a_price_that_cannot_be_is_refused(price: str) -> None:
    frame = decode(TRADE.replace("4136.4", price))
    assert isinstance(frame, TradeFrame)
    with pytest.raises((ValueError, ArithmeticError)):
        trade_told(frame.data[0], matches=True)


def test_a_known_channel_in_an_unknown_shape_is_no_frame() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode('{"channel":"book","type":"update","data":[{"symbol":"BTC/USD"}]}')
    with pytest.raises(msgspec.DecodeError):
        decode('{"channel":"book","ty')


def test_replies_and_heartbeats_are_told_apart_and_other_channels_are_nothing() -> None:
    assert isinstance(decode('{"channel":"heartbeat"}'), HeartbeatFrame)
    reply = decode('{"method":"subscribe","success":false,"error":"no","req_id":2}')
    assert isinstance(reply, Reply)
    assert reply.error == "no"
    assert decode('{"channel":"level3","data":[]}') is None


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8700", True),
        ("http://[::1]:8700", True),
        ("http://localhost:1", True),
        ("https://example.org", False),
        ("http://10.0.0.1:80", False),
    ],
)
def test_only_addresses_of_this_machine_are_asked_without_pauses(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def test_sizes_of_nothing_take_a_level_away() -> None:
    frame = decode(BOOK.replace("0.10000000", "0.00000000").replace("snapshot", "update"))
    assert isinstance(frame, BookFrame)
    told = book_told(frame, frame.data[0])
    assert not told.is_snapshot
    assert told.bids[0][1] == Decimal(0)

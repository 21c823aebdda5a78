"""Arguments of requests, read by kind from forms and from JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.sim.exchange.errors import VenueError
from krakked.sim.exchange.params import Params, parse_body

FORM = "application/x-www-form-urlencoded"
JSON = "application/json; charset=utf-8"


def refused(read):
    with pytest.raises(VenueError) as caught:
        read()
    return str(caught.value)


def test_form_is_decoded():
    params = parse_body(b"pair=BTC%2FUSD&price=%2B100&note=a+b&empty=", FORM)
    assert params.text("pair") == "BTC/USD"
    assert params.text("price") == "+100"
    assert params.text("note") == "a b"
    assert params.text("empty") is None


def test_later_field_of_one_name_wins():
    assert parse_body(b"a=1&a=2", FORM).text("a") == "2"


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"&&&", b"=", b"a", b"a=1&" * 2000])
def test_form_that_is_no_form_is_no_arguments_and_no_error(body):
    assert parse_body(body, FORM).text("nonce") is None


def test_json_numbers_keep_their_text():
    params = parse_body(b'{"price":49000.10,"volume":"0.1","count":7}', JSON)
    assert params.text("price") == "49000.10"
    assert params.amount("price") == Decimal("49000.10")
    assert params.amount("volume") == Decimal("0.1")
    assert params.integer("count") == 7


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"null", b"{", b'"a"', b"\xff"])
def test_json_that_is_no_object_is_no_arguments(body):
    assert parse_body(body, JSON).text("nonce") is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_json_numbers_that_are_none_are_refused(value):
    params = parse_body(f'{{"price":{value}}}'.encode(), JSON)
    assert refused(lambda: params.amount("price")) == "EGeneral:Invalid arguments:price"


@pytest.mark.parametrize("value", [[1], {"a": 1}, 1.5])
def test_text_of_what_is_no_text_is_refused(value):
    params = Params({"pair": value})
    assert refused(lambda: params.text("pair")) == "EGeneral:Invalid arguments:pair"


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (True, True),
        (False, False),
        (None, False),
        ("true", True),
        ("True", True),
        ("1", True),
        (1, True),
        ("yes", True),
        ("false", False),
        ("False", False),
        ("0", False),
        (0, False),
        ("no", False),
        ("None", False),
        ("", False),
    ],
)
def test_flag_is_read_however_it_is_spelled(value, meaning):
    assert Params({"x": value}).flag("x") is meaning


def test_flag_has_its_default_when_absent_only():
    assert Params({}).flag("x", default=True) is True
    assert Params({"x": "false"}).flag("x", default=True) is False


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "1e16", "1e-19", "one", "1,5", "0x10", "--1", "1_0", "１"]
)
def test_amount_that_is_none_is_refused(text):
    assert refused(lambda: Params({"volume": text}).amount("volume")).endswith(":volume")


def test_amount_may_have_spaces_around_it():
    assert Params({"volume": " 1.5 "}).amount("volume") == Decimal("1.5")


@pytest.mark.parametrize("text", ["1.5", "abc", "9" * 5000, "1e3", "1_0", "١"])
def test_integer_that_is_none_is_refused(text):
    assert refused(lambda: Params({"n": text}).integer("n")).endswith(":n")


@pytest.mark.parametrize("text", ["2023-11-14", "2023-11-14T22:13:20", "now", "20231399T000000Z"])
def test_instant_without_a_zone_or_shape_is_refused(text):
    assert refused(lambda: Params({"deadline": text}).instant("deadline")).endswith(":deadline")


def test_instant_is_read_to_the_nanosecond():
    params = Params({"deadline": "2023-11-14T22:13:20.123456789Z"})
    assert params.instant("deadline") == 1_700_000_000_123_456_789


@pytest.mark.parametrize(
    ("text", "moment"),
    [(None, 0), ("", 0), ("0", 0), ("+5", 15_000_000_000), ("7.5", 7_500_000_000)],
)
def test_moment_is_nothing_relative_or_absolute(text, moment):
    assert Params({"expiretm": text}).moment("expiretm", 10_000_000_000) == moment


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (None, None),
        ("1700000000", 1_700_000_000_000_000_000),
        ("1700000000.4728658", 1_700_000_000_472_865_800),
        ("OABCDE-FGHIJ-KLMNOP", "OABCDE-FGHIJ-KLMNOP"),
    ],
)
def test_bound_is_an_instant_or_an_id(text, bound):
    assert Params({"start": text}).bound("start") == bound


@pytest.mark.parametrize("text", ["yesterday", "2023-11-14", "1e99"])
def test_bound_that_is_neither_is_refused(text):
    assert refused(lambda: Params({"start": text}).bound("start")).endswith(":start")


@pytest.mark.parametrize("value", ["a,b", "a, b,", ["a", "b"]])
def test_list_comes_with_commas_or_as_an_array(value):
    assert Params({"pair": value}).listed("pair") == ["a", "b"]


def test_list_that_is_absent_is_empty():
    assert Params({}).listed("pair") == []


def test_required_text_must_be_there():
    assert refused(lambda: Params({}).required("pair")) == "EGeneral:Invalid arguments:pair"


def test_arguments_show_names_but_no_values():
    assert repr(Params({"otp": "secret", "pair": "x"})) == "<Params otp, pair>"


@given(st.binary(max_size=200), st.sampled_from((FORM, JSON, "", "text/html")))
def test_any_body_is_read_or_found_empty(body, kind):
    parse_body(body, kind).raw("nonce")


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_in_the_venues_words(text):
    params = Params({"x": text})
    refusals = set()
    for read in (params.amount, params.integer, params.instant, params.bound, params.flag):
        try:
            read("x")
        except VenueError as error:
            refusals.add(str(error))
    assert refusals <= {"EGeneral:Invalid arguments:x"}

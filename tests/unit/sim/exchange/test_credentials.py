"""Who may call: signatures, nonces, permissions, lock-out, session tokens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlencode

import pytest

from krakked.sim.exchange.calls import PrivateRequest
from krakked.sim.exchange.keys import (
    ALL_PERMISSIONS,
    QUERY_PERMISSIONS,
    STRANGERS_MAX,
    Key,
    Permission,
)

NONCE = "EAPI:Invalid nonce"


def key_of(secret):
    return Key(
        account="a",
        key="k",
        secret=secret,
        permissions=ALL_PERMISSIONS,
        nonce_window=0,
        created_ns=0,
    )


def test_recorded_signatures_are_what_we_expect_of_a_client():
    shared = Path(os.environ.get("KRAKKED_SHARED", Path(__file__).parents[5] / "shared"))
    file = shared / "data" / "vectors" / "golden" / "api_sign.json"
    if not file.exists():
        pytest.skip(f"recorded payloads are not at {shared}")
    vectors = json.loads(file.read_text())
    assert vectors
    for vector in vectors:
        signed = key_of(vector["secret"]).sign(
            vector["path"], vector["nonce"], vector["body"].encode()
        )
        assert signed == vector["api_sign"]


def test_unknown_method_comes_before_any_credential(venue):
    assert venue.error("Teleport", "nobody") == "EGeneral:Unknown method"


@pytest.mark.parametrize("who", ["nobody", ""])
def test_unknown_key_is_refused(venue, who):
    assert venue.error("Balance", who) == "EAPI:Invalid key"


@pytest.mark.parametrize("sign", ["bm9uc2Vuc2Ugb2YgYSBzaWduYXR1cmU=", "ünïcode of some length"])
def test_wrong_signature_is_refused_and_uses_up_no_nonce(venue, sign):
    answer = venue.send("Balance", {}, sign=sign, nonce=50)
    assert b"EAPI:Invalid signature" in answer.body
    assert venue.send("Balance", {}, nonce=50).accepted


def test_missing_signature_is_refused(venue):
    request = PrivateRequest(
        path="/0/private/Balance",
        api_key="alice",
        api_sign=None,
        body=b"nonce=1",
        content_type="application/x-www-form-urlencoded",
    )
    answer = venue.exchange.private_rest(request, venue.now_ns)
    assert answer.body == b'{"error":["EAPI:Invalid signature"]}'


@pytest.mark.parametrize("as_json", [False, True])
def test_nonce_must_grow(venue, as_json):
    assert venue.send("Balance", {}, nonce=100, as_json=as_json).accepted
    for nonce in (100, 99, 1):
        answer = venue.send("Balance", {}, nonce=nonce, as_json=as_json)
        assert answer.body == b'{"error":["EAPI:Invalid nonce"]}'
    assert venue.send("Balance", {}, nonce=101, as_json=as_json).accepted


@pytest.mark.parametrize("nonce", [2**64, "9" * 19_000, -5, "", "1.5", "x", "\u0665"])
def test_nonce_must_be_an_unsigned_64_bit_number(venue, nonce):
    body = urlencode({"nonce": nonce}).encode()
    assert NONCE.encode() in venue.post("Balance", body, SignWith(nonce)).body


class SignWith:
    """A nonce that is not taken for a ready signature, however long."""

    def __init__(self, nonce):
        self._nonce = nonce

    def __str__(self):
        return str(self._nonce)


def test_largest_nonce_is_good(venue):
    assert venue.send("Balance", {}, nonce=2**64 - 1).accepted


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"not json", b'{"nonce":null}'])
def test_body_without_a_nonce_is_refused(venue, body):
    answer = venue.post("Balance", body, "", kind="application/json")
    assert NONCE.encode() in answer.body


def test_nonce_of_a_refused_call_is_used_up(venue):
    assert not venue.send("CancelOrder", {"txid": "O"}, nonce=100).accepted
    assert NONCE.encode() in venue.send("Balance", {}, nonce=100).body


def test_nonce_window_lets_late_numbers_through_once(venue):
    venue.exchange.add_key(
        "alice",
        key="wide",
        secret=venue.secret,
        permissions=ALL_PERMISSIONS,
        nonce_window=10,
    )
    sent = [100, 95, 95, 91, 90, 105, 100, 96, 95, 106]
    accepted = [venue.send("Balance", {}, who="wide", nonce=nonce).accepted for nonce in sent]
    assert accepted == [True, True, False, True, False, True, False, True, False, True]


def test_nonces_count_per_key(venue):
    venue.exchange.add_key("alice", key="second", secret=venue.secret, permissions=ALL_PERMISSIONS)
    assert venue.send("Balance", {}, nonce=10**18).accepted
    assert venue.send("Balance", {}, who="second", nonce=5).accepted


def test_key_added_again_keeps_its_nonce(venue):
    assert venue.send("Balance", {}, nonce=1000).accepted
    venue.exchange.add_key("alice", key="alice", secret=venue.secret, permissions=ALL_PERMISSIONS)
    assert NONCE.encode() in venue.send("Balance", {}, nonce=999).body


def test_removed_key_is_unknown_and_its_token_dead(venue):
    token = venue.token()
    venue.exchange.remove_key("alice")
    assert venue.error("Balance") == "EAPI:Invalid key"
    assert venue.exchange.account_of_token(token, venue.now_ns) is None


PERMISSIONS = [
    ("Balance", Permission.QUERY_FUNDS),
    ("BalanceEx", Permission.QUERY_FUNDS),
    ("TradeBalance", Permission.QUERY_FUNDS),
    ("TradeVolume", Permission.QUERY_FUNDS),
    ("OpenOrders", Permission.QUERY_OPEN),
    ("ClosedOrders", Permission.QUERY_CLOSED),
    ("TradesHistory", Permission.QUERY_CLOSED),
    ("QueryTrades", Permission.QUERY_CLOSED),
    ("Ledgers", Permission.LEDGER),
    ("QueryLedgers", Permission.LEDGER),
    ("GetWebSocketsToken", Permission.WS_TOKEN),
    ("AddOrder", Permission.MODIFY),
    ("AmendOrder", Permission.MODIFY),
]


@pytest.mark.parametrize(("method", "needed"), PERMISSIONS)
def test_method_needs_its_permission_and_no_other(venue, method, needed):
    venue.open("with", permissions=frozenset({needed}))
    venue.open("without", permissions=ALL_PERMISSIONS - {needed})
    denied = ["EGeneral:Permission denied"]
    assert venue.call(method, "without")["error"] == denied
    assert venue.call(method, "with")["error"] != denied


@pytest.mark.parametrize("method", ["CancelOrder", "CancelAll", "CancelAllOrdersAfter"])
def test_cancelling_needs_either_order_permission(venue, method):
    denied = ["EGeneral:Permission denied"]
    for granted in (Permission.MODIFY, Permission.CLOSE):
        venue.open(granted.value, permissions=frozenset({granted}))
        assert venue.call(method, granted.value)["error"] != denied
    venue.open("reader", permissions=QUERY_PERMISSIONS)
    assert venue.call(method, "reader")["error"] == denied


def test_permission_comes_before_parameters(venue):
    venue.open("reader", permissions=QUERY_PERMISSIONS)
    assert venue.error("AddOrder", "reader", nonsense="1") == "EGeneral:Permission denied"


def test_twenty_bad_nonces_in_a_minute_lock_the_key_out_for_a_quarter_of_an_hour(venue):
    venue.ok("Balance")
    for _ in range(20):
        assert NONCE.encode() in venue.send("Balance", {}, nonce=1).body
    assert venue.error("Balance") == "EGeneral:Temporary lockout"
    venue.later(899)
    assert venue.error("Balance") == "EGeneral:Temporary lockout"
    venue.later(1)
    venue.ok("Balance")


def test_slow_failures_do_not_lock_out(venue):
    venue.ok("Balance")
    for _ in range(40):
        venue.later(4)
        assert NONCE.encode() in venue.send("Balance", {}, nonce=1).body
    venue.ok("Balance")


def test_lockout_can_be_switched_off(make_bench):
    bench = make_bench(lockout_failures=0)
    bench.open(USD="1")
    bench.ok("Balance")
    for _ in range(100):
        bench.send("Balance", {}, nonce=1)
    bench.ok("Balance")


def test_token_is_good_for_fifteen_minutes(venue):
    answer = venue.ok("GetWebSocketsToken")
    assert answer["expires"] == 900
    token = answer["token"]
    assert venue.exchange.account_of_token(token, venue.now_ns) == "alice"
    venue.later(899)
    assert venue.exchange.account_of_token(token, venue.now_ns) == "alice"
    venue.later(1)
    assert venue.exchange.account_of_token(token, venue.now_ns) is None


def test_token_in_use_outlives_its_time_and_dies_with_the_session(venue):
    token = venue.token()
    venue.exchange.session_opened(token)
    venue.later(5000)
    assert venue.exchange.account_of_token(token, venue.now_ns) == "alice"
    venue.exchange.session_closed(token)
    assert venue.exchange.account_of_token(token, venue.now_ns) is None


def test_tokens_not_in_use_can_be_expired_at_once(venue):
    idle, used = venue.token(), venue.token()
    venue.exchange.session_opened(used)
    venue.exchange.expire_tokens()
    assert venue.exchange.account_of_token(idle, venue.now_ns) is None
    assert venue.exchange.account_of_token(used, venue.now_ns) == "alice"


def test_unknown_token_is_nobodys(venue):
    assert venue.exchange.account_of_token("made up", venue.now_ns) is None
    venue.exchange.session_opened("made up")
    venue.exchange.session_closed("made up")
    assert venue.exchange.account_of_token("made up", venue.now_ns) is None


def test_key_info_tells_nonce_and_permissions(venue):
    venue.open("reader", permissions=frozenset({Permission.LEDGER, Permission.QUERY_FUNDS}))
    info = venue.ok("GetApiKeyInfo", "reader")
    assert info["permissions"] == ["query-funds", "query-ledger"]
    assert info["nonce"] == str(venue.nonce)
    assert info["nonce_window"] == "0"


def test_a_restart_keeps_the_window_the_lockout_and_the_last_use(make_bench):
    bench = make_bench(lockout_failures=2)
    bench.open(USD="1")
    key = {"key": "w", "secret": bench.secret, "permissions": ALL_PERMISSIONS}
    bench.exchange.add_key("alice", **key, nonce_window=1_000)
    for nonce in (5_000, 4_500):
        assert bench.send("Balance", {}, who="w", nonce=nonce).accepted
    again = make_bench(lockout_failures=2)
    again.exchange.load(bench.exchange.dump())
    assert not again.send("Balance", {}, who="w", nonce=4_500).accepted
    assert again.send("Balance", {}, who="w", nonce=4_501).accepted
    assert not again.send("Balance", {}, who="w", nonce=4_501).accepted
    third = make_bench()
    third.exchange.load(again.exchange.dump())
    assert b"Temporary lockout" in third.send("Balance", {}, who="w", nonce=9_000).body


def test_an_unknown_key_is_locked_out_too_and_no_other_with_it(make_bench):
    bench = make_bench(lockout_failures=3)
    bench.open(USD="1")
    told = [bench.error("Balance", "nobody") for _ in range(4)]
    assert told == ["EAPI:Invalid key"] * 3 + ["EGeneral:Temporary lockout"]
    assert bench.error("Balance", "somebody") == "EAPI:Invalid key"
    bench.ok("Balance")
    bench.later(901)
    assert bench.error("Balance", "nobody") == "EAPI:Invalid key"


def test_unknown_keys_are_not_remembered_without_end(make_bench):
    bench = make_bench(lockout_failures=2)
    bench.open(USD="1")
    bench.error("Balance", "first")
    for number in range(STRANGERS_MAX):
        bench.error("Balance", f"k{number}")
    assert bench.error("Balance", "first") == "EAPI:Invalid key"
    assert bench.error("Balance", f"k{STRANGERS_MAX - 1}") == "EAPI:Invalid key"
    assert bench.error("Balance", f"k{STRANGERS_MAX - 1}") == "EGeneral:Temporary lockout"

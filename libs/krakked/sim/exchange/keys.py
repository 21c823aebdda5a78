"""Who may call: API keys with signature, nonce and permissions, and the tokens of private sessions.

A nonce is an unsigned 64-bit number that only grows, per key. A window on the key lets a number
through that comes late by at most that many ticks, once. Repeated failures lock a key out.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

import msgspec

from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.errors import (
    INVALID_KEY,
    INVALID_NONCE,
    INVALID_SIGNATURE,
    LOCKOUT,
    VenueError,
)
from krakked.sim.exchange.limits import Counter, UnderWay

NONCE_MAX: Final = 2**64 - 1
NONCE_DIGITS_MAX: Final = 20
FAILURE_WINDOW_NS: Final = 60 * NS_PER_SECOND
STRANGERS_MAX: Final = 1_000
"""Unknown keys whose failures are remembered."""
LOCKOUT_NS: Final = 900 * NS_PER_SECOND


class Permission(enum.Enum):
    """What a key may do, in the venue's words."""

    QUERY_FUNDS = "query-funds"
    QUERY_OPEN = "query-open-trades"
    QUERY_CLOSED = "query-closed-trades"
    MODIFY = "modify-trades"
    CLOSE = "close-trades"
    LEDGER = "query-ledger"
    WS_TOKEN = "create-ws-token"  # noqa: S105 (the venue's name of a permission)


ALL_PERMISSIONS: Final = frozenset(Permission)
QUERY_PERMISSIONS: Final = frozenset(Permission) - {Permission.MODIFY, Permission.CLOSE}


class Failures:
    """Bad calls with one key, whether there is such a key or not."""

    __slots__ = ("_at_ns", "locked_until_ns")

    def __init__(self) -> None:
        self._at_ns: list[int] = []
        self.locked_until_ns = 0

    def __repr__(self) -> str:
        return f"<Failures {len(self._at_ns)}>"

    def count(self, limit: int, now_ns: int) -> None:
        """One more; too many in a minute lock the key out. A limit of zero is none."""
        if limit == 0:
            return
        recent = [at for at in self._at_ns if at > now_ns - FAILURE_WINDOW_NS]
        self._at_ns = [*recent, now_ns]
        if len(self._at_ns) >= limit:
            self.locked_until_ns = now_ns + LOCKOUT_NS
            self._at_ns = []


class Key:
    """One API key of an account."""

    def __init__(
        self,
        *,
        account: str,
        key: str,
        secret: str,
        permissions: frozenset[Permission],
        nonce_window: int,
        created_ns: int,
    ) -> None:
        self.account = account
        self.key = key
        self.permissions = permissions
        self.nonce_window = nonce_window
        self.created_ns = created_ns
        self.last_used_ns = 0
        self.nonce = 0
        """The highest seen."""
        self.counter = Counter()
        self.under_way = UnderWay()
        self.failures = Failures()
        self.secret = secret
        self._secret = base64.b64decode(secret)
        self._late: dict[int, None] = {}

    def __repr__(self) -> str:
        return f"<Key of {self.account}, nonce {self.nonce}>"

    def sign(self, path: str, nonce: str, body: bytes) -> str:
        """What API-Sign must be."""
        digest = hashlib.sha256(nonce.encode() + body).digest()
        mac = hmac.new(self._secret, path.encode() + digest, hashlib.sha512)
        return base64.b64encode(mac.digest()).decode()

    @property
    def late(self) -> list[int]:
        """Nonces below the highest that are used up, as far as the window looks back."""
        return list(self._late)

    def resume(self, nonce: int, late: Iterable[int]) -> None:
        """Go on with nonces where a run before this one stopped."""
        self.nonce = nonce
        self._late = dict.fromkeys(late)

    def use_nonce(self, nonce: int) -> bool:
        """Whether this nonce is good; a good one is used up."""
        if nonce > self.nonce:
            if self.nonce_window:
                self._late[self.nonce] = None
                self._forget_late(nonce)
            self.nonce = nonce
            return True
        if nonce == self.nonce or nonce <= self.nonce - self.nonce_window or nonce in self._late:
            return False
        self._late[nonce] = None
        return True

    def _forget_late(self, nonce: int) -> None:
        for old in [old for old in self._late if old <= nonce - self.nonce_window]:
            del self._late[old]


class Token(msgspec.Struct, kw_only=True):
    """Opens private sessions; good until it expires, or as long as a session uses it."""

    key: Key
    expires_ns: int
    sessions: int = 0


class Keys:
    """All keys and tokens."""

    def __init__(self, *, lockout_failures: int, token_life_s: int) -> None:
        self._lockout_failures = lockout_failures
        self._token_life_ns = token_life_s * NS_PER_SECOND
        self._keys: dict[str, Key] = {}
        self._tokens: dict[str, Token] = {}
        self._strangers: dict[str, Failures] = {}

    def __repr__(self) -> str:
        return f"<Keys {len(self._keys)} keys, {len(self._tokens)} tokens>"

    def add(self, key: Key) -> None:
        """Know a key."""
        self._keys[key.key] = key

    def remove(self, key: str) -> None:
        """Forget a key; sessions opened with it end too."""
        self._keys.pop(key, None)
        self._tokens = {name: t for name, t in self._tokens.items() if t.key.key != key}

    def all(self) -> list[Key]:
        """Every key, in order of adding."""
        return list(self._keys.values())

    def get(self, key: str) -> Key | None:
        """The key of that name."""
        return self._keys.get(key)

    def identify(self, api_key: str | None, now_ns: int) -> Key:
        """The key, unless unknown or locked out.

        Raises:
            VenueError: EAPI:Invalid key or EGeneral:Temporary lockout.
        """
        key = self._keys.get(api_key or "")
        failures = self._stranger(api_key or "") if key is None else key.failures
        if now_ns < failures.locked_until_ns:
            raise VenueError(LOCKOUT)
        if key is None:
            failures.count(self._lockout_failures, now_ns)
            raise VenueError(INVALID_KEY)
        return key

    def _stranger(self, api_key: str) -> Failures:
        """Of a key that is not known; whoever was quiet longest is forgotten first."""
        found = self._strangers.pop(api_key, None) or Failures()
        self._strangers[api_key] = found
        if len(self._strangers) > STRANGERS_MAX:
            del self._strangers[next(iter(self._strangers))]
        return found

    def check(self, key: Key, path: str, nonce: str | None, body: bytes, sign: str | None) -> None:
        """Signature, then nonce.

        Raises:
            VenueError: EAPI:Invalid signature or EAPI:Invalid nonce.
        """
        expected = key.sign(path, nonce or "", body)
        if not hmac.compare_digest(expected.encode(), (sign or "").encode()):
            raise VenueError(INVALID_SIGNATURE)
        number = _nonce_number(nonce)
        if number is None or not key.use_nonce(number):
            raise VenueError(INVALID_NONCE)

    def fail(self, key: Key, now_ns: int) -> None:
        """Count a bad call of a known key."""
        key.failures.count(self._lockout_failures, now_ns)

    def issue_token(self, name: str, key: Key, now_ns: int) -> int:
        """Remember a token; answers its life in seconds."""
        self._drop_dead_tokens(now_ns)
        self._tokens[name] = Token(key=key, expires_ns=now_ns + self._token_life_ns)
        return self._token_life_ns // NS_PER_SECOND

    def expire_tokens(self) -> None:
        """Every token not in use is dead at once (a fault)."""
        self._tokens = {name: t for name, t in self._tokens.items() if t.sessions > 0}

    def key_of_token(self, name: str, now_ns: int) -> Key | None:
        """Whose token it is, if it is good now."""
        token = self._tokens.get(name)
        if token is None or (token.sessions == 0 and now_ns >= token.expires_ns):
            return None
        return token.key

    def session_opened(self, name: str) -> None:
        """A private subscription lives on this token."""
        if name in self._tokens:
            self._tokens[name].sessions += 1

    def session_closed(self, name: str) -> None:
        """It ended. The token goes on until it expires."""
        token = self._tokens.get(name)
        if token is not None and token.sessions > 0:
            token.sessions -= 1

    def _drop_dead_tokens(self, now_ns: int) -> None:
        dead = [n for n, t in self._tokens.items() if t.sessions == 0 and now_ns >= t.expires_ns]
        for name in dead:
            del self._tokens[name]


def _nonce_number(nonce: str | None) -> int | None:
    if nonce is None or len(nonce) > NONCE_DIGITS_MAX or not (nonce.isascii() and nonce.isdigit()):
        return None
    number = int(nonce)
    return number if number <= NONCE_MAX else None

"""The venue's REST as an auditor with a key of his own asks it; none of krakked's code is in it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

KEY = "chaos-auditor"
SECRET = base64.b64encode(KEY.encode() * 4).decode()
_LIMITED = "Rate limit"
_PAUSE_S = 3.0
_TRIES = 20


class Auditor:
    """Signs, asks, pages, and waits where a limit says so."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._nonce = time.time_ns()

    def public(self, method: str) -> dict[str, Any]:
        """An unsigned question."""
        with urllib.request.urlopen(f"{self._url}/0/public/{method}", timeout=20) as answer:  # noqa: S310 - our own
            return _result(json.load(answer), method)

    def private(self, method: str, **fields: object) -> dict[str, Any]:
        """A signed one."""
        for _ in range(_TRIES):
            told = self._ask(f"/0/private/{method}", fields)
            if not any(_LIMITED in error for error in told["error"]):
                return _result(told, method)
            time.sleep(_PAUSE_S)
        raise AssertionError(f"{method}: the rate limit leaves no room")

    def _ask(self, path: str, fields: dict[str, object]) -> dict[str, Any]:
        self._nonce += 1
        body = urlencode({"nonce": self._nonce, **fields})
        digest = hashlib.sha256(f"{self._nonce}{body}".encode()).digest()
        mac = hmac.new(base64.b64decode(SECRET), path.encode() + digest, hashlib.sha512)
        headers = {"API-Key": KEY, "API-Sign": base64.b64encode(mac.digest()).decode()}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = urllib.request.Request(self._url + path, body.encode(), headers)  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own
            told: dict[str, Any] = json.load(answer)
            return told

    def pages(self, method: str, table: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every row of a paged table; nothing may move while it is read."""
        offset = 0
        while True:
            told = self.private(method, ofs=offset, consolidate_taker="false")
            rows = told[table]
            yield from rows.items()
            offset += len(rows)
            if not rows or offset >= int(told["count"]):
                return


def _result(told: dict[str, Any], method: str) -> dict[str, Any]:
    assert not told["error"], f"{method}: {told['error']}"
    result: dict[str, Any] = told["result"]
    return result

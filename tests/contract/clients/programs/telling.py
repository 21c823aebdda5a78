"""What the programs share: where the simulator is, telling what was seen, and the way in.

A program runs in an environment that holds one client and nothing of krakked. It is given the name
of a scene as its argument and the simulator's addresses and keys as JSON on standard input; it
prints one JSON line for each thing that the client showed it. The tests judge, programs only tell.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

Scene = Callable[["Venue"], None]


class Venue:
    """The simulator, as its announcement describes it."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.rest: str = said["rest_url"]
        self.ws: str = said["ws_url"].removesuffix("/v2")
        self.ws_auth: str = said["ws_auth_url"].removesuffix("/v2")
        self.key: str = said["trade_key"]
        self.secret: str = said["trade_secret"]
        self.query_key: str = said["query_key"]
        self.query_secret: str = said["query_secret"]
        self._admin: str = said["admin_url"]

    def admin(self, path: str, **act: object) -> Any:
        """Change the world, or (without an act) look at it; the client knows nothing of this."""
        body = json.dumps(act).encode() if act else None
        url = self._admin + path
        with urllib.request.urlopen(url, data=body, timeout=10) as answer:  # noqa: S310 - loopback
            return json.loads(answer.read())

    def price(self, pair: str, price: str) -> None:
        """Let a pair trade elsewhere from its next trade on."""
        self.admin("/prices", **{pair: price})


def tell(saw: str, **values: object) -> None:
    """One line of what was seen."""
    sys.stdout.write(json.dumps({"saw": saw, **values}, default=str) + "\n")
    sys.stdout.flush()


def wait_for(happened: Callable[[], Any], within_s: float = 15.0) -> Any:
    """What ``happened`` gives as soon as that is something."""
    end = time.monotonic() + within_s
    while not (value := happened()):
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.05)
    return value


def play(scenes: Mapping[str, Scene]) -> None:
    """Run the scene that the command line names."""
    scenes[sys.argv[1]](Venue(json.load(sys.stdin)))

"""Bodies that the documentation prints, sent as they stand: understood, or refused for what they
ask (an order that is not there), never as malformed.
"""

from __future__ import annotations

from typing import Any

import pytest


def bodies(library: Any, page: str) -> list[dict[str, Any]]:
    lines = library.lines(f"rest_api_{page}")
    return [line for line in lines if "nonce" in line]


@pytest.mark.parametrize("as_json", [True, False])
def test_documented_bodies_are_understood_as_json_and_as_forms(
    library: Any, life: Any, documented_pages: Any, as_json: bool
) -> None:
    for page, (method, error) in documented_pages.items():
        found = bodies(library, page)
        assert found, page
        for body in found:
            answer = life.post(method, body, as_json=as_json)
            assert answer["error"] == ([] if error is None else [error]), page


def test_booleans_are_read_in_every_spelling(life: Any) -> None:
    for yes in ("true", "True", "TRUE", "1", True):
        assert "ledgers" in first(life.post("TradesHistory", {"ledgers": yes}))
    for no in ("false", "False", "0", "", False):
        assert "ledgers" not in first(life.post("TradesHistory", {"ledgers": no}))


def first(answer: Any) -> Any:
    return next(iter(answer["result"]["trades"].values()))

"""One database, one account: keys of another are refused, a new key of the same is a rotation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.domain.errors import BadInput
from krakked.engine.accounts import CANNOT_JUDGE, Seen, meet_account

DATABASE = Path("books.db")


class Books:
    """A ledger, as far as it knows whose it is."""

    def __init__(self, *, is_empty: bool = False) -> None:
        self.is_empty = is_empty
        self.cursors: dict[str, str] = {}

    def books(self) -> Any:
        return SimpleNamespace(is_empty=self.is_empty, cursors=dict(self.cursors))

    def set_cursor(self, name: str, value: str) -> None:
        self.cursors[name] = value


def meet(books: Books, account: str, key: str) -> str | None:
    return meet_account(books, Seen(account=account, key=key), DATABASE)  # type: ignore[arg-type]  # as much of a transaction as is used


def test_books_remember_whose_they_are() -> None:
    books = Books()
    assert meet(books, "main", "key-1") is None
    assert meet(books, "main", "key-1") is None
    assert books.cursors == {"venue_account": "main", "trade_key": "key-1"}


def test_keys_of_another_account_are_refused_and_nothing_is_kept() -> None:
    books = Books()
    meet(books, "main", "key-1")
    with pytest.raises(BadInput, match=r"another account .* books in books.db .* another --db-pa"):
        meet(books, "other", "key-2")
    assert books.cursors == {"venue_account": "main", "trade_key": "key-1"}


def test_new_key_of_the_same_account_is_a_rotation() -> None:
    books = Books()
    meet(books, "main", "key-1")
    assert meet(books, "main", "key-2") is None
    assert books.cursors["trade_key"] == "key-2"


def test_new_key_is_a_caution_once_where_the_venue_tells_no_account() -> None:
    books = Books()
    assert meet(books, "", "key-1") is None
    assert meet(books, "", "key-2") == CANNOT_JUDGE
    assert meet(books, "", "key-2") is None


def test_account_that_was_told_once_is_not_forgotten() -> None:
    books = Books()
    meet(books, "main", "key-1")
    assert meet(books, "", "key-2") == CANNOT_JUDGE
    with pytest.raises(BadInput):
        meet(books, "other", "key-2")


def test_books_that_hold_nothing_yet_are_nobodys() -> None:
    books = Books(is_empty=True)
    meet(books, "wrong", "key-1")
    assert meet(books, "main", "key-2") is None
    assert books.cursors == {"venue_account": "main", "trade_key": "key-2"}

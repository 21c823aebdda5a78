"""A lease in a file: the lock says who is dead, and nothing is torn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.system.lease_file import LeaseFile, make_lease_file, path_beside
from krakked.domain.errors import LedgerFailed
from krakked.ports.lease_store import LeaseConflict, LeaseMissing, LeaseUnreachable


def test_lease_of_a_dead_process_is_abandoned_at_once(in_file: Any) -> None:
    holder = in_file.open()
    in_file.replace(holder, in_file.read(holder), holder="one", duration_s=15)
    waiting = in_file.open()
    assert not in_file.read(waiting).is_abandoned
    in_file.run(holder.close())  # as the kernel does when the process dies
    seen = in_file.read(waiting)
    assert (seen.holder, seen.is_abandoned) == ("one", True)
    assert in_file.replace(waiting, seen, holder="two").holder == "two"


def test_own_record_is_never_abandoned(in_file: Any) -> None:
    store = in_file.open()
    in_file.replace(store, in_file.read(store), holder="one")
    assert not in_file.read(store).is_abandoned


def test_holder_that_is_frozen_keeps_its_lease_however_old_the_record(in_file: Any) -> None:
    holder, waiting = in_file.open(), in_file.open()
    in_file.replace(holder, in_file.read(holder), holder="one", duration_s=1)
    seen = in_file.read(waiting)
    with pytest.raises(LeaseConflict, match="another process has its lock"):
        in_file.replace(waiting, seen, holder="two")
    assert in_file.read(waiting).holder == "one"


def test_release_lets_go_of_the_lock(in_file: Any) -> None:
    holder, waiting = in_file.open(), in_file.open()
    taken = in_file.replace(holder, in_file.read(holder), holder="one", epoch=1)
    in_file.replace(holder, taken, holder="", released_epoch=1)
    seen = in_file.read(waiting)
    assert (seen.is_released, seen.is_abandoned) == (True, False)
    assert in_file.replace(waiting, seen, holder="two").holder == "two"


def test_making_a_lease_twice_leaves_the_first(in_file: Any) -> None:
    store = in_file.open()
    taken = in_file.replace(store, in_file.read(store), holder="one")
    make_lease_file(in_file.path, uid="other")
    assert in_file.read(store) == taken


def test_nothing_but_lease_and_lock_is_left_beside_the_database(in_file: Any) -> None:
    store = in_file.open()
    in_file.replace(store, in_file.read(store), holder="one")
    names = sorted(path.name for path in in_file.path.parent.iterdir())
    assert names == ["portfolio.db.lease", "portfolio.db.lease.lock"]


def test_files_are_for_their_owner_alone(in_file: Any) -> None:
    store = in_file.open()
    in_file.replace(store, in_file.read(store), holder="one")
    for path in in_file.path.parent.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_damaged_file_is_told_with_its_remedy_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "db.lease"
    path.write_bytes(b'{"holder": "on')
    with pytest.raises(LedgerFailed, match=r"damaged .* remove it"):
        make_lease_file(path, uid="new")
    assert path.read_bytes() == b'{"holder": "on'


def test_file_damaged_under_a_leader_counts_as_gone(in_file: Any) -> None:
    store = in_file.open()
    record = in_file.read(store)
    in_file.path.write_bytes(b"\x00" * 100)
    with pytest.raises(LeaseMissing, match="damaged"):
        in_file.replace(store, record, holder="one")


def test_disk_that_refuses_is_out_of_reach(in_file: Any) -> None:
    store = in_file.open()
    record = in_file.read(store)
    draft = in_file.path.with_name(in_file.path.name + ".new")
    draft.mkdir()  # cannot be opened for writing, not even by root
    with pytest.raises(LeaseUnreachable):
        in_file.replace(store, record, holder="one")
    assert in_file.read(store) == record


def test_disk_that_hangs_is_out_of_reach_in_time(
    in_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked_read, blocked_write = os.pipe()
    store = LeaseFile(in_file.path, timeout_s=0.05)
    monkeypatch.setattr(os, "fsync", lambda _: os.read(blocked_read, 1))
    record = in_file.read(store)
    with pytest.raises(LeaseUnreachable, match="does not answer"):
        in_file.replace(store, record, holder="one")
    os.write(blocked_write, b"xx")
    in_file.run(store.close())
    os.close(blocked_read)
    os.close(blocked_write)


def test_lease_stands_beside_the_database() -> None:
    assert path_beside(Path("/x/portfolio.db")) == Path("/x/portfolio.db.lease")

"""Mixtures of faults in a file: what they may say, what they do, how what is wrong is told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.domain.errors import BadInput
from krakked.sim.exchange.core import PairMode
from krakked.sim.fault_kinds import KINDS, FaultKind, Strikes
from krakked.simulator.fault_files import read_mixture
from krakked.simulator.faults import Armed, Asked, Faults, Told, check

BAD_DAY = """\
seed: 7
faults:
  - {kind: answer-lost, method: AddOrder, probability: 0.01}
  - kind: pair-status
    pair: BTC/USD
    mode: post_only
    seconds: 2.5
  - {kind: ws-drop, channel: executions, contains: '"trade"', skip: 1, count: 2}
  - {kind: thin-book, sizes: [0.1, 20%], probability: 1e-2}
"""


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    return tmp_path / "bad-day.yaml"


def test_a_file_says_which_faults_how_often_and_to_what(mixture: Path) -> None:
    mixture.write_text(BAD_DAY)
    found = read_mixture(mixture)
    assert found.seed == 7
    assert [fault.kind.value for fault in found.faults] == [
        "answer-lost",
        "pair-status",
        "ws-drop",
        "thin-book",
    ]
    first, second, third, fourth = found.faults
    assert (first.probability, first.method) == (Decimal("0.01"), "AddOrder")
    assert (second.mode, second.seconds) == (PairMode.POST_ONLY, Decimal("2.5"))
    assert (third.probability, third.skip, third.count) == (None, 1, 2)
    assert (fourth.sizes, fourth.probability) == (("0.1", "20%"), Decimal("0.01"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ":1: write `faults:` and a list below it"),
        ("- busy\n", ":1: write `faults:`"),
        ("faults: busy\n", ":1: faults must be a list"),
        ("faults: []\nmood: bad\n", ":2: mood? There are faults and seed"),
        ("faults: []\nseed: 1.5\n", ":2: seed 1.5: write a whole number"),
        ("faults:\n  - busy\n", ":2: write a fault as {kind: …, probability: …}"),
        ("faults:\n  - kind: busy\n    kind: delay\n", ":3: kind stands twice"),
        ("faults:\n  - kind: busyy\n", ":2: Invalid enum value 'busyy'"),
        ("faults:\n  - kind: busy\n    chances: 1\n", ":3: "),
        ("faults:\n  - {probability: 0.1}\n", ":2: Object missing required field `kind`"),
        ("faults:\n  - kind: busy\n    probability: often\n", ":3: "),
        ("faults:\n  - kind: busy\n\n  - {kind: busy, probability: 2}\n", ":4: a probability must"),
        ("faults:\n  - {kind: busy, seconds: 2}\n", ":2: busy has no parameter seconds; it has no"),
        ("faults:\n  - {kind: delay, status: 500}\n", "no parameter status; it has seconds"),
        ("faults:\n  - {kind: delay, seconds: -1}\n", "seconds must be from 0 to 86400"),
        ("faults:\n  - {kind: 5xx, status: 404}\n", "status must be from 500 to 599"),
        ("faults:\n  - {kind: oversized-frame, mebibytes: 65}\n", "mebibytes must be from 1 to 64"),
        ("faults:\n  - {kind: thin-book, sizes: [0]}\n", "size 0 must be more than nothing"),
        ("faults:\n  - {kind: thin-book, sizes: [many]}\n", "write it like 0.3 or 30%"),
        ("faults:\n  - {kind: pair-status, pair: MOON}\n", "no pair MOON; there is XBTUSD"),
        ("faults:\n  - {kind: busy, method: AdOrder}\n", "did you mean AddOrder?"),
        ("faults:\n  - {kind: busy, channel: book}\n", "give method, not channel"),
        ("faults:\n  - {kind: ws-drop, method: AddOrder}\n", "give channel, not method"),
        ("faults:\n  - {kind: ws-drop, channel: execution}\n", "did you mean executions?"),
        ("faults:\n  - {kind: wrong-checksum, channel: ticker}\n", "only book has a checksum"),
        ("faults:\n  - {kind: fill-race, method: Balance}\n", "strikes AmendOrder"),
        ("faults:\n  - {kind: busy, probability: 1, skip: 2}\n", "leave probability out"),
        ("faults:\n  - {kind: busy, count: 0}\n", "count must be at least 1"),
        ("faults: [}\n", ":1: not YAML"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_with_its_place(
    mixture: Path, text: str, line: str
) -> None:
    mixture.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_mixture(mixture)
    told = str(refused.value)
    assert told.startswith(f"{mixture}:")
    assert line in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe", "not UTF-8"), (b"x" * 1_000_001, "larger than a megabyte")],
)
def test_a_file_that_is_no_mixture_at_all_is_named(
    mixture: Path, content: bytes, words: str
) -> None:
    mixture.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_mixture(mixture)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faults: &a [*a]\n", ":1: an alias in it stands for itself"),
        ("faults:\n  - {kind: busy, text: " + "[" * 3000 + "]" * 3000 + "}\n", ":2: deeper than"),
    ],
)
def test_a_mixture_without_end_is_refused_with_its_line(
    mixture: Path, text: str, words: str
) -> None:
    mixture.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_mixture(mixture)
    assert str(refused.value).startswith(f"{mixture}{words}")


def test_a_mixture_of_thousands_of_faults_is_read(mixture: Path) -> None:
    mixture.write_text("faults:\n" + "  - {kind: busy, probability: 0.2}\n" * 5_000)
    assert len(read_mixture(mixture).faults) == 5_000


def test_a_mixture_strikes_as_often_as_it_says_and_the_same_twice(
    stage: Any, mixture: Path
) -> None:
    mixture.write_text(
        "seed: 5\nfaults:\n"
        "  - {kind: busy, method: CancelAll, probability: 0.2}\n"
        "  - {kind: error, text: 'EGeneral:Once', count: 2, skip: 10}\n"
    )
    found = read_mixture(mixture)
    options = stage.options(fault_mixture=found.faults, fault_seed=found.seed)

    async def scene(client: Any) -> list[str]:
        answers = [await client.post("CancelAll") for _ in range(200)]
        return [str(answer["error"]) for answer in answers]

    seen = stage.play(scene, options)
    assert 20 <= seen.count("['EService:Busy']") <= 60
    assert seen.count("['EGeneral:Once']") == 2
    assert "['EGeneral:Once']" not in seen[:10]
    assert stage.play(scene, options) == seen


REQUEST = Asked(names=("AddOrder",), body=b"")


def drawn(faults: Faults, kind: FaultKind) -> list[bool]:
    return [faults.draw(kind, REQUEST) is not None for _ in range(300)]


def test_one_more_kind_in_a_mixture_does_not_move_the_others() -> None:
    lone = Faults({FaultKind.BUSY: Decimal("0.3")}, seed=3)
    both = Faults({FaultKind.BUSY: Decimal("0.3"), FaultKind.DELAY: Decimal("0.3")}, seed=3)
    for _ in range(50):
        both.draw(FaultKind.DELAY, REQUEST)
    first = drawn(lone, FaultKind.BUSY)
    assert drawn(both, FaultKind.BUSY) == first
    assert 50 < sum(first) < 130
    lone.reseed(3)
    assert drawn(lone, FaultKind.BUSY) == first
    lone.reseed(4)
    assert drawn(lone, FaultKind.BUSY) != first


def test_a_frame_of_status_or_heartbeat_is_struck_only_by_name() -> None:
    faults = Faults({}, seed=1)
    faults.arm(Armed(kind=FaultKind.DUPLICATE))
    assert faults.draw(FaultKind.DUPLICATE, Told("heartbeat", b"")) is None
    faults.arm(Armed(kind=FaultKind.DUPLICATE, channel="heartbeat"))
    assert faults.draw(FaultKind.DUPLICATE, Told("heartbeat", b"")) is not None
    assert faults.draw(FaultKind.DUPLICATE, Told("ticker", b"")) is not None
    assert faults.is_quiet


@pytest.mark.parametrize("kind", FaultKind)
def test_the_defaults_of_every_kind_are_values_that_it_takes(kind: FaultKind) -> None:
    row = KINDS[kind]
    check(Armed(kind=kind))
    for parameter in row.parameters:
        assert Armed(kind=kind).given(parameter.name) == parameter.default
        assert parameter.name in Armed.__struct_fields__
    if row.strikes is Strikes.FRAME:
        assert row.methods == ()
    else:
        assert row.channels == ()

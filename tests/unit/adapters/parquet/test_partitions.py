"""Parquet files: small, self-describing, and one clear line when they are not ours or not whole."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from krakked.adapters.parquet import partitions
from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.adapters.parquet.blocks import Block, block_of
from krakked.domain.bars import COLUMNS, Bar, Timeframe
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName

Make = Callable[..., list[Bar]]
XBTUSD = PairName("XBTUSD")


@pytest.fixture
def block(bars: Make) -> Block:
    return block_of(Decimal("0.10"), bars(range(700)))


@pytest.fixture
def path(tmp_path: Path, block: Block) -> Path:
    path = tmp_path / "bars" / "XBTUSD" / "1h" / "2019-01.parquet"
    partitions.write(path, block)
    return path


def test_file_gives_back_the_block(path: Path, block: Block) -> None:
    found = partitions.read(path)
    assert found.tick_size == block.tick_size
    assert (found.table == block.table).all()
    assert [file.name for file in path.parent.iterdir()] == ["2019-01.parquet"]


def test_file_is_whole_numbers_delta_coded_and_compressed(path: Path) -> None:
    file = pq.ParquetFile(path)
    assert file.schema_arrow.names == list(COLUMNS)
    assert set(file.schema_arrow.types) == {pa.int64()}
    assert file.schema_arrow.metadata[b"krakked.tick_size"] == b"0.10"
    column = file.metadata.row_group(0).column(4)
    assert "DELTA_BINARY_PACKED" in column.encodings
    assert column.compression == "ZSTD"
    assert path.stat().st_size < 8_000
    file.close()


def test_few_bars_are_not_compressed_and_come_back_all_the_same(tmp_path: Path, bars: Make) -> None:
    path = tmp_path / "2019-01.parquet"
    for count, compression in ((1, "UNCOMPRESSED"), (127, "UNCOMPRESSED"), (128, "ZSTD")):
        block = block_of(Decimal("0.10"), bars(range(count)))
        partitions.write(path, block)
        with pq.ParquetFile(path) as file:
            column = file.metadata.row_group(0).column(4)
        assert (column.compression, "DELTA_BINARY_PACKED" in column.encodings) == (
            compression,
            True,
        )
        assert (partitions.read(path).table == block.table).all()
        assert path.stat().st_size < 8_000


def test_summary_reads_the_footer_alone(path: Path, bars: Make) -> None:
    first, last = bars([0, 699])
    assert partitions.summary(path) == partitions.Summary(first.start_s, last.start_s, 700)


def test_block_is_split_at_the_edges_of_periods(bars: Make) -> None:
    days = block_of(Decimal(1), bars(range(1430, 1450), step_s=60))
    parts = dict(partitions.split(days, Timeframe.M1))
    assert {name: len(part) for name, part in parts.items()} == {
        "2019-01-01.parquet": 10,
        "2019-01-02.parquet": 10,
    }


@pytest.mark.parametrize(
    ("name", "timeframe", "start_s", "end_s", "expected"),
    [
        ("2019-01", Timeframe.H1, 1_548_979_199, 1_548_979_200, True),
        ("2019-01", Timeframe.H1, 1_548_979_200, 1_548_979_300, False),
        ("2019-01", Timeframe.H1, 0, 1_546_300_800, False),
        ("2019-01", Timeframe.H1, 0, 1_546_300_801, True),
        ("2019-01-02", Timeframe.M5, 1_546_387_200, 1_546_387_201, True),
        ("2019-01-02", Timeframe.M5, 1_546_473_600, 1_546_473_700, False),
        ("2020", Timeframe.D1, 1_577_836_799, 1_577_836_800, False),
        ("2020", Timeframe.D1, 1_609_459_199, 1_700_000_000, True),
    ],
)
def test_period_of_a_file_follows_from_its_name(
    name: str, timeframe: Timeframe, start_s: int, end_s: int, expected: bool
) -> None:
    path = Path(f"{name}.parquet")
    assert partitions.overlaps(path, timeframe, start_s, end_s) is expected


def test_file_named_by_no_period_is_named(path: Path) -> None:
    path.rename(path.with_name("backup.parquet"))
    store = ParquetBarStore(path.parents[2], keep=4)
    with pytest.raises(BadInput, match=r"backup\.parquet: not the name of a period"):
        store.between(XBTUSD, Timeframe.H1, 0, 1, Decimal("0.1"))


def damage_end(content: bytes) -> bytes:
    return content[:-20]


def damage_pages(content: bytes) -> bytes:
    return content[:4] + b"\xff" * 900 + content[904:]


def damage_all(_: bytes) -> bytes:
    return b"start_s,open,high\n"


@pytest.mark.parametrize("damage", [damage_end, damage_pages, damage_all, lambda _: b""])
def test_damaged_file_is_named_with_its_remedy(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path.write_bytes(damage(path.read_bytes()))
    store = ParquetBarStore(path.parents[2])
    with pytest.raises(BadInput, match="damaged, or not written by krakked") as caught:
        store.last(XBTUSD, Timeframe.H1, 10, Decimal("0.1"))
    assert str(path) in str(caught.value)
    assert "delete or move it" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "metadata"),
    [
        (COLUMNS, {}),
        (COLUMNS, {b"krakked.tick_size": b"cheap"}),
        (("time", "price"), {b"krakked.tick_size": b"0.1"}),
    ],
)
def test_parquet_of_another_program_is_named(
    path: Path, columns: tuple[str, ...], metadata: dict[bytes, bytes]
) -> None:
    schema = pa.schema([(name, pa.int64()) for name in columns], metadata=metadata)
    pq.write_table(pa.table([[1]] * len(columns), schema=schema), path)
    with pytest.raises(BadInput, match="damaged, or not written by krakked"):
        partitions.read(path)


def test_summary_of_a_file_without_rows_is_refused(path: Path) -> None:
    schema = pa.schema([(name, pa.int64()) for name in COLUMNS])
    pq.write_table(pa.table([[] for _ in COLUMNS], schema=schema), path)
    with pytest.raises(BadInput, match="no statistics"):
        partitions.summary(path)

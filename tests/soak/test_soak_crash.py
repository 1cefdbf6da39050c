"""The crash table around a tile's border, every cell; ``scripts/soak crash`` adds 65,536."""

from pathlib import Path

import pytest
from soaking.crashing import EFFECTS, ENDINGS, SIZES, cells_at, run_table
from soaking.seams import STEPS


@pytest.mark.parametrize("size", [255, 256, 257])
def test_every_step_may_fail_or_be_the_last_and_every_receipt_is_kept(
    tmp_path: Path, size: int
) -> None:
    report = run_table(tmp_path, sizes=[size])
    assert report.broken == []
    assert report.tried == report.planned == len(cells_at(size))
    assert report.endings["killed"] == report.endings["went on"] == report.tried / 2
    assert report.receipts > 0
    assert report.lost == 0


def test_the_table_leaves_out_no_cell_but_a_tile_that_is_not_filled() -> None:
    every = len(STEPS) * len(EFFECTS) * len(ENDINGS)
    found = {size: len(cells_at(size)) for size in SIZES}
    assert found == {
        255: every - 4,
        256: every,
        257: every,
        65_535: every - 4,
        65_536: every,
    }

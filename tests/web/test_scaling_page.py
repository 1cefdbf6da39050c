"""What docs/scaling says of the run that it names is what that run measured."""

import json
from pathlib import Path

import pytest

import web
from web.words.library import read_library

HOME = Path(web.__file__).parent


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
def test_the_figures_of_the_partitions_are_those_of_the_run(tag: str) -> None:
    figures = json.loads(HOME.joinpath("runs", "partitions.json").read_text())["figures"]
    source = read_library().documents["docs/scaling"][tag].source
    section = source[source.index("{#partitions}") : source.index("{#cost}")]
    for table in ("one", "parts"):
        for tenth in ("first", "last"):
            assert f"{figures[f'{table}_{tenth}_tenth_cpu_us']:.1f} µs" in section
            assert f"{figures[f'{table}_{tenth}_tenth_wal_bytes']:,.0f}" in section
        for question in ("by_index", "by_job", "by_digest"):
            assert f"{figures[f'{table}_{question}_planned_once_us']:.1f} µs" in section
        assert f"{figures[f'{table}_256_in_order_planned_once_us']:.0f} µs" in section
        disk = figures[f"{table}_rows_a_row_bytes"] + figures[f"{table}_indexes_a_row_bytes"]
        assert f"{disk:,.0f}" in section
        dearer = figures[f"{table}_last_tenth_cpu_us"] / figures[f"{table}_first_tenth_cpu_us"]
        assert f"{dearer - 1:.0%}".replace("%", " %") in section
    assert f"{figures['rows']:,}" in section
    assert f"{figures['part_rows']:,}" in section

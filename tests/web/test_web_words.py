import re

import pytest
from browser import Browser
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import World

from ledger.records.charter import Code
from ledger.records.entry import DECISION_KINDS, STATEMENT_KINDS
from ledger.records.lifecycle import State
from ledger.records.statement import sealed_paths
from ledger.tlog.hashing import node_hash
from schemas import values
from schemas.answers import Day
from schemas.charter import Workload
from schemas.statements import (
    SCHEMAS,
    ExitStatus,
    GradientScope,
    OptimizerTarget,
    Role,
    WeightsCheck,
)
from web import query
from web.cache import ByteCache
from web.figures import charts
from web.i18n import preferred
from web.query import ParameterRefused
from web.telling import formats, labels


def test_every_code_has_words() -> None:
    codes = [
        *State,
        *Workload,
        *GradientScope,
        *OptimizerTarget,
        *ExitStatus,
        *WeightsCheck,
        *Role,
        *Code,
        *STATEMENT_KINDS,
        *DECISION_KINDS,
        "disclosed",
        "manifest",
        "log_key",
        "genesis",
    ]
    assert [code for code in map(str, codes) if labels.label(code) == code.replace("_", " ")] == []


def test_every_sealed_field_has_a_name_and_a_meaning() -> None:
    for schema in SCHEMAS.values():
        for path in sealed_paths(schema):
            assert labels.field_label(path) != path
            assert labels.field_meaning(path)


def test_every_part_of_a_sealed_value_has_a_name_and_every_code_in_it_words() -> None:
    shapes = [each for each in vars(values).values() if _is_shape(each)]
    keys = {key for shape in shapes for key in shape.__struct_encode_fields__}
    assert len(keys) > 20
    assert [key for key in keys if labels.part_label(key) == key.replace("_", " ")] == []
    codes = [*values.ContentAccess, *values.OutputType]
    assert [code for code in map(str, codes) if labels.label(code) == code.replace("_", " ")] == []


def _is_shape(each: object) -> bool:
    return isinstance(each, type) and issubclass(each, values.Wire)


def test_a_code_from_a_later_version_is_shown_as_it_is() -> None:
    assert labels.label("brand_new") == "brand new"
    assert labels.field_label("x.y") == "x.y"


@pytest.mark.parametrize(
    ("given_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (1_234_567, "1.23 MB"),
        (10**12, "1 TB"),
        (25 * 10**17, "2500 PB"),
    ],
)
def test_sizes_are_decimal(given_bytes: int, text: str) -> None:
    assert formats.size(given_bytes).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_661, "1 h 1 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_have_two_units(seconds: int, text: str) -> None:
    assert formats.duration(seconds).replace("\u00a0", " ") == text


def test_values_of_records_are_escaped_at_every_depth() -> None:
    hostile = "<img src=x>"
    shown = formats.value({hostile: [{hostile: hostile}, {"sha256": hostile}, None, True, 5]})
    assert "<img" not in shown
    assert shown.count("&lt;img src=x&gt;") == 4


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("de", "en"),
        ("*", "en"),
        ("en;q=nan", "en"),
        ("en;q=x, , ;;", "en"),
        ("zh;q=0," * 10_000, "en"),
    ],
)
def test_whatever_a_browser_prefers_there_is_a_language(header: str, tag: str) -> None:
    assert preferred(header) == tag


@given(st.integers(0, 2**53 - 1))
def test_a_cursor_is_its_index(index: int) -> None:
    assert query.decode_cursor({"cursor": query.encode_cursor(index)}) == index


@given(st.binary(max_size=80))
def test_any_query_string_is_read_or_refused(raw: bytes) -> None:
    try:
        found = query.parse_query(raw)
    except ParameterRefused:
        return
    assert all(found.values())


@given(st.text(max_size=20))
def test_any_text_is_a_whole_number_or_refused(text: str) -> None:
    try:
        number = query.parse_integer(text, "n")
    except ParameterRefused:
        return
    assert str(number) == text


def test_a_calendar_has_a_bar_for_each_day_and_loses_none() -> None:
    days = (Day("2026-11-21", 3), Day("2026-12-01", 9), Day("2027-02-19", 1))
    chart = charts.calendar(days, first="2026-11-21")
    assert [day.entries for day in chart.days if day.entries] == [3, 9, 1]
    assert (chart.total, chart.peak, len(chart.days)) == (13, Day("2026-12-01", 9), 91)
    ((style, path),) = chart.paths
    assert (style, path.count(f"V{chart.base}")) == ("sealed", 3)
    assert charts.calendar((), first="2026-11-21").total == 0


def test_a_share_is_never_more_than_all() -> None:
    assert charts.share(1, 4) == 25.0
    assert charts.share(9, 4) == 100.0
    assert charts.share(9, 0) == charts.share(9, None) == 0.0


def test_the_cache_keeps_within_its_bytes_and_drops_the_longest_unused() -> None:
    cache: ByteCache[str] = ByteCache(100_000)
    for number in range(500):
        cache.put(f"k{number}", b"x", size=1_000)
        cache.get("k0")
    assert cache.size <= 100_000
    assert cache.get("k0") is not None
    assert cache.get("k1") is None
    cache.put("big", b"x", size=50_000)
    assert cache.get("big") is None
    cache.put("k0", b"y", size=10)
    assert cache.get("k0") == b"y"


def test_what_a_key_takes_counts_too() -> None:
    cache: ByteCache[tuple[str, int]] = ByteCache(100_000)
    for number in range(100):
        cache.put(("x" * 4_000, number), b"", size=0)
    assert sum(cache.get(("x" * 4_000, number)) is not None for number in range(100)) < 25


def test_the_printed_steps_of_a_proof_lead_to_the_root(site: Browser, world: World) -> None:
    for job in ("opened", "sealed", "many7", "rejected"):
        text = site.get(f"/en/jobs/{world.job_id(job)}/proof").text
        steps = re.findall(
            r'class="side">on the (left|right)</span> <code class="hash whole">([0-9a-f]{64})', text
        )
        leaf, *_, root = re.findall(r'<p><code class="hash whole">([0-9a-f]{64})', text)
        found = bytes.fromhex(leaf)
        for side, digest in steps:
            other = bytes.fromhex(digest)
            found = node_hash(other, found) if side == "left" else node_hash(found, other)
        assert found.hex() == root


def test_names_in_backticks_become_code_and_nothing_else_markup() -> None:
    assert formats.prose("say `a<b` & <i>") == "say <code>a&lt;b</code> &amp; &lt;i&gt;"

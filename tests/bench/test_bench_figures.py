import json

import pytest
from benchmarks.figures import FORMAT, Bar, Beside, Figure, percentile, report, show, table


def test_a_figure_is_the_median_of_its_rounds_and_not_their_mean() -> None:
    assert Figure("append", "x", "/s", (1.0, 100.0, 3.0)).value == 3.0
    assert Figure("append", "x", "/s", (1.0, 2.0, 3.0, 10.0)).value == 2.5


@pytest.mark.parametrize(
    ("bar", "value", "reached"),
    [
        (Bar(100), 100.0, True),
        (Bar(100), 99.9, False),
        (Bar(100, "less"), 100.0, True),
        (Bar(100, "less"), 100.1, False),
    ],
)
def test_a_bar_is_reached_at_exactly_its_value_in_either_direction(
    bar: Bar, value: float, reached: bool
) -> None:
    assert Figure("append", "x", "/s", (value,), bar=bar).reached is reached


def test_the_ratio_is_between_medians_of_the_same_rounds() -> None:
    figure = Figure("a", "x", "/s", (10.0, 30.0, 20.0), beside=Beside("plain", (5.0, 4.0, 90.0)))
    assert figure.ratio == 4.0


def test_what_was_not_measured_has_neither_value_nor_verdict_nor_ratio() -> None:
    figure = Figure("a", "x", "/s", (), bar=Bar(1), beside=Beside("plain", (1.0,)), note="no disk")
    assert (figure.value, figure.reached, figure.ratio) == (None, None, None)
    line = table([figure]).splitlines()[-1]
    assert "not measured" in line
    assert "unknown" in line
    assert line.endswith("no disk")


@pytest.mark.parametrize(
    ("percent", "value"), [(50, 50.0), (99, 99.0), (100, 100.0), (1, 1.0), (0.5, 1.0)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile([float(each) for each in range(100, 0, -1)], percent) == value


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 99) == 7.0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12345.6, "/s", "12,346/s"),
        (0.0, "s", "0.00 s"),
        (9.994, "ms", "9.99 ms"),
        (45.23, "µs", "45.2 µs"),
        (1000.0, "µs", "1,000 µs"),
    ],
)
def test_a_number_is_shown_with_about_three_digits_and_its_unit(
    value: float, unit: str, text: str
) -> None:
    assert show(value, unit) == text


def test_the_table_says_reached_or_missed_and_has_a_heading_for_each_section_and_size() -> None:
    lines = table(
        [
            Figure("append", "one", "/s", (5.0,), bar=Bar(10), beside=Beside("plain", (10.0,))),
            Figure("append", "two", "/s", (50.0,), bar=Bar(10)),
            Figure("proof", "cold", "µs", (5.0,), entries=1_000, bar=Bar(10, "less")),
            Figure("proof", "cold", "µs", (15.0,), entries=2_000, bar=Bar(10, "less")),
        ]
    ).splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")][1:]
    assert headings == [
        "append",
        "proof, a log of 1,000 entries",
        "proof, a log of 2,000 entries",
    ]
    rows = [line.split() for line in lines if line.startswith("  ")]
    assert ["MISSED" in row for row in rows] == [True, False, False, True]
    assert ["reached" in row for row in rows] == [False, True, True, False]
    assert " ".join(rows[0]).endswith("0.50 x plain (10.0/s)")


def test_a_report_is_json_that_says_everything_the_table_says() -> None:
    figure = Figure(
        "append",
        "one",
        "/s",
        (4.0, 6.0),
        entries=7,
        bar=Bar(10),
        beside=Beside("plain", (10.0,)),
        more={"entries_per_s": 10.0},
        note="a note",
    )
    found = json.loads(
        json.dumps(
            report(
                [figure, Figure("x", "y", "s", ())],
                machine={"cpus": 2},
                options={},
                made_at="2026-11-21T19:00:00Z",
                took_s=1.23,
            )
        )
    )
    assert found["format"] == FORMAT
    assert found["figures"][0] == {
        "section": "append",
        "what": "one",
        "entries": 7,
        "unit": "/s",
        "value": 5.0,
        "rounds": [4.0, 6.0],
        "bar": {"better": "more", "is": 10},
        "reached": False,
        "beside": {"name": "plain", "value": 10.0, "rounds": [10.0], "ratio": 0.5},
        "more": {"entries_per_s": 10.0},
        "note": "a note",
    }
    assert found["figures"][1]["value"] is None
    assert found["figures"][1]["bar"] is None
    assert found["figures"][1]["beside"] is None

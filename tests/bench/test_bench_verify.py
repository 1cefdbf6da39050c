"""The verify section of scripts/bench, at a small size and beside a stand-in for aics-tlog."""

import json
import sys
from pathlib import Path

import _interop
import pytest
from benchmarks import parts, verifying
from benchmarks.auditing import Auditor
from benchmarks.figures import Figure, table
from benchmarks.logs import Kept, kept_log
from benchmarks.places import CannotMeasure, Places
from benchmarks.scale import chosen

ENTRIES = 600


class StandIn(Auditor):
    """Finds every log right at once, and of the size that it was made for."""

    name = "a stand-in"

    def found(self) -> Path:
        return Path()

    def command(self, where: str, vkey: str) -> list[str]:
        assert where.startswith("http://") or Path(where, "checkpoint").exists()
        assert vkey.startswith("bench.invalid/apsci+")
        return [sys.executable, "-S", "-c", f"print({json.dumps({'size': ENTRIES})!r})"]


class Absent(Auditor):
    """Cannot be had."""

    def found(self) -> Path:
        raise _interop.ToolMissing("aics needs Python 3.99 or later")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Kept, Path, list[Figure]]:
    """A small log, its files, and all figures of the section."""
    places = Places(tmp_path_factory.mktemp("bench"), None)
    with places.opened():
        log = kept_log(places, ENTRIES)
        amounts = chosen(quick=True, rounds=1)
        figures = list(verifying.measure(places, [log], amounts, rival=StandIn))
        return log, verifying.exported(places, log), figures


def test_bytes_tiles_commitments_and_signatures_are_timed_each_by_itself(
    measured: tuple[Kept, Path, list[Figure]],
) -> None:
    found = {figure.what: figure for figure in measured[2]}
    for what in (parts.BYTES, parts.TILES, parts.COMMITMENTS, parts.SIGNATURES):
        assert (found[what].unit, found[what].entries) == ("/s", ENTRIES)
        assert found[what].rounds[0] > 0
        assert "processor time, a sample of " in found[what].note
    whole = found[verifying.OFFLINE].more
    held = parts.sample(measured[1], ENTRIES)
    # So small a log is the sample, all of it: what is timed is what the audit counts.
    assert len(held.signatures) == whole["signatures_verified"] > 0
    assert len(held.openings) == whole["openings_verified"] > 0


def test_the_other_auditor_stands_beside_what_is_like_it_and_beside_the_whole(
    measured: tuple[Kept, Path, list[Figure]],
) -> None:
    beside = {figure.what for figure in measured[2] if figure.ratio}
    assert beside == {
        *verifying.BESIDE_SERVED,
        *verifying.BESIDE_FILES,
        verifying.MEMORY,
    }
    assert "x a stand-in" in table(measured[2])


def test_where_the_other_auditor_cannot_be_had_the_figures_say_so_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Places(tmp_path, None).opened() as places:
        log = kept_log(places, 100)
        amounts = chosen(quick=True, rounds=1)
        figures = list(verifying.measure(places, [log], amounts, rival=Absent))
    assert {figure.beside for figure in figures} == {None}
    assert all(figure.value for figure in figures)
    reason = "no aics-tlog beside: aics needs Python 3.99 or later"
    assert [figure.what for figure in figures if figure.note == reason] == [
        verifying.SERVED_HASHES,
        *verifying.BESIDE_FILES,
        verifying.MEMORY,
    ]
    assert reason in capsys.readouterr().err


def test_an_audit_of_less_than_the_whole_log_is_no_yardstick(
    measured: tuple[Kept, Path, list[Figure]],
) -> None:
    with pytest.raises(CannotMeasure, match="600 entries of 601"):
        StandIn().audit(str(measured[1]), "bench.invalid/apsci+", entries=ENTRIES + 1)


def test_a_signature_or_an_opening_that_does_not_hold_is_not_timed(
    measured: tuple[Kept, Path, list[Figure]],
) -> None:
    held = parts.sample(measured[1], ENTRIES)
    public, message, signature = held.signatures[-1]
    held.signatures[-1] = (public, message + b" ", signature)
    with pytest.raises(CannotMeasure, match="signature"):
        parts.check_signatures(held)
    opening, commitment = held.openings[-1]
    held.openings[-1] = (opening, commitment[::-1])
    with pytest.raises(CannotMeasure, match="opening of entry"):
        parts.check_openings(held)

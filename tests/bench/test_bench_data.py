from pathlib import Path

from benchmarks import exporting, scale
from benchmarks.logs import kept_log
from benchmarks.places import Places


def test_the_bulk_files_of_a_log_are_made_and_measured_in_a_process_of_their_own(
    tmp_path: Path,
) -> None:
    places = Places(tmp_path, None)
    with places.opened():
        log = kept_log(places, 2_000)
        amounts = scale.chosen(quick=True, rounds=1)
        took, peak = exporting.measure([log], amounts)
        assert (took.unit, peak.unit) == ("s", "MiB")
        assert (took.entries, peak.entries) == (2_000, 2_000)
        assert 0 < took.rounds[0] < 120
        assert 20 < peak.rounds[0] < 1_000
        assert not list(log.settings.data_dir.glob("tmp*"))

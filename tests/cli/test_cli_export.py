import re
from pathlib import Path

import pytest
from cli_world import Shell


def test_an_export_is_made_said_and_checked(made: Shell, tmp_path: Path) -> None:
    out = made.ok("export", "--to", tmp_path / "bulk")
    found = re.match(r"(\S+): 16 files, \d+ bytes\n1 entries, root [0-9a-f]{64}\n", out)
    assert found is not None, out
    folder = Path(found[1])
    assert (tmp_path / "bulk" / "latest").resolve() == folder
    checked = made.ok("export", "--check", tmp_path / "bulk" / "latest")
    assert checked.startswith("sound: 16 files of 1 entries\n")
    assert out.splitlines()[2] == checked.splitlines()[1]


def test_a_changed_file_is_found_with_status_1(made: Shell, tmp_path: Path) -> None:
    made.ok("export", "--to", tmp_path / "bulk")
    jobs = tmp_path / "bulk" / "latest" / "jobs.csv"
    jobs.write_bytes(jobs.read_bytes().replace(b"job_id", b"job-id"))
    said = made("export", "--check", tmp_path / "bulk" / "latest")
    assert said.status == 1
    assert re.match(r"jobs\.csv has the SHA-256 [0-9a-f]{64}, and SHA256SUMS says", said.out)


def test_without_a_folder_the_settings_name_one(
    made: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_EXPORT_DIR", str(tmp_path / "elsewhere"))
    made.ok("export", "--at", 1)
    assert tmp_path.joinpath("elsewhere", "latest", "jobs.csv").is_file()


def test_what_cannot_be_exported_is_refused_in_a_line(made: Shell, tmp_path: Path) -> None:
    made("export", "--at", 7).refused("has no size 7")
    made("export", "--check", tmp_path).refused("there is no set of bulk files at")
    made("export", "--check", tmp_path, "--at", 1).refused("goes with neither")
    tmp_path.joinpath("file").write_text("")
    made("export", "--to", tmp_path / "file" / "deep").refused("nothing was published")


@pytest.mark.parametrize("text", ["24:00", "3:00", "03:60", "03:00 UTC", "at night"])
def test_a_time_of_day_that_is_none_is_refused(
    made: Shell, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("LEDGER_EXPORT_AT", text)
    made("status").refused(f"LEDGER_EXPORT_AT is {text!r}.*a time of day in UTC, as 03:00")

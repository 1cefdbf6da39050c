"""An honest log is verified, in every way it can be asked for, and what is odd is said."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from log_builder import DAY_S, ORIGIN, History, canonical, resign, text_of, vkey_of
from verify_runner import SCRIPT, run, run_text, script

KEY = vkey_of(ORIGIN)


def test_an_honest_log_is_verified_and_counted(mirror: Path, log: History) -> None:
    verdict = run("--offline", mirror, "--vkey", KEY)
    assert verdict.status == 0
    report = verdict.report
    assert report["verdict"] == "verified"
    assert report["size"] == len(log.entries) == sum(report["counts"].values())
    statements = [entry for entry in log.entries if "statement" in entry]
    disclosed = [entry for entry in log.entries if entry["kind"] == "disclosed"]
    assert report["signatures_verified"] == len(statements)
    assert report["openings_verified"] == len(disclosed) > 50
    assert report["still_sealed"] == len(log.still_sealed())
    assert report["findings"] == []
    assert verdict.warnings == {"withheld-past-review", "due-by-own-clock", "job-not-begun"}


def test_the_text_ends_in_a_sentence_on_what_is_and_is_not_proved(mirror: Path) -> None:
    status, out, err = run_text("--offline", mirror, "--vkey", KEY)
    assert (status, err) == (0, "")
    last = out.rstrip("\n").split("\n")[-1]
    assert last.startswith("Verified: all 717 entries")
    assert "does not prove" in last


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 513])
def test_a_log_is_verified_at_every_edge_of_a_tile(tmp_path: Path, size: int) -> None:
    log = History()
    log.genesis()
    while len(log.entries) < size:
        log.register("add", f"lab-{len(log.entries)}", "member")
    verdict = run("--offline", log.write(tmp_path / "mirror"), "--vkey", KEY)
    assert verdict.status == 0, verdict.report


def test_a_log_of_three_levels_is_verified(tmp_path: Path) -> None:
    log = History()
    log.genesis()
    unknown = canonical(
        {"format": "apsci-ledger/1", "kind": "note", "logged_at": text_of(log.now_s)}
    )
    log.entries += [unknown] * 65_799
    verdict = run("--offline", log.write(tmp_path / "mirror"), "--vkey", KEY)
    assert verdict.status == 0
    assert verdict.report["warning_counts"] == {"unknown-kind": 65_799}
    assert len(verdict.report["warnings"]) == script.FINDINGS_SHOWN


def test_several_processes_find_what_one_finds(
    mirror: Path, log: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "PARALLEL_FROM", 0)
    assert run("--offline", mirror, "--vkey", KEY, "--jobs", "2").status == 0
    log.entries[log.labels["ended 41"]]["statement"]["public"]["gpu_seconds"] = 1
    spoilt = log.write(tmp_path / "spoilt")
    verdict = run(
        "--offline", spoilt, "--vkey", KEY, "--jobs", "2", "--evidence", tmp_path / "evidence"
    )
    assert verdict.entries("bad-signature") == [log.labels["ended 41"]]


def test_skipping_signatures_is_said_loudly(mirror: Path) -> None:
    arguments = ("--offline", mirror, "--vkey", KEY, "--skip-signatures")
    verdict = run(*arguments)
    assert verdict.status == 0
    assert verdict.report["statement_signatures"] == "NOT CHECKED"
    assert verdict.report["signatures_verified"] == 0
    assert "NOT CHECKED the statements' signatures" in run_text(*arguments)[1]


def test_what_is_due_by_the_own_clock_convicts_only_when_asked(
    mirror: Path, tmp_path: Path
) -> None:
    arguments = ("--offline", mirror, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    assert run(*arguments).status == 0
    verdict = run(*arguments, "--clock", "own")
    assert verdict.status == 1
    assert verdict.codes == {"due-by-own-clock"}
    assert len(verdict.entries("due-by-own-clock")) == script.FINDINGS_SHOWN
    assert verdict.report["finding_counts"]["due-by-own-clock"] > script.FINDINGS_SHOWN


def test_a_late_disclosure_is_a_warning(log: History, tmp_path: Path) -> None:
    due = min(log.still_sealed().values())
    log.now_s = max(log.now_s, due) + 2 * DAY_S
    for index, publish_by in sorted(log.still_sealed().items()):
        if publish_by <= log.now_s:
            log.disclose(index)
    mirror = log.write(tmp_path / "mirror")
    verdict = run("--offline", mirror, "--vkey", KEY)
    assert verdict.status == 0
    assert "late-disclosure" in verdict.warnings
    last = run_text("--offline", mirror, "--vkey", KEY)[1].rstrip("\n").split("\n")[-1]
    assert "every opening holds, but " in last
    assert "every deadline" not in last


@pytest.mark.parametrize(("late_s", "status"), [(0, 0), (300, 0), (301, 1)])
def test_a_record_is_overdue_after_five_minutes(tmp_path: Path, late_s: int, status: int) -> None:
    log = History()
    log.genesis()
    index = log.submit("lab-a", log.new_job())
    log.now_s += 90 * DAY_S + late_s
    log.register("add", "lab-c", "member")
    arguments = ("--vkey", KEY, "--evidence", tmp_path / "evidence")
    verdict = run("--offline", log.write(tmp_path / "mirror"), *arguments)
    assert verdict.status == status
    assert verdict.entries("overdue") == [index] * status


def test_evidence_holds_a_receipt_that_convicts_by_itself(log: History, tmp_path: Path) -> None:
    due = log.entries[log.labels["disclosure"]]["discloses"]
    log.entries[log.labels["disclosure"]]["seed"] = "A" * 43 + "="
    early = log.disclose(max(log.still_sealed()))
    evidence = tmp_path / "evidence"
    mirror = log.write(tmp_path / "mirror")
    assert run("--offline", mirror, "--vkey", KEY, "--evidence", evidence).status == 1
    # The altered disclosure, the commitment it breaks (another tile), and the early one (the last).
    for index in (log.labels["disclosure"], due, early):
        receipt = evidence / f"entry-{index}.tlog-proof"
        entry = evidence / f"entry-{index}"
        verdict = run("proof", receipt, "--entry", entry, "--vkey", KEY)
        assert verdict.status == 0, verdict.report
        assert verdict.report["index"] == index


def test_the_manifest_of_bulk_files_is_known(log: History, tmp_path: Path) -> None:
    listed = {"name": "bulk/2027-01-01-7/SHA256SUMS", "digest": {"sha256": "00" * 32}}
    log.add({"kind": "manifest", "tree_size": 7, **listed})
    verdict = run("--offline", log.write(tmp_path / "mirror"), "--vkey", KEY)
    assert verdict.status == 0
    assert "unknown-kind" not in verdict.report["warning_counts"]


def test_an_unknown_kind_is_reported_and_hashed(log: History, tmp_path: Path) -> None:
    log.add({"kind": "hearsay", "digest": {"sha256": "00" * 32}})
    verdict = run("--offline", log.write(tmp_path / "mirror"), "--vkey", KEY)
    assert verdict.status == 0
    assert verdict.report["warning_counts"]["unknown-kind"] == 1


@pytest.mark.parametrize(
    ("data", "one_spelling"),
    [
        (b'{"a":1,"b":[true,null,"x"]}', True),
        (b'{"a":"\\" \\\\ \\n \\u001f \x7f \xe2\x80\xa8 \xc3\xa9"}', True),
        (b'{"model.name":1}', True),
        (b'{"a":"},{\\"B\\":1"}', True),
        (b'{"b":1,"a":2}', False),
        (b'{"a":-0}', False),
        (b'{"a":"\\u00e9"}', False),
        (b'{"a":"\\/"}', False),
        (b'{"a":"\\ud800"}', False),
        (b'{"A":1}', False),
        (b'{"a..b":1}', False),
        (b'{"":1}', False),
        (b'{"a":1} ', False),
        (b"[" * 8 + b"]" * 8, True),
        (b"[" * 9 + b"]" * 9, False),
        (b'{"a":' * 9 + b"1" + b"}" * 9, False),
        (b'{"a":9007199254740991}', True),
    ],
)
def test_a_value_has_one_spelling(data: bytes, one_spelling: Any) -> None:
    assert script.parse_json(data)[1] is one_spelling


@pytest.mark.parametrize(
    "data", [b"1.0", b"1e3", b"NaN", b"9007199254740992", b"", b"\xef\xbb\xbf1"]
)
def test_a_value_outside_the_subset_is_not_read(data: bytes) -> None:
    with pytest.raises(script.Malformed):
        script.parse_json(data)


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_is_shown_a_bar(mirror: Path) -> None:
    terminal = Terminal()
    with redirect_stderr(terminal), redirect_stdout(io.StringIO()):
        assert script.main(["--offline", str(mirror), "--vkey", KEY]) == 0
    assert terminal.getvalue().endswith(f"[{'#' * 30}] 717/717 entries\n")


def test_what_an_author_wrote_cannot_steer_the_terminal(log: History, tmp_path: Path) -> None:
    entry = log.entries[log.labels["egress 40"]]
    entry["statement"]["author"] = "\x1b[2Jnobody"
    resign(entry)
    mirror, evidence = log.write(tmp_path / "mirror"), tmp_path / "evidence"
    status, out, _ = run_text("--offline", mirror, "--vkey", KEY, "--evidence", evidence)
    assert status == 1
    assert "?[2Jnobody" in out
    assert "\x1b" not in out


def test_an_unknown_schema_is_reported_and_its_author_still_judged(
    log: History, tmp_path: Path
) -> None:
    log.register("add", "lab-d", "member")
    entry = log.entries[-1]
    entry["statement"]["schema"] = "registry/2"
    resign(entry)
    index = log.egress(log.entries[log.labels["ended 40"]]["statement"]["job_id"])
    entry = log.entries[index]
    entry["statement"]["schema"] = "job-egress/2"
    entry["statement"]["author"] = "lab-a"
    resign(entry)
    mirror, evidence = log.write(tmp_path / "mirror"), tmp_path / "evidence"
    verdict = run("--offline", mirror, "--vkey", KEY, "--evidence", evidence)
    assert verdict.report["warning_counts"]["unknown-schema"] == 2
    assert verdict.codes == {"wrong-role"}


def test_the_script_imports_nothing_of_ours() -> None:
    text = SCRIPT.read_text()
    assert "import ledger" not in text
    assert "from ledger" not in text
    assert "from schemas" not in text

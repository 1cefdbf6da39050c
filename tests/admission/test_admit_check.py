"""``ledger admit-check`` as the hook of a scheduler runs it."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from admission_world import DECIDED, JOB, LOG, OTHER_JOB, WITNESSES, Paper, paper, policy_text

from ledger.__main__ import run
from ledger.admission.receipt import MAX_RECEIPT_BYTES
from ledger.cli import admitting
from ledger.records.charter import Code

Ask = Callable[..., tuple[int, str, str]]
ADMITTED = (
    f"admitted: job {JOB} of deepseek, eval_suite, 8 GPUs, wall limit 7200 s,"
    " starts before 2026-11-25T11:06:40Z\n"
)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run the command on a receipt, an hour after the decision: status, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(admitting, "system_clock", lambda: DECIDED + 3_600)
    (tmp_path / "policy").write_text(policy_text())

    def ask(made: Paper | bytes, *more: object, gpus: object = 8) -> tuple[int, str, str]:
        text = made.receipt() if isinstance(made, Paper) else made
        (tmp_path / "receipt").write_bytes(text)
        given = ("admit-check", "receipt", "--policy", "policy", "--gpus", gpus, *more)
        capfd.readouterr()
        status = run([str(each) for each in given])
        said = capfd.readouterr()
        assert "Traceback" not in said.out + said.err
        return status, said.out, said.err

    return ask


def test_a_run_that_was_admitted_may_start_and_one_line_says_what_it_is(ask: Ask) -> None:
    assert ask(paper()) == (0, ADMITTED, "")
    more = ("--job", JOB, "--workload", "eval_suite", "--wall-seconds", 7_200)
    assert ask(paper(), *more, gpus=1) == (0, ADMITTED, "")


def test_scripts_get_json(ask: Ask) -> None:
    status, out, err = ask(paper(), "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "verdict": "admitted",
        "job_id": JOB,
        "author": "deepseek",
        "workload_type": "eval_suite",
        "gpu_count": 8,
        "wall_limit_seconds": 7_200,
        "egress_ceiling_bytes": 1_000_000,
        "submitted_index": 3,
        "admitted_index": 4,
        "decided_at": "2026-11-18T11:06:40Z",
        "expires_at": "2026-11-25T11:06:40Z",
    }


def test_a_refused_run_is_told_the_code_and_the_reason_in_one_line(ask: Ask) -> None:
    said = f"ledger: refused: Q_quota: The run asks for 9 GPUs; job {JOB} was admitted with 8.\n"
    assert ask(paper(), gpus=9) == (1, "", said)
    status, out, err = ask(paper(), "--json", gpus=9)
    assert (status, err) == (1, "")
    assert json.loads(out) == {
        "verdict": "refused",
        "code": "Q_quota",
        "finding": f"The run asks for 9 GPUs; job {JOB} was admitted with 8.",
    }


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (paper(code=Code.R1_FORBIDDEN_WORKLOAD), "R1_forbidden_workload"),
        (paper().but(witnesses=WITNESSES[:1]), "R3_missing_record"),
        (b"", "Q_malformed"),
        (b"x" * (MAX_RECEIPT_BYTES + 1), "Q_malformed"),
    ],
)
def test_what_is_no_receipt_of_an_admission_starts_nothing(
    ask: Ask, made: Paper | bytes, code: str
) -> None:
    status, out, err = ask(made)
    assert (status, out) == (1, "")
    assert err.startswith(f"ledger: refused: {code}: ")
    assert err.count("\n") == 1


def test_another_job_class_of_work_or_time_is_refused(ask: Ask) -> None:
    for more in (("--job", OTHER_JOB), ("--workload", "lora"), ("--wall-seconds", 7_201)):
        assert ask(paper(), *more)[0] == 1
    assert ask(paper(), "--valid-hours", 1)[0] == 1


def test_a_receipt_starts_one_run_which_may_be_started_again(ask: Ask) -> None:
    def use(name: str) -> int:
        return ask(paper(), "--register", "used.db", "--run", name)[0]

    assert (use("slurm-1"), use("slurm-2"), use("slurm-1")) == (0, 1, 0)
    assert "slurm-1 already" in ask(paper(), "--register", "used.db", "--run", "slurm-2")[2]


def test_a_run_that_is_refused_does_not_use_its_receipt_up(ask: Ask) -> None:
    assert ask(paper(), "--register", "used.db", "--run", "slurm-1", gpus=9)[0] == 1
    assert not Path("used.db").exists()
    assert ask(paper(), "--register", "used.db", "--run", "slurm-2")[0] == 0


def test_a_register_that_cannot_be_written_starts_nothing(ask: Ask) -> None:
    status, out, err = ask(paper(), "--register", "no/such/folder.db", "--run", "slurm-1")
    assert (status, out) == (1, "")
    assert "R3_missing_record: The register of used receipts" in err


@pytest.mark.parametrize("count", ["0", "-1", "+8", "08", "8.0", "1_0", " 8", "\u0668", "", "1e1"])
def test_a_number_of_gpus_in_any_other_spelling_is_wrong_usage(ask: Ask, count: str) -> None:
    status, out, err = ask(paper(), gpus=count)
    assert (status, out) == (2, "")
    assert "--gpus" in err


@pytest.mark.parametrize(
    "more",
    [
        ("--run", "slurm-1"),
        ("--register", "used.db"),
        ("--job", "1"),
        ("--valid-hours", "0"),
        ("--policy", "missing"),
        ("--policy", "receipt"),
    ],
)
def test_wrong_usage_and_bad_files_are_no_verdict(ask: Ask, more: tuple[str, ...]) -> None:
    status, out, err = ask(paper(), *more)
    assert (status, out) == (2, "")
    assert err.startswith("ledger: ")


def test_a_receipt_that_is_not_there_is_no_verdict(ask: Ask) -> None:
    assert ask(paper())[0] == 0
    Path("receipt").unlink()
    Path("receipt").mkdir()
    assert run(["admit-check", "receipt", "--policy", "policy", "--gpus", "8"]) == 2
    assert run(["admit-check", "gone", "--policy", "policy", "--gpus", "8"]) == 2


def test_verify_proof_holds_the_submission_against_the_admission_too(ask: Ask) -> None:
    made = paper()
    assert ask(made)[0] == 0
    given = ["verify-proof", "receipt", "--policy", "policy"]
    assert run(given) == 0
    swapped = made.but(submission=made.leaves[5], submitted_index=5)
    assert ask(swapped)[0] == 1
    assert run(given) == 1
    Path("receipt").write_bytes(made.receipt())
    assert run(["verify-proof", "receipt", "--vkey", LOG.vkey]) == 0


def test_a_receipt_may_come_by_standard_input(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(paper().receipt())))
    assert ask(paper())[0] == 0
    assert run(["admit-check", "-", "--policy", "policy", "--gpus", "8"]) == 0
    assert capfd.readouterr().out == ADMITTED

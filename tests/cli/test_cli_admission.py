"""A submitter's way on the command line: ask, submit, fetch the receipt, have it checked."""

import json
from pathlib import Path
from urllib.request import urlopen

import pytest
from cli_world import CANARY, SUBMISSION, Shell

from ledger.settings import load_settings

JOB = "01JD9Z0000000000000000000A"
OTHER = "01JD9Z0000000000000000000B"
CHECK = ("admit-check", "job.receipt", "--policy", "policy", "--gpus")


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """A working folder with the files of one admissible job and of one that is not."""
    text = SUBMISSION.replace('kind = "submitted"', f'kind = "submitted"\njob_id = "{JOB}"')
    shell.write("job.toml", text)
    shell.write("bad.toml", text.replace("eval_suite", "lora").replace(JOB, OTHER))
    return shell


def _policy(shell: Shell) -> Path:
    """A policy that believes this ledger alone."""
    with urlopen(f"{load_settings().public_url}/log/vkey", timeout=120) as answer:
        return shell.write("policy", f"log {answer.read().decode()}quorum none\n")


def test_from_a_question_to_the_start_of_a_run(served: Shell) -> None:
    shell = served
    _policy(shell)
    assert "would be admitted by the charter at 0, in force from 20" in shell.ok(
        "check", "job.toml"
    )
    assert "size:          1\n" in shell.ok("status"), "nothing is logged by asking"
    shell.ok("submit", "job.toml", "--key", shell.author("deepseek"))
    given = ("--policy", "policy", "--out", "job.receipt")
    assert shell.ok("receipt", JOB, "--admission", *given) == "entry 2 is proved by job.receipt\n"
    assert f"admitted: job {JOB} of deepseek, eval_suite, 8 GPUs" in shell.ok(*CHECK, 8)
    once = ("--register", "used.db", "--run")
    shell.ok(*CHECK, 8, *once, "slurm-1")
    assert shell(*CHECK, 8, *once, "slurm-2").status == 1
    assert shell(*CHECK, 9).status == 1
    shell("receipt", JOB, "--admission", *given).refused("never overwritten")
    text = shell.ok("receipt", JOB, "--admission", "--out", "-")
    assert text.startswith("c2sp.org/tlog-proof@v1\n")

    # The receipt of the submission is fetched in the same way, and starts nothing.
    assert shell.ok("receipt", JOB) == f"entry 1 is proved by {JOB}.tlog-proof\n"
    assert f"job: {JOB}\n" in shell.ok("verify-proof", f"{JOB}.tlog-proof")
    Path("job.receipt").write_bytes(Path(f"{JOB}.tlog-proof").read_bytes())
    refused = shell(*CHECK, 8)
    assert refused.status == 1
    assert refused.err.startswith("ledger: refused: Q_malformed: ")


def test_a_submission_that_would_be_rejected_is_told_every_finding(served: Shell) -> None:
    shell = served
    said = shell("check", "bad.toml")
    assert (said.status, said.err) == (1, "")
    first, second, _ = said.out.split("\n")
    assert first.startswith("would be rejected by the charter at 0, ")
    assert second.startswith("  R1_forbidden_workload: ")
    said = shell("check", "bad.toml", "--json", "--author", "qwen")
    assert (said.status, json.loads(said.out)["verdict"]) == (1, "rejected")
    assert CANARY not in said.out
    shell("check", "job.toml", "--author", "nobody").refused("HTTP 403: nobody is no member")
    shell.ok("submit", "bad.toml", "--key", shell.author("deepseek"))
    shell("receipt", OTHER, "--admission").refused("HTTP 404: .*rejected .R1_forbidden_workload")
    assert not Path(f"{OTHER}.admission.tlog-proof").exists()


def test_what_is_no_submission_is_refused_before_anything_is_sent(shell: Shell) -> None:
    nowhere = ("--url", "http://127.0.0.1:9", "--give-up-after", 0)
    shell.write("end.toml", SUBMISSION.replace("job-submitted/1", "job-ended/1"))
    shell("check", "end.toml", *nowhere).refused("end.toml: schema: ")
    shell.write("few.toml", SUBMISSION.replace("gpu_count = 8", "gpu_count = 0"))
    shell("check", "few.toml", *nowhere).refused("few.toml: public.gpu_count: ")
    shell("check", "job.toml", *nowhere).refused("cannot be reached")
    shell("receipt", "nonsense").refused("not the number of a job")
    both = ("--vkey", "x", "--policy", "y")
    shell("receipt", JOB, *both).refused("give one of the two")

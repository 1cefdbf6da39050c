"""A real Slurm, with our hooks in it, beside a ledger that is served."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from slurm_world import LedgerWorld, _slurm, eventually, served

Cluster = _slurm.Cluster

# Each worker that gets one of these tests starts a ledger and a Slurm of its own.
pytestmark = pytest.mark.timeout(900)


@dataclass
class Site:
    """The two together."""

    ledger: LedgerWorld
    slurm: "Cluster"

    def sbatch(self, *options: str, script: str = "true") -> tuple[int, str]:
        """Submit; the exit status and what the user sees."""
        done = self.slurm.run("sbatch", "--output=/dev/null", *options, f"--wrap={script}")
        return done.returncode, done.stdout + done.stderr

    def submitted(self, *options: str, script: str = "true") -> str:
        """Submit what Slurm takes; its number."""
        status, said = self.sbatch(*options, script=script)
        assert status == 0, said
        [number] = re.findall(r"Submitted batch job ([0-9]+)", said)
        return str(number)

    def options(self, job: str, *, gpus: int = 2, minutes: int = 5) -> list[str]:
        """What a member says of an admitted job."""
        return [f"--comment=apsci:{job}", "--wckey=eval_suite", f"--gres=gpu:h200:{gpus}",
                f"--time={minutes}", "--account=lab-one"]  # fmt: skip

    def show(self, number: str) -> str:
        """What a user sees of a job."""
        return self.slurm.run("scontrol", "show", "job", number).stdout

    def eventually_shows(self, number: str, text: str) -> str:
        """The same, once it holds ``text``."""
        return eventually(
            lambda: shown if text in (shown := self.show(number)) else "", f"{text}: {number}"
        )

    def eventually_logged(self, job: str, *kinds: str) -> None:
        """Return once these are the job's entries."""
        eventually(lambda: self.ledger.kinds(job) == list(kinds), f"{kinds} of {job}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("slurm")
    with served(folder) as ledger:
        hooks = folder / "hooks"
        made = ledger.ledger(
            "slurm", "install", str(hooks), str(ledger.site), "--program", str(ledger.program)
        )
        assert made.returncode == 0, made.stderr
        lines = [each for each in made.stdout.splitlines() if not each.startswith("#")]
        script = (hooks / "job_submit.lua").read_text("utf-8")
        # A busy machine is no reason to refuse: MessageTimeout is as long here.
        submit = {"job_submit.lua": script.replace("LIMIT_S = 8 ", "LIMIT_S = 95 ")}
        assert submit["job_submit.lua"] != script
        with _slurm.started(lines, submit) as slurm:
            ledger.write_site(conf=str(slurm.conf))
            yield Site(ledger, slurm)


def test_an_admitted_job_runs_and_its_start_and_end_are_in_the_log(site: Site) -> None:
    job = site.ledger.admitted()
    number = site.submitted(*site.options(job))
    site.eventually_shows(number, "JobState=COMPLETED")
    site.eventually_logged(job, "submitted", "admitted", "started", "completed")
    started, ended = site.ledger.entries()[-2:]
    assert started["statement"]["public"]["gpu_count"] == 2
    public = ended["statement"]["public"]
    assert public["exit_status"] == "completed"
    assert public["started_at"] == started["statement"]["public"]["started_at"]
    assert public["gpu_seconds"] == 2 * public["wall_seconds"] == public["h200e_seconds"]
    assert public["weights_check"] == "oms_root"

    status, said = site.sbatch(*site.options(job))
    assert status != 0
    assert (
        f"R3_missing_record: The receipt of job {job} has started the run apsci:{number}:" in said
    )


def test_what_the_log_has_not_admitted_is_refused_at_sbatch_and_the_refusal_logged(
    site: Site,
) -> None:
    job = site.ledger.admitted()
    other = "01JD9Z0000000000000000000B"
    good = site.options(job)

    def refused(*patterns: str, options: list[str]) -> None:
        status, said = site.sbatch(*options)
        assert status != 0, said
        assert "Submitted" not in said
        for pattern in patterns:
            assert re.search(f"sbatch: error: apsci: .*{pattern}", said), said

    refused("R3_missing_record: a job with GPUs needs --comment", options=good[1:])
    refused("R3_missing_record: The ledger gives no admission", options=site.options(other))
    refused(
        "Q_quota: The run asks for 3 GPUs; .* admitted with 2", options=site.options(job, gpus=3)
    )
    refused("Q_quota: The run asks for 660 seconds", options=site.options(job, minutes=11))
    refused("Q_quota: a job with GPUs needs a time limit", options=good[:3])
    refused(
        "R3_missing_record.*'linear_probe'", options=[good[0], "--wckey=linear_probe", *good[2:]]
    )
    refused("R3_missing_record: a job with GPUs needs", options=[good[0], *good[2:]])
    refused(
        "R3_missing_record: .*account is mistral's, .* is deepseek's",
        options=[*good, "--account=lab_2"],
    )
    for account in ("lab-three", f"lab-one'; touch {site.ledger.folder}/owned; '"):
        refused(
            "R3_missing_record: .*account is no member's", options=[*good, f"--account={account}"]
        )
    refused("R3_missing_record: .*account is no member's", options=good[:4])
    refused("Q_malformed: the tasks of an array", options=[*good, "--array=1-2"])
    refused(
        "Q_quota: The run asks for 8", options=[*good[:2], "--gpus-per-task=2", "-n4", *good[3:]]
    )
    shell = f"--comment=apsci:{job}'; touch {site.ledger.folder}/owned; '"
    refused("R3_missing_record: a job with GPUs needs", options=[shell, *good[1:]])
    assert not (site.ledger.folder / "owned").exists()
    for command in ("srun", "salloc"):
        done = site.slurm.run(command, "--gpus=1", "--time=5", "true")
        assert done.returncode != 0
        assert f"{command}: error: apsci: R3_missing_record: a job with GPUs needs" in done.stderr

    assert site.ledger.kinds(job) == ["submitted", "admitted"]
    assert site.ledger.ledger("slurm", "send", str(site.ledger.site)).returncode == 0
    mine = [each["public"] for each in site.ledger.refused() if each.get("job_id") == job]
    said = "The run asks for more GPUs or time than were admitted."
    quota = {"code": "Q_quota", "finding": said, "member": "deepseek", "system": "slurm"}
    assert [each for each in mine if each["code"] == "Q_quota"] == [
        quota | {"gpu_count": 3},
        quota | {"gpu_count": 2},
        quota | {"gpu_count": 8},
    ]
    assert [each["code"] for each in mine if each["code"] != "Q_quota"] == ["R3_missing_record"]


def test_nothing_is_taken_where_receipt_policy_or_program_cannot_be_had(site: Site) -> None:
    job = site.ledger.admitted()
    policy = site.ledger.folder / "policy"
    believed = policy.read_text()

    def refused(pattern: str) -> None:
        status, said = site.sbatch(*site.options(job))
        assert status != 0, said
        assert re.search(f"sbatch: error: apsci: .*{pattern}", said), said

    site.ledger.write_site(conf=str(site.slurm.conf), away=True)
    refused(f"there is no receipt of job {job} here, and the ledger cannot be asked")
    site.ledger.write_site(conf=str(site.slurm.conf))
    policy.write_text("quorum none\n", "utf-8")
    refused("policy")
    policy.write_text(believed, "utf-8")
    program = site.ledger.program
    program.rename(program.with_name("away"))
    refused("ledger: No such file|No such file or directory|failed to run command")
    program.with_name("away").rename(program)
    assert site.ledger.kinds(job) == ["submitted", "admitted"]


def test_what_a_job_has_become_while_it_waited_is_checked_before_it_starts(site: Site) -> None:
    job = site.ledger.admitted()
    number = site.submitted("--hold", *site.options(job))
    site.slurm.run("scontrol", "update", f"JobId={number}", "Gres=gpu:h200:5")
    site.slurm.run("scontrol", "release", number)
    shown = site.eventually_shows(number, "AdminComment=apsci: Q_quota")
    assert f"The run asks for 5 GPUs; job {job} was admitted with 2" in shown
    site.eventually_shows(number, "JobState=PENDING Reason=JobHeldUser")
    eventually(lambda: site.ledger.kinds(job)[2:] == ["refused"], "the refusal is logged")
    assert site.ledger.refused()[-1]["public"]["gpu_count"] == 5
    site.slurm.run("scancel", number)


def test_a_job_without_gpus_is_nobodys_business_and_one_that_takes_the_node_is(site: Site) -> None:
    number = site.submitted("--time=5")
    site.eventually_shows(number, "JobState=COMPLETED")
    taken = site.submitted("--exclusive", "--time=5")
    site.eventually_shows(taken, "AdminComment=apsci: R3_missing_record")
    site.slurm.run("scancel", taken)


def test_a_cancelled_run_and_an_interrupted_one_are_told_apart(site: Site) -> None:
    job = site.ledger.admitted()
    number = site.submitted(*site.options(job), script="sleep 600")
    site.eventually_shows(number, "JobState=RUNNING")
    assert site.slurm.run("scontrol", "requeue", number).returncode == 0
    first = ("submitted", "admitted", "started", "interrupted")
    site.eventually_logged(job, *first)
    site.eventually_shows(number, "JobState=PENDING")

    def started_again() -> bool:
        # Slurm puts a requeued job off by two minutes.
        site.slurm.run("scontrol", "update", f"JobId={number}", "StartTime=now")
        return site.ledger.kinds(job) == [*first, "started"]

    eventually(started_again, "it starts again")
    site.eventually_shows(number, "JobState=RUNNING")
    site.slurm.run("scancel", number)
    site.eventually_logged(job, *first, "started", "cancelled")

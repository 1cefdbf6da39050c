"""The scripts as Slurm runs them, in the environment that Slurm 22.05 was seen to give them.

Beside a ledger that is served; in place of Slurm's own commands stand two that print what the real
ones printed, and write down what they were asked.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admission_world import policy_text
from slurm_world import PATIENCE_S, LedgerWorld, _slurm, served
from test_slurm_jobs import FIXTURES, QUEUE, ULID

from ledger.cli.slurm_desk import open_desk
from ledger.errors import LedgerError
from ledger.records.deadline import format_time

SCRIPTS = ("prolog.sh", "ended.sh", "node_prolog.sh")


class Hooks:
    """The installed scripts, and a controller that answers from a file."""

    def __init__(self, ledger: LedgerWorld) -> None:
        self.ledger = ledger
        self.folder = ledger.folder / "hooks"
        self.bin = ledger.folder / "bin"
        self.asked = ledger.folder / "asked"
        self.queue = ledger.folder / "queue.json"
        self.bin.mkdir()
        ledger.slurm_bin = str(self.bin)
        ledger.write_site()
        for name, last in (("squeue", f"cat '{self.queue}'"), ("scontrol", "exit 0")):
            program = self.bin / name
            program.write_text(
                f'#!/bin/sh\nprintf "%s|" {name} "$@" >>\'{self.asked}\'\n'
                f"echo >>'{self.asked}'\n{last}\n"
            )
            program.chmod(0o755)
        made = ledger.ledger(
            "slurm", "install", str(self.folder), str(ledger.site), "--program", str(ledger.program)
        )
        assert made.returncode == 0, made.stderr
        self.lines = made.stdout.splitlines()

    def run(self, script: str, recorded: str, **changed: str) -> tuple[int, str]:
        """A script with a recorded environment; its status and what it said."""
        lines = (FIXTURES / recorded).read_text("utf-8").splitlines()
        environment = dict(each.partition("=")[::2] for each in lines) | changed
        done = subprocess.run(
            [str(self.folder / script)],
            env=environment, cwd=self.ledger.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=2 * PATIENCE_S,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def start(self, number: int = 1) -> tuple[int, str]:
        return self.run("prolog.sh", "prolog_slurmctld_22_05.env", SLURM_JOB_ID=str(number))

    def end(self, state: str, number: int = 1, **times: str) -> tuple[int, str]:
        changed = {"JOBSTATE": state, "JOBID": str(number)} | times
        return self.run("ended.sh", "jobcomp_22_05.env", **changed)

    def send(self) -> tuple[int, str]:
        done = self.ledger.ledger("slurm", "send", str(self.ledger.site))
        return done.returncode, done.stdout + done.stderr

    def given(self, job: str, *, number: int = 1, gpus: int = 2, **changed: object) -> None:
        """Have the controller show this Slurm job as the run of a job in the ledger."""
        text = QUEUE.decode().replace(ULID, job).replace("gpu:h200:2(", f"gpu:h200:{gpus}(")
        printed = json.loads(text)
        record = next(each for each in printed["jobs"] if each["job_id"] == 1)
        record.update({"account": "lab-one"} | changed, job_id=number)
        self.queue.write_text(json.dumps({"jobs": [record]}, separators=(",", ":")))


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    with served(tmp_path_factory.mktemp("hooks")) as ledger:
        yield Hooks(ledger)


def test_a_run_starts_once_its_start_is_logged_and_never_before(hooks: Hooks) -> None:
    job = hooks.ledger.admitted()
    hooks.given(job, gpus=3)
    status, said = hooks.start()
    assert (status, "refused: Q_quota: The run asks for 3 GPUs" in said) == (1, True)
    asked = hooks.asked.read_text()
    assert "scontrol|uhold|1|" in asked
    assert "scontrol|update|JobId=1|AdminComment=apsci: Q_quota: The run asks for 3 GPUs" in asked
    assert hooks.ledger.kinds(job) == ["submitted", "admitted", "refused"]

    hooks.given(job, account="lab_2")
    status, said = hooks.start()
    assert (status, "account is mistral's, and the receipt" in said) == (1, True)
    hooks.given(job, account="")
    status, said = hooks.start()
    assert (status, "account is no member's" in said) == (1, True)

    hooks.given(job)
    hooks.ledger.write_site(away=True)
    status, said = hooks.start()
    assert (status, "the ledger has not logged the start" in said) == (2, True)
    hooks.ledger.write_site()
    assert hooks.end("PENDING") == (0, "")
    assert hooks.start() == (0, "")
    told = ["submitted", "admitted", "refused", "refused", "started"]
    assert hooks.ledger.kinds(job) == told
    assert hooks.send() == (0, "")
    assert hooks.ledger.kinds(job) == told
    hooks.queue.write_text(hooks.queue.read_text().replace('"CONFIGURING"', '"COMPLETED"'))
    assert hooks.send() == (0, "")
    assert hooks.end("COMPLETED") == (0, "")
    assert hooks.ledger.kinds(job) == [*told, "completed"]


def test_a_run_whose_last_end_nobody_told_does_not_start_again_before_it_is_in_the_log(
    hooks: Hooks,
) -> None:
    job, number = hooks.ledger.admitted(), 7
    begun = int(time.time())  # not before the decision
    hooks.given(job, number=number, submit_time=begun, start_time=begun)
    assert hooks.start(number) == (0, "")
    told = ["submitted", "admitted", "started"]
    assert hooks.ledger.kinds(job) == told

    def requeued(times: int, state: str) -> dict[str, object]:
        at = begun + 6 * times
        shown = {"submit_time": at, "restart_cnt": times, "job_state": state}
        return shown | {"start_time": at + 3 if state == "CONFIGURING" else 0}

    # jobcomp/script said nothing, and the ledger is away.
    hooks.given(job, number=number, **requeued(1, "CONFIGURING"))
    hooks.ledger.write_site(away=True)
    status, said = hooks.start(number)
    assert (status, "its last end is not told yet" in said) == (2, True)
    assert f"scontrol|uhold|{number}|" not in hooks.asked.read_text()
    late = {"START": str(begun + 9), "END": str(begun + 10)}
    hooks.end("PENDING", number, **late)
    status, said = hooks.start(number)
    assert (status, "the ledger has not logged the start" in said) == (2, True)
    hooks.ledger.write_site()
    assert hooks.ledger.kinds(job) == told
    assert hooks.start(number) == (0, "")
    told += ["interrupted", "started"]
    assert hooks.ledger.kinds(job) == told
    [over] = [each for each in hooks.ledger.entries() if _is(each, "interrupted", job)]
    assert over["statement"]["public"]["ended_at"] == format_time(begun + 6)

    # The same once more, and the timer is faster than the next start.
    hooks.given(job, number=number, **requeued(2, "PENDING"))
    assert hooks.send() == (0, "")
    told += ["interrupted"]
    assert hooks.ledger.kinds(job) == told
    assert hooks.send() == (0, "")
    hooks.given(job, number=number, **requeued(2, "CONFIGURING"))
    assert hooks.start(number) == (0, "")
    told += ["started"]
    # What jobcomp/script says late of the period before is not taken for the end of this one.
    early = {"START": str(begun + 9), "END": str(begun + 12)}
    assert hooks.end("PENDING", number, **early) == (0, "")
    assert hooks.ledger.kinds(job) == told
    last = {"START": str(begun + 15), "END": str(begun + 16)}
    assert hooks.end("COMPLETED", number, **last) == (0, "")
    assert hooks.ledger.kinds(job) == [*told, "completed"]
    ended = hooks.ledger.entries()[-1]["statement"]["public"]
    assert ended["wall_seconds"] == 6 + 3 + 1


def _is(entry: dict[str, Any], kind: str, job: str) -> bool:
    return entry["kind"] == kind and entry["statement"].get("job_id") == job


def test_no_controller_no_start(hooks: Hooks) -> None:
    hooks.queue.write_text('{"jobs": []}')
    status, said = hooks.start()
    assert (status, "it does not start" in said) == (2, True)
    status, said = hooks.run("prolog.sh", "prolog_slurmctld_22_05.env", SLURM_JOB_ID="1; id")
    assert (status, "not the number of a Slurm job" in said) == (2, True)


def test_a_clusters_file_that_leads_astray_stops_every_hook(hooks: Hooks) -> None:
    text = hooks.ledger.site.read_text()
    state, odd = hooks.ledger.folder / "state", hooks.ledger.folder / "odd.toml"

    def refused(changed: str, pattern: str) -> None:
        assert changed != text or state.stat().st_mode & 0o020
        odd.write_text(changed)
        with pytest.raises(LedgerError, match=pattern):
            open_desk(odd)

    assert open_desk(hooks.ledger.site, longest_s=3).give_up_after_s == 3
    refused(text.replace("weights_unchanged = true\n", ""), "no end of a run can be reported")
    refused(text.replace("milli_h200", "milli_h100"), "usage")
    looked = text.replace("oms_root", "readonly_mount")
    refused(looked, "models is empty")
    odd.write_text('models = ["/models"]\n' + looked)
    assert open_desk(odd).site.models == ("/models",)
    refused(text.replace("/policy", "/data/keys/authors/orchestrator.key"), "orchestrator.key")
    refused(text.replace("orchestrator.key", "nobody.key"), "nobody.key")
    other = hooks.ledger.folder / "other"
    other.write_text(policy_text())
    refused(text.replace("/policy", "/other"), "is not in policy")
    state.chmod(0o770)
    refused(text, "its owner alone can write")
    state.chmod(0o700)
    assert open_desk(hooks.ledger.site).site.cluster == "apsci"


def test_the_installed_scripts_are_whole_and_slurm_conf_is_told_of_them(hooks: Hooks) -> None:
    for name in SCRIPTS:
        script = hooks.folder / name
        assert os.access(script, os.X_OK)
        assert subprocess.run(["/bin/sh", "-n", str(script)], check=False).returncode == 0
    for name in (*SCRIPTS, "job_submit.lua"):
        assert "@" not in (hooks.folder / name).read_text("utf-8")
    assert f"PrologSlurmctld={hooks.folder}/prolog.sh" in hooks.lines
    again = hooks.ledger.ledger("slurm", "install", str(hooks.folder), str(hooks.ledger.site))
    assert again.returncode == 2
    odd = hooks.ledger.ledger("slurm", "install", "/tmp/a'b", str(hooks.ledger.site))
    assert (odd.returncode, "only letters" in odd.stderr) == (2, True)


@pytest.mark.parametrize(
    ("mounts", "status", "said"),
    [
        ("ro,relatime", 0, ""),
        ("ro,nosuid\nro", 0, ""),
        ("rw,relatime", 1, "/models can be written"),
        ("ro,relatime\nrw,relatime", 1, "/models can be written"),
        (None, 1, "nothing is mounted at /models"),
    ],
)
def test_a_node_on_which_a_model_could_be_written_starts_nothing(
    tmp_path: Path, mounts: str | None, status: int, said: str
) -> None:
    text = (Path(_slurm.__file__).parents[1] / "ledger/admission/slurm/node_prolog.sh").read_text()
    findmnt = tmp_path / "findmnt"
    findmnt.write_text("#!/bin/sh\nexit 1\n" if mounts is None else f"#!/bin/sh\necho '{mounts}'\n")
    findmnt.chmod(0o755)
    script = tmp_path / "node_prolog.sh"
    script.write_text(text.replace("@MODELS@", "/models").replace("PATH=", f"PATH={tmp_path}:"))
    done = subprocess.run(["/bin/sh", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert said in done.stderr

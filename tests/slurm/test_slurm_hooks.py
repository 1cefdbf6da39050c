"""The scripts as Slurm runs them, in the environment that Slurm 22.05 was seen to give them.

Beside a ledger that is served; in place of Slurm's own commands stand two that print what the real
ones printed, and write down what they were asked.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from admission_world import policy_text
from slurm_world import LedgerWorld, _slurm, served
from test_slurm_jobs import FIXTURES, QUEUE, ULID

from ledger.cli.slurm_desk import open_desk
from ledger.errors import LedgerError

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
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def start(self) -> tuple[int, str]:
        return self.run("prolog.sh", "prolog_slurmctld_22_05.env")

    def end(self, state: str) -> tuple[int, str]:
        return self.run("ended.sh", "jobcomp_22_05.env", JOBSTATE=state)

    def send(self) -> tuple[int, str]:
        done = self.ledger.ledger("slurm", "send", str(self.ledger.site))
        return done.returncode, done.stdout + done.stderr

    def given(self, job: str, *, gpus: int = 2) -> None:
        """Have the controller show job 1 as the run of a job in the ledger."""
        text = QUEUE.decode().replace(ULID, job).replace("gpu:h200:2(", f"gpu:h200:{gpus}(")
        self.queue.write_text(text)


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

    hooks.given(job)
    hooks.ledger.write_site(away=True)
    status, said = hooks.start()
    assert (status, "the ledger has not logged the start" in said) == (2, True)
    hooks.ledger.write_site()
    assert hooks.end("PENDING") == (0, "")
    assert hooks.start() == (0, "")
    told = ["submitted", "admitted", "refused", "started"]
    assert hooks.ledger.kinds(job) == told
    assert hooks.send() == (0, "")
    assert hooks.ledger.kinds(job) == told
    hooks.queue.write_text(hooks.queue.read_text().replace('"CONFIGURING"', '"COMPLETED"'))
    assert hooks.send() == (0, "")
    assert hooks.end("COMPLETED") == (0, "")
    assert hooks.ledger.kinds(job) == [*told, "completed"]


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

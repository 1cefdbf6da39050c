"""Gets Slurm for the tests of tests/slurm, and starts one: controller, one node, munge, no root.

For scripts/test, which calls ``prepare()`` inside ``.venv``: it takes an installed Slurm, else
Debian's packages, where this process may install them. A Slurm counts only once a node of it was
idle. Where there is none, ``prepare()`` says why, and the tests that need it are left out by that
name; those that hold the hooks to what a real Slurm said always run.

``started()`` is the cluster: all of it in one folder, on loopback, and gone when the block is left.
Standard library only; every step has a time limit.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MISSING = "SLURM_MISSING"
"""The variable that tells the tests why there is no Slurm."""
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scontrol", "sinfo")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PLACES = os.pathsep.join(("/usr/sbin", "/usr/bin", "/sbin", "/bin"))
SERVICES = {"slurmctld": "slurmctld", "slurmd": "slurmd", "munged": "munge"}
"""The services that the packages bring, by their programs."""
INIT = Path("/run/systemd/system")
"""It is there where systemd runs."""
INSTALL_S = 180.0
APT_STOP_S = 60.0
COMMAND_S = 200.0
IDLE_S = 120.0
STOP_S = 20.0
GPUS = 8


class SlurmMissing(Exception):
    """There is no Slurm that runs here; the message says why."""


def prepare() -> "str | None":
    """Get a Slurm that works here; None once it does, else why there is none."""
    try:
        if absent():
            _install()
        with started():
            return None
    except (SlurmMissing, OSError, ValueError, subprocess.SubprocessError) as missing:
        return f"the tests that need a real Slurm are left out: {missing}"


def absent() -> "list[str]":
    """The programs that are not installed."""
    return [name for name in PROGRAMS if _path(name) is None]


class Cluster:
    """A Slurm that runs. Its ``slurm.conf`` is in ``folder``, and can be changed and read again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self, *command: str, cwd: "Path | None" = None) -> "subprocess.CompletedProcess[str]":
        """A command of Slurm, and what it said."""
        return subprocess.run(
            [_path(command[0]) or command[0], *command[1:]],
            cwd=cwd or self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def environment(self) -> "dict[str, str]":
        """What Slurm's commands need to find this cluster."""
        return {"PATH": PLACES, "SLURM_CONF": str(self.conf), "LC_ALL": "C.UTF-8"}

    def spawn(self, *command: str) -> None:
        """Start one of its daemons."""
        log = self.folder / "log" / command[0]
        with log.open("wb") as output:
            daemon = subprocess.Popen(
                [_path(command[0]) or command[0], *command[1:]],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(daemon)

    def await_idle(self) -> None:
        """Return once the node takes jobs. Raises SlurmMissing where it does not in time."""
        until = time.monotonic() + IDLE_S
        said = ""
        while time.monotonic() < until and all(each.poll() is None for each in self._running):
            asked = self.run("sinfo", "--noheader", "--format=%T")
            said = asked.stdout.strip() or asked.stderr.strip()
            if said == "idle":
                return
            time.sleep(0.1)
        logs = [self._last_line(each) for each in sorted((self.folder / "log").iterdir())]
        raise SlurmMissing(" / ".join([f"its node is not idle: {said[-200:]}", *logs]))

    def stop(self) -> None:
        """End all of it, the steps of jobs that still run too."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.run("scancel", "--state=PENDING")
            self.run("scancel", "--state=RUNNING")
        self._await_steps()
        for each in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGTERM)
            try:
                each.wait(STOP_S)
            except subprocess.TimeoutExpired:
                pass
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(each.pid, signal.SIGKILL)
                each.wait()
        for step in self._await_steps():
            with contextlib.suppress(ProcessLookupError):
                os.kill(step, signal.SIGKILL)

    def _await_steps(self) -> "list[int]":
        """Wait for the end of this cluster's slurmstepd; the processes that are left in the end."""
        until = time.monotonic() + STOP_S
        while (left := self._steps()) and time.monotonic() < until:
            time.sleep(0.1)
        return left

    def _steps(self) -> "list[int]":
        """The processes slurmstepd that have a file of this cluster's folder open."""
        found = []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and (process / "comm").read_text() == "slurmstepd\n":
                    links = [process / "cwd", *(process / "fd").iterdir()]
                    if any(self._is_own(each) for each in links):
                        found.append(int(process.name))
        return found

    def _is_own(self, link: Path) -> bool:
        with contextlib.suppress(OSError):
            place = link.readlink()
            return place == self.folder or self.folder in place.parents
        return False

    @staticmethod
    def _last_line(log: Path) -> str:
        lines = log.read_text("utf-8", "replace").splitlines()
        return f"{log.name}: {(lines or ['-'])[-1][-200:]}"


@contextlib.contextmanager
def started(
    lines: "Sequence[str]" = (), files: "dict[str, str] | None" = None
) -> "Iterator[Cluster]":
    """A cluster of one node with 8 GPUs; ``lines`` go into slurm.conf, ``files`` beside it.

    Its GPUs are names of the null device. Raises SlurmMissing where it does not come up.
    """
    if absent():
        raise SlurmMissing(f"{', '.join(absent())} not installed")
    # Not in pytest's folder: munge wants every folder above its socket to be open to all.
    folder = Path(tempfile.mkdtemp(prefix="apsci-slurm-"))
    cluster = Cluster(folder)
    try:
        try:
            _begin(cluster, lines, files or {})
        except (OSError, KeyError, subprocess.TimeoutExpired) as error:
            raise SlurmMissing(f"it does not start here: {error}") from None
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _begin(cluster: Cluster, lines: "Sequence[str]", files: "dict[str, str]") -> None:
    folder = cluster.folder
    folder.chmod(0o755)
    _write(folder, lines, files)
    munge = folder / "munge"
    cluster.spawn(
        "munged", "--foreground", f"--socket={munge}/socket", f"--key-file={munge}/key",
        f"--log-file={munge}/log", f"--pid-file={munge}/pid", f"--seed-file={munge}/seed",
    )  # fmt: skip
    _await(munge / "socket")
    cluster.spawn("slurmctld", "-c", "-D", "-f", str(cluster.conf))
    cluster.spawn("slurmd", "-D", "-N", "node", "-f", str(cluster.conf))
    cluster.await_idle()


def _write(folder: Path, lines: "Sequence[str]", files: "dict[str, str]") -> None:
    """The folders and files of a cluster."""
    for each in ("munge", "state", "spool", "log", "gpus"):
        (folder / each).mkdir(mode=0o755)
    key = folder / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    for number in range(GPUS):
        (folder / "gpus" / f"gpu{number}").symlink_to("/dev/null")
    own = pwd.getpwuid(os.geteuid()).pw_name
    controller, node = _free_ports(2)
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n", "ascii")
    (folder / "gres.conf").write_text(
        f"NodeName=node Name=gpu Type=h200 File={folder}/gpus/gpu[0-{GPUS - 1}]\n", "utf-8"
    )
    text = (
        "ClusterName=apsci",
        "SlurmctldHost=localhost(127.0.0.1)",
        f"SlurmUser={own}",
        f"SlurmdUser={own}",
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge/socket",
        f"SlurmctldPort={controller}",
        f"SlurmdPort={node}",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmdPidFile={folder}/slurmd.pid",
        f"SlurmctldLogFile={folder}/log/controller",
        f"SlurmdLogFile={folder}/log/node",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SwitchType=switch/none",
        "MpiDefault=none",
        "JobAcctGatherType=jobacct_gather/none",
        "AccountingStorageType=accounting_storage/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core",
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1",
        "SlurmdParameters=config_overrides",
        "GresTypes=gpu",
        "KillWait=1",
        # The machine that runs the tests may be busy: Slurm's own limits are for idle ones.
        "MessageTimeout=100",
        "BatchStartTimeout=100",
        "TCPTimeout=30",
        "ReturnToService=2",
        "MailProg=/bin/true",
        *lines,
        f"NodeName=node NodeAddr=127.0.0.1 CPUs=8 RealMemory=1000 Gres=gpu:h200:{GPUS}",
        "PartitionName=main Nodes=node Default=YES MaxTime=INFINITE State=UP",
    )
    (folder / "slurm.conf").write_text("\n".join(text) + "\n", "utf-8")
    for name, each in files.items():
        (folder / name).write_text(each, "utf-8")


def _await(path: Path) -> None:
    until = time.monotonic() + IDLE_S
    while not path.exists():
        if time.monotonic() > until:
            log = path.parent.parent / "log" / "munged"
            said = log.read_text("utf-8", "replace").splitlines()
            raise SlurmMissing(f"munged does not start: {(said or ['-'])[-1][-300:]}")
        time.sleep(0.05)


def _free_ports(count: int) -> "list[int]":
    """Ports that nobody listens on, below those that the system gives away by itself."""
    with contextlib.ExitStack() as open_:
        ports: list[int] = []
        while len(ports) < count:
            probe, port = open_.enter_context(socket.socket()), 10_000 + secrets.randbelow(20_000)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
        return ports


def _path(name: str) -> "str | None":
    return shutil.which(name, path=PLACES)


def _install() -> None:
    """Install Debian's packages. Raises SlurmMissing where that cannot be."""
    missing = ", ".join(absent())
    apt = shutil.which("apt-get", path=PLACES)
    if apt is None or os.geteuid() != 0:
        raise SlurmMissing(
            f"{missing} not installed; on Debian: apt-get install --yes {' '.join(PACKAGES)}"
        )
    install = [apt, "-y", "-qq", "--no-install-recommends", "install", *PACKAGES]
    sys.stderr.write(f"apt-get install {' '.join(PACKAGES)} ...\n")
    sys.stderr.flush()
    services = [SERVICES[each] for each in absent() if each in SERVICES]
    until = time.monotonic() + INSTALL_S
    for command in (install, [apt, "-qq", "update"], install):
        try:
            _run_apt(command, max(1.0, until - time.monotonic()))
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SlurmMissing(f"{missing} not installed, and apt-get: {error}") from None
        if not absent():
            _disable(services)
            return
    raise SlurmMissing(
        f"{', '.join(absent())} not installed, and apt-get has no such packages here"
    )


def _run_apt(command: "list[str]", limit_s: float) -> None:
    """Run apt-get; after ``limit_s`` it and what it has started are asked to end, and waited for.

    They are a session of their own, so that no dpkg goes on behind. Raises TimeoutExpired.
    """
    apt = subprocess.Popen(
        command,
        env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        apt.wait(limit_s)
    except BaseException:
        _end_group(apt)
        raise


def _end_group(leader: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to a whole process group; what has not ended a minute later is killed."""
    until = time.monotonic() + APT_STOP_S
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGTERM)
        while time.monotonic() < until:
            leader.poll()
            os.killpg(leader.pid, 0)
            time.sleep(0.1)
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()


def _disable(services: "list[str]") -> None:
    """Stop what the packages have just started: these tests start their own. Needs systemd."""
    systemctl = _path("systemctl")
    if not services or systemctl is None or not INIT.is_dir():
        return
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [systemctl, "disable", "--now", *services],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_S,
            check=False,
        )

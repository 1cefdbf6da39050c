"""Sets up the checkout's private ``.venv`` and goes on inside it.

For scripts/check, scripts/demo, scripts/test and their like: they call ``enter("test")`` (or
``"run"``) first and are then running on the locked versions, whatever Python started them. Needs
nothing but the standard library of Python 3.11 or later and a package index, no root and no shell.
It never writes outside ``.venv`` and never installs anything whose hash is not in scripts/locks/.

This file and the scripts that import it stay readable for Python 3.6 (annotations in quotes), so
that an old Python gets one clear line and not a SyntaxError.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "apsci-ledger.stamp"
UNFINISHED = VENV / "apsci-ledger.unfinished"
# Which installed group serves a wanted one: the test lock holds everything that the run lock holds.
SERVES = {"run": ("run", "test"), "test": ("test",)}
HEARTBEAT_S = 5.0


class SetupError(Exception):
    """The environment could not be made; the message says what to do."""


def enter(group: str) -> None:
    """Return only inside ``.venv`` with the locked ``group`` ("run" or "test") installed.

    Anywhere else the script is started again, with the same arguments, by the venv's Python. Exits
    with status 2 and a reason on standard error where that cannot be done.
    """
    require_python()
    try:
        changed = not _ready(group) and _set_up(group)
    except SetupError as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        _refuse("interrupted while setting up; the next start begins the setup again")
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([str(PYTHON.parent), *path])
    os.environ["VIRTUAL_ENV"] = str(VENV)
    if changed or not VENV.samefile(sys.prefix):
        os.environ.pop("PYTHONHOME", None)
        os.execv(PYTHON, [str(PYTHON), *sys.argv])  # noqa: S606 - no shell is wanted


def require_python() -> None:
    """Exit with status 2 and one line on standard error unless this Python is new enough."""
    if sys.version_info < OLDEST:
        oldest, this = (".".join(map(str, part)) for part in (OLDEST, sys.version_info[:3]))
        _refuse(f"this needs Python {oldest} or later; {sys.executable} is {this}")


def _refuse(reason: str) -> None:
    _say(f"{Path(sys.argv[0]).name}: {reason}")
    raise SystemExit(2)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _lock_file(group: str) -> Path:
    return ROOT / "scripts" / "locks" / (group + ".txt")


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _wanted(group: str) -> "dict[str, str]":
    """Return a finished setup's stamp; a moved or changed checkout never has the same."""
    return {
        "group": group,
        "locks": _digest(_lock_file("build"), _lock_file(group)),
        "project": _digest(ROOT / "pyproject.toml"),
        "root": str(ROOT),
    }


def _stamp() -> "dict[str, str]":
    try:
        stamp = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _ready(group: str) -> bool:
    stamp = _stamp()
    return (
        stamp.get("group") in SERVES[group]
        and stamp == _wanted(stamp["group"])
        and os.access(PYTHON, os.X_OK)
    )


@contextlib.contextmanager
def _only_one() -> "Iterator[int]":
    """Hold the checkout's setup lock; yields the descriptor, which installers inherit.

    The lock is on the checkout's own folder: it leaves no file behind, outlives a rebuilt
    ``.venv``, and stays held while an installer still runs whose parent was killed.
    """
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Waiting for another setup of this checkout to finish ...")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


def _set_up(group: str) -> bool:
    """Bring ``.venv`` to what the locks say; True when anything had to be done."""
    with _only_one() as lock:
        if _ready(group):
            return True  # another start has just done it: this one goes on in a fresh interpreter
        begun = time.monotonic()
        stamp, wanted = _stamp(), _wanted(group)
        if not _usable(stamp):
            _say("Setting up .venv: once for each checkout, from scripts/locks/ ...")
            _make_venv(lock)
            stamp = {}
        with contextlib.suppress(FileNotFoundError):
            STAMP.unlink()
        if stamp.get("group") != group or stamp.get("locks") != wanted["locks"]:
            for name in ("build", group):
                _install(["-r", str(_lock_file(name)), "--require-hashes"], name, lock)
        _install(["-e", str(ROOT)], "the project itself", lock)
        fresh = STAMP.with_suffix(".new")
        fresh.write_text(json.dumps(wanted), "utf-8")
        fresh.replace(STAMP)
        _say(f".venv is ready ({time.monotonic() - begun:.0f} s)")
    return True


def _usable(stamp: "dict[str, str]") -> bool:
    """Whether the present ``.venv`` can be built upon.

    Not after an interrupted installation, where a half-written package looks like a whole one, and
    not in a checkout that has moved, where its commands point to the old place.
    """
    if UNFINISHED.exists() or stamp.get("root", str(ROOT)) != str(ROOT):
        return False
    probe = (
        f"import pip, sys; sys.exit(sys.version_info < {OLDEST} or sys.prefix == sys.base_prefix)"
    )
    try:
        return (
            subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def _make_venv(lock: int) -> None:
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    # The interpreter below a venv, so that the new one never depends on the one just removed.
    base = getattr(sys, "_base_executable", None) or sys.executable
    made = subprocess.run(
        [base, "-m", "venv", VENV],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        pass_fds=(lock,),
    )
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupError(
            made.stdout.strip()
            + "\nThis Python cannot make a virtual environment (on Debian and Ubuntu the package"
            " python3-venv is missing); any complete Python 3.11 or later will do."
        )


def _install(what: "list[str]", name: str, lock: int) -> None:
    command = [
        str(PYTHON), "-m", "pip", "install", "--no-deps", "--no-build-isolation",
        "--disable-pip-version-check", "--no-input", "--progress-bar", "off", *what,
    ]  # fmt: skip
    environment = {
        key: value
        for key, value in os.environ.items()
        # A personal pip setting for another target, or another Python's home, would miss the venv.
        if key not in {"PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_HASHES", "PYTHONHOME", "PYTHONPATH"}
    }
    environment["PIP_USER"] = "0"
    UNFINISHED.write_text(name + "\n", "utf-8")
    with subprocess.Popen(
        command,
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(lock,),
    ) as pip:
        tail = _follow(pip, name)
    if pip.returncode != 0:
        if pip.returncode > 0:
            UNFINISHED.unlink()  # pip undoes what it could not finish, unless a signal ended it
        raise SetupError(
            "\n".join(tail)
            + f"\ninstalling {name} failed (above: pip's last lines). Start again when its reason"
            " is gone; what was downloaded is kept."
        )
    UNFINISHED.unlink()


def _follow(pip: "subprocess.Popen[str]", name: str) -> "list[str]":
    """Say now and then how far pip is; its last lines, for when it fails."""
    tail: list[str] = []
    seen, told = 0, time.monotonic()
    _say(f"  {name} ...")
    for line in pip.stdout or ():
        tail = [*tail[-19:], line.rstrip()]
        seen += line.startswith(("Collecting ", "Requirement already satisfied"))
        if time.monotonic() - told > HEARTBEAT_S:
            told = time.monotonic()
            _say(f"  {name}: {seen} packages so far")
    return tail

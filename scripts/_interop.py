"""Gets other people's transparency software, which the tests of tests/interop hold ours against.

Each tool lives by itself in ``.venv/interop/<name>``, from scripts/locks/interop-<name>.txt, every
file of it with its hash; nothing of it is imported by the project. ``get(name)`` ends in that
folder or in ``ToolMissing``, whose message says what is missing and why. scripts/test calls
``prepare()`` before the tests, so that no test waits for a download.

Standard library only.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import _setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = _setup.VENV / "interop"
LOCKS = _setup.ROOT / "scripts" / "locks"
OLDEST = {
    "aics": (3, 12),
    "atheris": (3, 11),
    "go": (3, 11),
    "pymerkle": (3, 11),
    "scales": (3, 11),
}
"""The tools, and the oldest Python that each runs on."""
NO_TEST_NEEDS = {"atheris", "pymerkle"}
"""What scripts/fuzz and scripts/bench get for themselves."""
INSTALL_S = 900.0
PROBE_S = 60.0


class ToolMissing(Exception):
    """A tool cannot be had on this machine; the message names it and says why."""


def prepare() -> "dict[str, str]":
    """Get every tool; the reasons for those that cannot be had, by name."""
    missing = {}
    for name in (name for name in OLDEST if name not in NO_TEST_NEEDS):
        try:
            get(name)
        except ToolMissing as reason:
            missing[name] = str(reason)
    return missing


def get(name: str) -> Path:
    """The folder with the tool's ``bin`` and site-packages, installed if it was not."""
    lock = LOCKS / f"interop-{name}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder, stamp = FOLDER / name, FOLDER / f"{name}.stamp"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _only_one(FOLDER):
        if not stamp.exists() or stamp.read_text("ascii") != digest:
            stamp.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            sys.stderr.write(f"getting {name}, to be held against it ...\n")
            sys.stderr.flush()
            _install(name, folder, lock)
            stamp.write_text(digest, "ascii")
    return folder


def packages(name: str) -> Path:
    """The site-packages of an installed tool."""
    [found] = (FOLDER / name / "lib").glob("python3*/site-packages")
    return found


def _install(name: str, folder: Path, lock: Path) -> None:
    python = _python(OLDEST[name])
    if python is None:
        oldest = ".".join(map(str, OLDEST[name]))
        raise ToolMissing(
            f"{name} needs Python {oldest} or later, and there is none on this machine"
        )
    _run(name, [python, "-m", "venv", "--without-pip", str(folder)])
    install = [
        sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install",
        "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile",
        "--disable-pip-version-check", "--no-input", "-r", str(lock),
    ]  # fmt: skip
    # A connection that breaks in the middle of a large file is not tried again by pip itself.
    with contextlib.suppress(ToolMissing):
        _run(name, install)
        return
    _run(name, install)


def _run(name: str, command: "list[str]") -> None:
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {"PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PYTHONHOME", "PYTHONPATH"}
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=INSTALL_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissing(f"{name} cannot be installed: {error}") from None
    if done.returncode != 0:
        last = " ".join(done.stdout.strip().splitlines()[-3:])
        raise ToolMissing(f"{name} cannot be installed: {last[-500:]}")


def _python(oldest: "tuple[int, int]") -> "str | None":
    """A Python that is new enough: this one, one on the path, one beside this one, or pyenv's."""
    if sys.version_info >= oldest:
        return sys.executable
    names = [f"python3.{minor}" for minor in range(oldest[1], 20)]
    found = [path for path in map(shutil.which, names) if path]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    # pyenv and its like keep every version in a folder of its own, this one's brothers.
    for versions in dict.fromkeys((Path(sys.base_prefix).parent, pyenv)):
        found += [str(path) for name in names for path in sorted(versions.glob(f"*/bin/{name}"))]
    return next((path for path in found if _works(path, oldest)), None)


def _works(path: str, oldest: "tuple[int, int]") -> bool:
    """Whether it starts and can make an environment: what pyenv puts on the path may not."""
    probe = f"import sys, venv, sqlite3, ssl; sys.exit(sys.version_info < {oldest})"
    try:
        done = subprocess.run(
            [path, "-c", probe], capture_output=True, check=False, timeout=PROBE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextlib.contextmanager
def _only_one(folder: Path) -> "Iterator[None]":
    """Let one process install at a time; the others wait, and then find it done."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""Gets a Chromium for the tests that drive one, and for pictures of the pages.

For scripts/test and scripts/screenshots, which call ``get()`` inside ``.venv``. It takes what it
finds first: the one that ``CHROMIUM_PATH`` names; an installed one; the one that Playwright has
downloaded before; Playwright's download, now; Debian's package, where this process may install it.
A browser counts only once it has shown a page. Nothing is ever skipped for want of one: ``get()``
ends in a browser or in ``BrowserMissing``, whose message is the one command to run.

Standard library only; every step has a time limit and says what it does.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

VARIABLE = "CHROMIUM_PATH"
INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BUNDLES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PACKAGES = ("chromium", "fonts-wqy-microhei")
"""Debian's browser, and a small font that has Chinese: pages are looked at in both languages."""
LISTS = Path("/var/lib/apt/lists")
OS_RELEASE = Path("/etc/os-release")
TRY_S = 60.0
DOWNLOAD_S = 300.0
APT_S = 600.0
HEARTBEAT_S = 5.0
ASK_PLAYWRIGHT = (
    "from playwright.sync_api import sync_playwright as start\n"
    "with start() as playwright: print(playwright.chromium.executable_path)"
)


class BrowserMissing(Exception):
    """No way led to a browser; the message says why and names the one command to run."""


def get() -> str:
    """The path of a Chromium that works here. Raises BrowserMissing."""
    given = os.environ.get(VARIABLE)
    if given:
        if not works(given):
            raise BrowserMissing(f"{VARIABLE} is {given}, which shows no page: unset {VARIABLE}")
        return given
    for way in (installed, playwrights_own, downloaded, from_debian):
        path = way()
        if path is not None:
            return path
    raise BrowserMissing(
        "the browser tests need Chromium, and there is no other way to it left (above). Run this,"
        f" then start again:\n    {remedy()}"
    )


def installed() -> "str | None":
    """A browser that is installed and works."""
    found = (*map(shutil.which, INSTALLED), *BUNDLES)
    return next((path for path in found if path and works(path)), None)


def playwrights_own() -> "str | None":
    """The browser in Playwright's own cache, where it is there and works."""
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASK_PLAYWRIGHT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TRY_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    path = asked.stdout.strip()
    return path if asked.returncode == 0 and works(path) else None


def downloaded() -> "str | None":
    """The browser that Playwright fetches now, into its own cache."""
    command = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    if not _follow(command, "No Chromium here: Playwright's own download", DOWNLOAD_S):
        return None
    path = playwrights_own()
    if path is None:
        _say("  what was downloaded does not start on this system")
    return path


def from_debian() -> "str | None":
    """Debian's package, installed now; None where it is not Debian, or may not be changed."""
    may = _may_install()
    if may is None:
        return None
    update = [*may, "apt-get", "-qq", "update"]
    install = [*may, "apt-get", "-y", "--no-install-recommends", "install", *PACKAGES]
    fetched = any(LISTS.glob("*_Packages*"))
    if not fetched and not _follow(update, "apt-get update", APT_S):
        return None
    # Lists that are too old name files which are gone: then once more with new ones.
    if not _follow(install, f"apt-get install {' '.join(PACKAGES)}", APT_S) and not (
        fetched
        and _follow(update, "apt-get update", APT_S)
        and _follow(install, "apt-get install, once more", APT_S)
    ):
        return None
    return installed()


def remedy() -> str:
    """The one command that gets a browser on this system."""
    if _is_debian():
        sudo = "" if os.geteuid() == 0 else "sudo "
        return f"{sudo}apt-get install --yes {' '.join(PACKAGES)}"
    return f"{sys.executable} -m playwright install --with-deps chromium"


def works(path: str) -> bool:
    """Whether the browser at ``path`` shows a page; a name alone may stand for no more than a hint.

    Ubuntu's ``chromium-browser`` only says that a snap is missing, and a downloaded browser may
    lack libraries of the system.
    """
    if not os.access(path, os.X_OK):
        return False
    with tempfile.TemporaryDirectory(prefix="ledger-browser-", ignore_cleanup_errors=True) as own:
        command = [
            path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            f"--user-data-dir={own}", "--dump-dom", "data:text/html,<p>shown</p>",
        ]  # fmt: skip
        try:
            tried = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=TRY_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return tried.returncode == 0 and b"<p>shown</p>" in tried.stdout


def _is_debian() -> bool:
    """Whether apt-get brings a Chromium that is one: Ubuntu's package leads to a snap."""
    lines = OS_RELEASE.read_text("utf-8").splitlines() if OS_RELEASE.exists() else []
    names = " ".join(
        line.partition("=")[2] for line in lines if line.startswith(("ID=", "ID_LIKE"))
    )
    return "debian" in names and "ubuntu" not in names and shutil.which("apt-get") is not None


def _may_install() -> "list[str] | None":
    """What stands before a command that installs; None where this process may not."""
    if not _is_debian():
        return None
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run([*sudo, "true"], capture_output=True, timeout=TRY_S, check=False)
        if asked.returncode == 0:
            return [*sudo, "env", "DEBIAN_FRONTEND=noninteractive"]
    return None


def _follow(command: "list[str]", name: str, limit_s: float) -> bool:
    """Run ``command`` and say now and then that it still runs; whether it succeeded in time."""
    _say(f"{name} ...")
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        try:
            running = subprocess.Popen(
                command,
                env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", NO_COLOR="1"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            _say(f"  {error}")
            return False
        ended = threading.Event()
        threading.Thread(target=_beat, args=(ended, name, begun), daemon=True).start()
        try:
            status = running.wait(limit_s)
        except subprocess.TimeoutExpired:
            _say(f"  given up after {limit_s:.0f} s")
            return False
        finally:
            ended.set()
            if running.poll() is None:
                # Also when interrupted: what it has started itself goes with it.
                os.killpg(running.pid, signal.SIGTERM)
                running.wait()
        output.seek(0)
        lines = [line.rstrip() for line in output if line.strip()]
    if status == 0:
        _say(f"  done ({time.monotonic() - begun:.0f} s)")
        return True
    said = next((line for line in lines if line.startswith(("E: ", "Error: "))), "")
    _say(f"  not possible here: {said or (lines or ['it said nothing'])[-1]}")
    return False


def _beat(ended: threading.Event, name: str, begun: float) -> None:
    while not ended.wait(HEARTBEAT_S):
        _say(f"  {name}: {time.monotonic() - begun:.0f} s so far")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

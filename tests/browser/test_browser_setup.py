"""How a Chromium is got: every way, with stand-ins for what it calls; none is ever skipped."""

import os
import runpy
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _browser
import pytest

SHOWS = "echo '<html><p>shown</p></html>'"
DEBIAN = 'ID=debian\nVERSION_ID="12"\n'
UBUNTU = "ID=ubuntu\nID_LIKE=debian\n"


@dataclass
class Machine:
    """A machine with nothing on it but what a test puts there."""

    folder: Path

    def command(self, name: str, *lines: str) -> Path:
        """Put an executable on the path; it notes each call in ``calls``."""
        path = self.folder / "bin" / name
        noted = f'echo "{name} $*" >> {self.folder}/calls'
        path.write_text("\n".join(["#!/bin/sh", noted, *lines, ""]), "utf-8")
        path.chmod(0o755)
        return path

    def calls(self) -> list[str]:
        """What was run so far, without what tries a browser out."""
        noted = self.folder / "calls"
        lines = noted.read_text("utf-8").splitlines() if noted.exists() else []
        return [line for line in lines if "--dump-dom" not in line]

    def installs(self, name: str) -> str:
        """A line of shell that puts a working browser on the path."""
        return f"cp {self.folder}/shelf {self.folder}/bin/{name}"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Debian, run by root, with Playwright that downloads nothing."""
    made = Machine(tmp_path)
    for folder in ("bin", "lists"):
        tmp_path.joinpath(folder).mkdir()
    tmp_path.joinpath("os-release").write_text(DEBIAN, "utf-8")
    made.command("../shelf", SHOWS)
    monkeypatch.delenv(_browser.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setattr(_browser, "INSTALLED", ("test-chromium", "test-chrome"))
    monkeypatch.setattr(_browser, "BUNDLES", ())
    monkeypatch.setattr(_browser, "LISTS", tmp_path / "lists")
    monkeypatch.setattr(_browser, "OS_RELEASE", tmp_path / "os-release")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "executable", str(made.command("python", 'echo "Error: no" ; exit 1')))
    made.command("apt-get", "echo 'E: no'; exit 100")
    made.command("sudo", "exit 1")
    return made


def test_the_variable_wins_over_everything(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.command("test-chromium", SHOWS)
    given = str(machine.command("another", SHOWS))
    monkeypatch.setenv(_browser.VARIABLE, given)
    assert _browser.get() == given


def test_a_variable_that_leads_nowhere_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.command("test-chromium", SHOWS)
    monkeypatch.setenv(_browser.VARIABLE, "/nowhere/chromium")
    with pytest.raises(_browser.BrowserMissing, match="unset CHROMIUM_PATH"):
        _browser.get()


def test_an_installed_browser_is_taken_and_nothing_else_is_tried(machine: Machine) -> None:
    path = machine.command("test-chrome", SHOWS)
    assert _browser.get() == str(path)
    assert machine.calls() == []


def test_a_name_that_shows_no_page_is_passed_over(machine: Machine) -> None:
    machine.command("test-chromium", "echo 'install the snap first'")
    path = machine.command("test-chrome", SHOWS)
    assert _browser.get() == str(path)


def test_a_browser_that_hangs_is_passed_over(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = machine.command("test-chromium", "exec sleep 60")
    path = machine.command("test-chrome", SHOWS)
    real = subprocess.run

    def run(command: list[str], *, timeout: float, **given: Any) -> Any:
        assert timeout == _browser.TRY_S
        # Only the one that hangs is short of time: the other may be slow, and shows its page.
        return real(command, timeout=0.1 if command[0] == str(hanging) else timeout, **given)

    monkeypatch.setattr(_browser.subprocess, "run", run)
    assert _browser.get() == str(path)


def test_what_playwright_has_downloaded_before_is_taken(machine: Machine) -> None:
    own = machine.command("own", SHOWS)
    machine.command("python", f'[ "$1" = -c ] && echo {own}')
    assert _browser.get() == str(own)
    assert not [call for call in machine.calls() if "install" in call]


def test_playwrights_download_comes_before_the_system_is_touched(machine: Machine) -> None:
    own = machine.folder / "bin" / "own"
    machine.command(
        "python", f'[ "$1" = -c ] && echo {own}', f'[ "$1" = -c ] || {machine.installs("own")}'
    )
    assert _browser.get() == str(own)
    assert "python -m playwright install --no-shell chromium" in machine.calls()
    assert not [call for call in machine.calls() if call.startswith("apt-get")]


def test_a_download_that_hangs_is_given_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.command("python", '[ "$1" = -c ] || sleep 60')
    machine.folder.joinpath("lists", "debian_Packages.lz4").touch()
    machine.command("apt-get", machine.installs("test-chromium"))
    beaten = threading.Event()
    say, wait = _browser._say, subprocess.Popen.wait

    def heard(line: str) -> None:
        say(line)
        if "s so far" in line:
            beaten.set()

    def wait_for_a_beat(running: subprocess.Popen[str], timeout: float | None = None) -> int:
        if timeout == _browser.DOWNLOAD_S:
            assert beaten.wait(120)
        return wait(running, timeout)

    monkeypatch.setattr(_browser, "DOWNLOAD_S", 0.1)
    monkeypatch.setattr(_browser, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(_browser, "_say", heard)
    monkeypatch.setattr(subprocess.Popen, "wait", wait_for_a_beat)
    assert _browser.get() == str(machine.folder / "bin" / "test-chromium")
    said = capsys.readouterr().err
    assert "given up after" in said
    assert "s so far" in said


def test_debians_package_is_installed_where_this_process_may(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.command(
        "apt-get", 'case "$*" in *install*)', machine.installs("test-chromium"), ";; esac"
    )
    assert _browser.get() == str(machine.folder / "bin" / "test-chromium")
    assert [call for call in machine.calls() if call.startswith("apt-get")] == [
        "apt-get -qq update",
        "apt-get -y --no-install-recommends install chromium fonts-wqy-microhei",
    ]
    assert "not possible here: Error: no" in capsys.readouterr().err


def test_lists_that_are_there_are_used_and_renewed_only_when_they_are_too_old(
    machine: Machine,
) -> None:
    machine.folder.joinpath("lists", "debian_Packages.lz4").touch()
    machine.command(
        "apt-get",
        f'case "$*" in *update) touch {machine.folder}/new ;; *install*)',
        f"[ -e {machine.folder}/new ] || exit 100",
        machine.installs("test-chromium"),
        ";; esac",
    )
    assert _browser.get() == str(machine.folder / "bin" / "test-chromium")
    asked = [call.split()[-1] for call in machine.calls() if call.startswith("apt-get")]
    assert asked == ["fonts-wqy-microhei", "update", "fonts-wqy-microhei"]


def test_whoever_may_use_sudo_without_a_password_installs_through_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.folder.joinpath("lists", "debian_Packages.lz4").touch()
    machine.command("sudo", 'shift; exec "$@"')
    machine.command("apt-get", machine.installs("test-chromium"))
    assert _browser.get() == str(machine.folder / "bin" / "test-chromium")
    assert [call for call in machine.calls() if call.startswith("sudo -n env DEBIAN_FRONTEND")]


@pytest.mark.parametrize(
    ("system", "user", "command"),
    [
        (DEBIAN, 0, "    apt-get install --yes chromium fonts-wqy-microhei"),
        (DEBIAN, 1000, "    sudo apt-get install --yes chromium fonts-wqy-microhei"),
        (UBUNTU, 0, "    .*python -m playwright install --with-deps chromium"),
        ("ID=fedora\n", 1000, "    .*python -m playwright install --with-deps chromium"),
    ],
)
def test_where_no_way_is_left_the_one_command_is_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, system: str, user: int, command: str
) -> None:
    machine.folder.joinpath("os-release").write_text(system, "utf-8")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(_browser.BrowserMissing, match=f"\n{command}$"):
        _browser.get()
    tried = [call for call in machine.calls() if call.startswith("apt-get")]
    assert bool(tried) == ((system, user) == (DEBIAN, 0))


def test_the_test_script_stops_with_status_2_and_runs_no_test(machine: Machine) -> None:
    """The script itself, where neither a browser nor a way to one is."""
    root = Path(__file__).parents[2]
    start = (
        "import runpy, sys, os; sys.path[:0] = ['scripts']; import _browser, _setup\n"
        "_setup.enter = lambda group: None\n"
        "def none(): return None\n"
        "_browser.installed = _browser.playwrights_own = _browser.downloaded = none\n"
        "_browser.from_debian = none\n"
        "sys.argv = ['scripts/test', *sys.argv[1:]]\n"
        "runpy.run_path('scripts/test', run_name='__main__')\n"
    )
    real = str(Path(sys.prefix) / "bin" / "python")
    for arguments in ([], ["tests/browser", "-x"], ["-k", "nothing"], ["tests"]):
        ended = subprocess.run(
            [real, "-c", start, *arguments], cwd=root, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2
        assert "Run this, then start again:" in ended.stderr
        assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], True),
        (["-x", "-k", "web"], True),
        (["tests"], True),
        (["tests/browser/test_browser_smoke.py::test_x"], True),
        (["tests/browser", "tests/tlog"], True),
        (["tests/tlog", "-k", "proof"], False),
        (["tests/web/test_web_api.py"], False),
    ],
)
def test_a_browser_is_got_only_for_tests_that_may_drive_one(
    arguments: list[str], *, expected: bool
) -> None:
    path = Path(__file__).parents[2] / "scripts" / "test"
    drives = runpy.run_path(str(path), run_name="script")["drives_browser"]
    assert drives(arguments) is expected

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benchmarks.figures import FORMAT
from benchmarks.run import SECTIONS, run

from web.telling.runs import Run

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FIGURE = {
    "section": str,
    "what": str,
    "entries": (int, type(None)),
    "unit": str,
    "value": (int, float, type(None)),
    "rounds": list,
    "bar": (dict, type(None)),
    "reached": (bool, type(None)),
    "beside": (dict, type(None)),
    "more": dict,
    "note": str,
}
SIZED = {"proof", "verify", "reads", "memory", "start", "static"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPTS / "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        # What stands beside is there already or is not: no test waits for a download.
        env={**os.environ, "PIP_NO_INDEX": "1"},
        timeout=800,
    )


def require_schema(found: dict[str, Any]) -> None:
    assert list(found) == ["format", "made_at", "took_s", "machine", "options", "figures"]
    assert found["format"] == FORMAT
    assert found["machine"]["cpus"] == os.cpu_count()
    assert found["machine"]["python"] == platform.python_version()
    for figure in found["figures"]:
        assert list(figure) == list(FIGURE)
        for name, kind in FIGURE.items():
            assert isinstance(figure[name], kind), (name, figure)
        assert (figure["entries"] is not None) == (figure["section"] in SIZED)
        assert figure["value"] is None or figure["value"] > 0
        assert (figure["reached"] is None) == (figure["bar"] is None or figure["value"] is None)


@pytest.mark.timeout(900)
def test_a_small_run_measures_every_section_and_names_no_machine(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench(
        *("--quick", "--entries", "600", "--rounds", "1"),
        *("--data", str(tmp_path / "data"), "--json", str(file)),
        *("--report", str(tmp_path / "kept.json")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = file.read_text("utf-8")
    found = json.loads(text)
    require_schema(found)
    kept = msgspec.json.decode((tmp_path / "kept.json").read_bytes(), type=Run)
    assert (kept.run, kept.engine) == ("bench-sqlite", "sqlite")
    assert kept.figures["bars"] == sum(each["reached"] is not None for each in found["figures"])
    assert all(isinstance(value, int | float) for value in kept.figures.values())
    assert {figure["section"] for figure in found["figures"]} == set(SECTIONS)
    for figure in found["figures"]:
        if figure["value"] is None:
            # strace and others' software are not everywhere; then the line says so.
            assert figure["note"].startswith(("not counted: ", "skipped: ", "it takes logs")), (
                figure
            )
    assert {figure["entries"] for figure in found["figures"]} == {None, 600}
    assert {figure["what"] for figure in found["figures"] if figure["bar"]} >= {
        "64 clients, submissions, no signatures",
        "64 clients, run events, sequenced",
        "1 client, run events, sequenced: times pymerkle, one by one",
        "1 client, submissions, no signatures: times aics-tlog writer, one by one",
        "batches of 1,000, run events, sequenced: times pymerkle, append_entries",
        "one submission a request, 64 connections",
        "batches of 100 submissions, 16 connections",
        "tiles: times nginx, static files",
        "entries served, everything checked",
    }
    [held] = [
        figure
        for figure in found["figures"]
        if figure["what"] == "entries served, bytes and tiles alone"
    ]
    assert held["beside"] or held["note"].startswith("no aics-tlog beside: ")
    for figure in found["figures"]:
        assert f"  {figure['what']}  " in done.stdout
    for private in (socket.gethostname(), str(tmp_path), str(SCRIPTS), "/proc"):
        assert private not in text
    assert not (tmp_path / "data" / "scratch").exists()


@pytest.mark.timeout(900)
def test_on_postgresql_every_ledger_has_a_database_of_its_own(
    tmp_path: Path, postgresql_url: str
) -> None:
    file = tmp_path / "figures.json"
    done = bench(
        *("--quick", "--rounds", "1", "--only", "append", "--database-url", postgresql_url),
        *("--data", str(tmp_path / "data"), "--json", str(file)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(file.read_text("utf-8"))
    require_schema(found)
    assert found["machine"]["engine"] == "postgresql"
    assert not list(tmp_path.glob("data/**/*.db"))
    assert postgresql_url not in done.stdout + done.stderr + file.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("entries", "ten", "'ten'"),
        ("entries", "99", "100 to"),
        ("entries", "600,", "''"),
        ("entries", "٦٠٠", "100 to"),
        ("rounds", 0, "at least 1"),
        ("json", "no-such-folder/figures.json", "a folder that exists"),
        ("report", "no-such-folder/figures.json", "a folder that exists"),
        ("database_url", "mysql://x/y", "postgresql://"),
        ("database_url", "postgresql://u:hush@127.0.0.1:1/x", "does not answer"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: object, said: str
) -> None:
    options = {
        "quick": True,
        "only": None,
        "json": None,
        "entries": None,
        "rounds": None,
        "report": None,
    }
    options |= {"database_url": None, "data": str(tmp_path / "data")}
    assert run(argparse.Namespace(**options | {name: value})) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("scripts/bench: ")
    assert shown.err.count("\n") == 1
    assert said in shown.err
    assert "hush" not in shown.err


def test_a_section_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    done = bench("--data", str(tmp_path / "data"), "--only", "sorting")
    assert done.returncode == 2
    assert "sorting" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    done = bench("--data", str(tmp_path / "file"))
    assert done.returncode == 2
    assert done.stderr.startswith("scripts/bench: ")
    assert done.stderr.count("\n") == 1

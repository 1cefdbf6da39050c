"""Takes the recipes out of the pages and runs them, as a reader would who copies them."""

import csv
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.error import URLError

from ports import free_port
from standins import TOOLS

HERE = Path(__file__).parent
PATIENCE_S = 120
_FENCE = re.compile(
    r"^(?:#{2,3} [^\n]*\{#(?P<id>[a-z-]+)\}|```(?P<form>\w+)\n(?P<code>.*?)^```)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Recipe:
    """One block of code: the heading that it stands under, its language, and itself."""

    place: str
    form: str
    code: str


def in_markdown(source: str) -> list[Recipe]:
    """The blocks of a page of words."""
    found, place = [], ""
    for each in _FENCE.finditer(source):
        if each["id"]:
            place = each["id"]
        else:
            found.append(Recipe(place, each["form"], each["code"]))
    return found


class _Blocks(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Recipe] = []
        self._place, self._code = "", None

    _code: str | None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"section", "h3"} and given.get("id"):
            self._place = given["id"] or ""
        if tag == "pre":
            self._code = ""

    def handle_data(self, data: str) -> None:
        if self._code is not None:
            self._code += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre" and self._code is not None:
            self.found.append(Recipe(self._place, "", self._code))
            self._code = None


def in_html(text: str) -> list[Recipe]:
    """The blocks of a page, as it is shown."""
    blocks = _Blocks()
    blocks.feed(text)
    blocks.close()
    return blocks.found


def tools(folder: Path, *, only_stand_ins: bool) -> Path:
    """A folder of commands: stand-ins for all tools, or for those that this machine lacks."""
    folder.mkdir()
    for name in TOOLS:
        real = shutil.which(name)
        if only_stand_ins or real is None:
            _command(folder / name, str(HERE / "standins.py"), name)
    _command(folder / "frictionless", "-m", "frictionless")
    return folder


def _command(path: Path, *arguments: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *arguments])} "$@"\n')
    path.chmod(0o755)


def shell(code: str, *, folder: Path, commands: Path) -> str:
    """What a shell prints that runs ``code`` in ``folder``; it has to succeed."""
    done = subprocess.run(
        ["sh", "-eu", "-c", code],
        cwd=folder,
        env={
            "PATH": f"{commands}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "TZ": "Asia/Shanghai",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (0, ""), (code, done)
    return done.stdout


def python(code: str, *, folder: Path) -> str:
    """What Python prints that runs ``code`` in ``folder``; it has to succeed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (0, ""), (code, done)
    return done.stdout


@contextmanager
def datasette(command: str, *, folder: Path) -> Iterator[str]:
    """The address at which ``command``, a line of a recipe, serves; a free port is added to it."""
    words = shlex.split(command)
    assert words[0] == "datasette"
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", *words, "--port", str(port)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(f"{address}/-/versions.json", timeout=120):
                    break
            except (URLError, OSError):
                assert process.poll() is None, f"it ended with {process.returncode}"
                assert time.monotonic() < until, "it does not answer"
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


_LOGICAL = {"T": True, "F": False, "TRUE": True, "FALSE": False, "true": True, "false": False}


def read_csv_as_r(data: bytes, *, na: str = "NA") -> dict[str, list[Any]]:
    """A CSV file by the rules of R's ``read.csv`` with ``na.strings = na``; None is NA.

    R itself comes from no registry of Python packages. Its rules: a header; fields quoted with "
    alone, in which "" is one and line breaks are text; no comments. A column is logical, whole
    numbers, numbers or text, the first that fits; blank is NA in all but the last. A name that is
    none in R would be changed, and a short row be filled up: here both fail.
    """
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    header, body = rows[0], rows[1:]
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9._]*", name) for name in header), header
    assert len(set(header)) == len(header)
    assert all(len(row) == len(header) for row in body)
    return {name: _converted([row[at] for row in body], na) for at, name in enumerate(header)}


def _converted(cells: list[str], na: str) -> list[Any]:
    given = [cell for cell in cells if cell not in {na, ""}]
    if all(cell in _LOGICAL for cell in given):
        return [_LOGICAL.get(cell) for cell in cells]
    if all(re.fullmatch(r"[+-]?[0-9]+", cell) for cell in given):
        return [None if cell in {na, ""} else int(cell) for cell in cells]
    return [None if cell == na else cell for cell in cells]

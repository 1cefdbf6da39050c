"""The tools of the recipes, as far as the recipes use them, for machines that lack one.

    standins.py TOOL ARGUMENT…

A recipe that uses a tool in another way fails here, so that it is noticed.
"""

import csv
import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")


def _tsv(*cells: object) -> str:
    return "\t".join("" if cell is None else str(cell) for cell in cells)


FILTERS: dict[str, Callable[[Any], Iterator[Any]]] = {
    ".latest": lambda it: iter([it["latest"]]),
    ".tree_size": lambda it: iter([it["tree_size"]]),
    ".entry.kind": lambda it: iter([it["entry"]["kind"]]),
    ".page.next": lambda it: iter([it["page"]["next"]]),
    ".data.state[] | [.value, .jobs] | @tsv": lambda it: (
        _tsv(each["value"], each["jobs"]) for each in it["data"]["state"]
    ),
    ".data[] | [.submitted_at, .member, .code] | @tsv": lambda it: (
        _tsv(each["submitted_at"], each["member"], each["code"]) for each in it["data"]
    ),
    '.data[] | select(.kind == "manifest") | .entry | .digest.sha256 + "  " + .name': lambda it: (
        each["entry"]["digest"]["sha256"] + "  " + each["entry"]["name"]
        for each in it["data"]
        if each["kind"] == "manifest"
    ),
}


def curl(arguments: list[str]) -> None:
    rest = [each for each in arguments if each not in {"-s", "-L"}]
    while rest:
        word = rest.pop(0)
        target = None
        if word == "-o":
            target, word = Path(rest.pop(0)), rest.pop(0)
        elif word == "-O":
            word = rest.pop(0)
            target = Path(word.rpartition("/")[2])
        assert word.startswith("http://127.0.0.1:"), word
        with urlopen(word, timeout=120) as answer:
            data = answer.read()
        if target is None:
            sys.stdout.buffer.write(data)
        else:
            target.write_bytes(data)


def jq(arguments: list[str]) -> None:
    words = [each for each in arguments if each != "-r"]
    found = FILTERS[words[0]]
    text = Path(words[1]).read_text("utf-8") if len(words) > 1 else sys.stdin.read()
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        for each in found(value):
            _say("null" if each is None else each)


def sha256sum(arguments: list[str]) -> None:
    if arguments[0] != "-c":
        for name in arguments:
            _say(f"{hashlib.sha256(Path(name).read_bytes()).hexdigest()}  {name}")
        return
    status = 0
    for line in Path(arguments[1]).read_text("ascii").splitlines():
        digest, name = line.split("  ")
        same = hashlib.sha256(Path(name).read_bytes()).hexdigest() == digest
        _say(f"{name}: {'OK' if same else 'FAILED'}")
        status |= not same
    sys.exit(status)


def zstd(arguments: list[str]) -> None:
    import zstandard  # noqa: PLC0415 - where it is needed, for each tool is started often

    assert arguments[0] == "-dc"
    with Path(arguments[1]).open("rb") as file:
        zstandard.ZstdDecompressor().copy_stream(file, sys.stdout.buffer)


def sqlite3_shell(arguments: list[str]) -> None:
    file, *statements = [each for each in arguments if each != "-csv"]
    out = csv.writer(sys.stdout)
    with closing(sqlite3.connect(file)) as database:
        for statement in statements:
            if statement.startswith(".import --csv "):
                name, table = statement.split()[2:]
                with Path(name).open(encoding="utf-8", newline="") as file:
                    rows = list(csv.reader(file))
                columns = ", ".join(f'"{each}" TEXT' for each in rows[0])
                database.execute(f'CREATE TABLE "{table}" ({columns})')
                marks = ", ".join("?" * len(rows[0]))
                database.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows[1:])
                database.commit()
            else:
                out.writerows(database.execute(statement))


def duckdb(arguments: list[str]) -> None:
    import duckdb as library  # noqa: PLC0415 - as above

    *options, _, query = arguments
    assert (options, arguments[-2]) in ((["-csv"], "-c"), ([], "-c"))
    with library.connect() as database:
        found = database.execute(query)
        out = csv.writer(sys.stdout)
        out.writerow(column[0] for column in found.description or ())
        out.writerows(found.fetchall())


TOOLS: dict[str, Callable[[list[str]], None]] = {
    "curl": curl,
    "duckdb": duckdb,
    "jq": jq,
    "sha256sum": sha256sum,
    "sqlite3": sqlite3_shell,
    "zstd": zstd,
}

if __name__ == "__main__":
    TOOLS[sys.argv[1]](sys.argv[2:])

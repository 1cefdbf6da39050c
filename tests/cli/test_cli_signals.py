import json
import shutil
from pathlib import Path

import msgspec
import pytest
import zstandard
from cli_world import Shell

from ledger.records.sketch import format_sketch, sketch_prompts

ENTRIES = "entries.ndjson.zst"


@pytest.fixture
def bulk(made: Shell, tmp_path: Path) -> Path:
    """The folder with the sets of files of a ledger that has its genesis alone."""
    made.ok("export", "--to", tmp_path / "bulk")
    return tmp_path / "bulk"


def test_the_command_prints_the_file_of_the_set_from_files_and_from_the_database(
    made: Shell, bulk: Path, tmp_path: Path
) -> None:
    written = (bulk / "latest" / "signals.json").read_text("utf-8")
    assert made.ok("signals", "--bulk", bulk) == written
    assert made.ok("signals", "--bulk", bulk / "latest") == written
    assert made.ok("signals", "--at", 1) == written
    database = tmp_path / "data" / "ledger.db"
    assert made.ok("signals", "--database", database, "--at", 1) == written
    assert made.ok("signals", "--database", f"sqlite:///{database}", "--at", 1) == written
    found = json.loads(written)
    assert (found["tree_size"], len(found["signals"])) == (1, 5)
    made.ok("export", "--check", bulk / "latest")


def test_the_files_that_the_page_names_are_enough(shell: Shell, made: Shell, bulk: Path) -> None:
    whole = (bulk / "latest").resolve()
    fetched = shell.folder / "fetched"
    fetched.mkdir()
    for name in (ENTRIES, "datapackage.json"):
        shutil.copy(whole / name, fetched)
    assert made.ok("signals", "--bulk", fetched) == (whole / "signals.json").read_text("utf-8")


def test_a_summary_has_a_line_for_each_question(made: Shell, bulk: Path) -> None:
    *lines, last = made.ok("signals", "--bulk", bulk, "--summary").splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "preference_harvest",
        "adapter_sizes",
        "near_ceiling",
        "compute_outlier",
        "member_share",
    ]
    assert all("0 of 0 looked at" in line for line in lines)
    assert last.startswith("1 entries, root ")


def test_a_reference_is_named_with_the_digest_of_its_sketch(made: Shell, bulk: Path) -> None:
    path = made.write("known.json", "")
    path.write_bytes(msgspec.json.encode(format_sketch(sketch_prompts(["a", "b"]))))
    found = json.loads(made.ok("signals", "--bulk", bulk, "--reference", path))
    [reference] = found["references"]
    assert (reference["name"], reference["scale"], reference["hashes"]) == ("known.json", 1, 2)
    path.write_text('{"scale":1,"hashes":["0000000000000002","0000000000000001"]}')
    made("signals", "--bulk", bulk, "--reference", path).refused("known.json is not a sketch")
    path.write_text('{"scale":0,"hashes":[]}')
    made("signals", "--bulk", bulk, "--reference", path).refused("known.json is not a sketch")
    path.write_text("[")
    made("signals", "--bulk", bulk, "--reference", path).refused("known.json is not JSON")


def _pack(path: Path, data: bytes) -> None:
    path.write_bytes(zstandard.ZstdCompressor().compress(data))


def test_entries_that_are_not_those_of_the_set_are_found_with_status_1(
    made: Shell, bulk: Path
) -> None:
    path = (bulk / "latest").resolve() / ENTRIES
    with path.open("rb") as file:
        data = zstandard.ZstdDecompressor().stream_reader(file).read()
    _pack(path, data.replace(b"council", b"counsel"))
    said = made("signals", "--bulk", bulk)
    assert said.status == 1
    assert "and says that it holds 1 with root" in said.err
    assert said.out == ""


def test_files_that_are_none_are_refused_in_a_line(made: Shell, bulk: Path, tmp_path: Path) -> None:
    made("signals", "--bulk", tmp_path / "data").refused("holds no set of bulk files")
    made("signals", "--bulk", bulk, "--at", 1).refused("--bulk goes with neither")
    made("signals", "--at", 99).refused("it has no size 99")
    made("signals", "--database", tmp_path / "none.db").refused("there is no ledger at")
    path = (bulk / "latest").resolve() / ENTRIES
    for data, why in (
        (b"not packed", "is not what zstd packed"),
        (zstandard.ZstdCompressor().compress(b'{"entry":{},"index":0}'), "middle of a line"),
        (zstandard.ZstdCompressor().compress(b'{"entry":{},"index":1}\n'), "where entry 0 is due"),
        (zstandard.ZstdCompressor().compress(b"[1]\n"), "line 1: not an entry"),
        (zstandard.ZstdCompressor().compress(b"a" * 200_000), "line of more than"),
        (zstandard.ZstdCompressor().compress(b""), "no entry"),
    ):
        path.write_bytes(data)
        made("signals", "--bulk", bulk).refused(why)
    path.unlink()
    made("signals", "--bulk", bulk).refused("there is no file")
    path.with_name("datapackage.json").write_text("{}")
    made("signals", "--bulk", bulk).refused("does not say which tree")

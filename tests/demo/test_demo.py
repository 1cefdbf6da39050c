"""The demonstration from outside: it starts, can be verified, lives on, stops, and starts again."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from demo_runner import ROOT, command, demonstration, environment, refused
from ports import free_port

sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests" / "importers"))

import _demo
from trace_world import many_rows, trace_file

JOBS = 80


def size_of(address: str) -> int:
    with urlopen(f"{address}/log/checkpoint", timeout=120) as answer:
        return int(answer.read().split(b"\n")[1])


def verify(address: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "verify.py", address, "--json", "--jobs", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A demonstration that was made, verified and stopped: its folder and its log's size."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    with demonstration("--data", folder, "--port", 0, "--jobs", JOBS, "--no-live") as demo:
        address = demo.address()
        size = size_of(address)
        counts = verify(address)["counts"]
        with urlopen(f"{address}/api/v1/signals", timeout=120) as answer:
            asked = json.loads(answer.read())["data"]["document"]
        assert demo.stop() == 0
    assert 0 < asked["tree_size"] < size
    assert counts["submitted"] == JOBS  # type: ignore[index]
    assert counts["disclosed"] > 30  # type: ignore[index]
    return folder, size


def test_the_log_is_named_as_invented_and_its_authors_too(made: tuple[Path, int]) -> None:
    folder, _ = made
    with demonstration("--data", folder, "--port", free_port(), "--no-live") as demo:
        with urlopen(f"{demo.address()}/log/checkpoint", timeout=120) as answer:
            assert answer.read().startswith(b"demo.invalid/apsci-synthetic\n")
        with urlopen(f"{demo.address()}/log/tile/entries/000.p/1", timeout=120) as answer:
            genesis = json.loads(answer.read()[2:])
    assert len(genesis["authors"]) == 12
    assert all(author["title"].endswith(" (synthetic)") for author in genesis["authors"])


def test_a_second_start_serves_the_same_log_and_stops_cleanly(
    made: tuple[Path, int],
) -> None:
    folder, size = made
    with demonstration("--data", folder, "--port", free_port(), "--no-live") as demo:
        address = demo.address()
        assert size_of(address) >= size
        assert demo.stop() == 0
    assert demo.said[-1] == "demo: stopped; the next start goes on from here\n"
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(address.rpartition(":")[2])))


def test_it_lives_on_and_what_it_adds_verifies(made: tuple[Path, int]) -> None:
    folder, _ = made
    with demonstration("--data", folder, "--port", free_port()) as demo:
        address = demo.address()
        first = size_of(address)
        patience = time.monotonic() + 120
        while size_of(address) < first + 2:
            assert time.monotonic() < patience, demo.said
            time.sleep(0.2)
        verify(address)
        assert not [line for line in demo.said if "not taken" in line]


def test_two_at_once_are_one_too_many(made: tuple[Path, int]) -> None:
    folder, _ = made
    with demonstration("--data", folder, "--port", free_port(), "--no-live") as demo:
        port = demo.address().rpartition(":")[2]
        assert "another demonstration is running in" in refused("--data", folder, "--port", 0)
        assert f"cannot listen on 127.0.0.1 port {port}" in refused("--port", port)


def test_a_start_that_was_killed_is_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with demonstration("--data", folder, "--port", free_port(), "--jobs", 300, "--no-live") as demo:
        note = folder / "keys" / "imports" / "synthetic.done"
        patience = time.monotonic() + 120
        while not note.exists() or int(note.read_text("ascii")) < 20:
            assert time.monotonic() < patience
            time.sleep(0.01)
        demo.process.kill()
        demo.process.wait()
    assert json.loads((folder / "demo.json").read_text("utf-8"))["complete"] is False
    with demonstration("--data", folder, "--port", free_port(), "--no-live") as demo:
        counts = verify(demo.address())["counts"]
    assert counts["submitted"] == 300  # type: ignore[index]


def test_keys_without_a_ledger_are_made_anew(tmp_path: Path, made: tuple[Path, int]) -> None:
    note = json.loads((made[0] / "demo.json").read_text("utf-8"))
    (tmp_path / "keys" / "authors").mkdir(parents=True)
    (tmp_path / "keys" / "authors" / "qwen.key").write_text("half", "ascii")
    now = int(time.time())
    note |= {"complete": False, "start": now - 150 * 86_400, "end": now, "jobs": 20}
    (tmp_path / "demo.json").write_text(json.dumps(note), "utf-8")
    with demonstration("--data", tmp_path, "--port", free_port(), "--no-live") as demo:
        assert size_of(demo.address()) > 60


def test_a_trace_is_replayed_up_to_now(tmp_path: Path) -> None:
    path = trace_file(tmp_path, *many_rows(30, days=120))
    with demonstration("--data", tmp_path / "d", "--port", free_port(), "--trace", path) as demo:
        address = demo.address()
        found = verify(address)
        said = "".join(demo.said)
    assert "30 rows: 30 tasks replayed, 0 rows skipped" in said
    assert found["origin"] == "demo.invalid/apsci-trace-replay"
    assert "holds another demonstration" in refused("--data", tmp_path / "d", "--port", 0)


@pytest.mark.parametrize(
    ("option", "values", "said"),
    [
        ("--port", ["70000", "-1", "http", "٣", "80_80"], "is not a port: 0 to 65535"),
        ("--jobs", ["0", "many", "100001", "-3"], "is not a number of jobs: 1 to 100000"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(
    option: str, values: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in values:
        with pytest.raises(SystemExit) as ended:
            _demo.main([f"{option}={value}"])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


def test_a_folder_that_cannot_be_used_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine", "utf-8")
    for folder in (file, file / "below", "/proc/none"):
        said = refused("--port", 0, "--data", folder)
        assert said.startswith("demo: cannot use")
        assert said.count("\n") == 1
    assert "holds something else" in refused("--port", 0, "--data", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_damaged_note_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{", "utf-8")
    assert "demo.json is damaged: remove" in refused("--port", 0, "--data", tmp_path)


def test_a_trace_that_is_none_is_refused(tmp_path: Path) -> None:
    said = refused("--port", 0, "--data", tmp_path / "d", "--trace", tmp_path / "none.csv")
    assert "cannot read" in said
    path = trace_file(tmp_path)
    said = refused("--port", 0, "--data", tmp_path / "e", "--trace", path)
    assert "no task that ran on GPUs" in said


def test_without_a_home_it_lies_in_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/nowhere")
    assert _demo._user_folder().parent == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert _demo._user_folder() == tmp_path / "me" / ".local" / "share"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "x"))
    assert _demo._user_folder() == tmp_path / "x"


def test_the_script_itself_says_what_it_takes() -> None:
    text = (ROOT / "scripts" / "demo").read_text("utf-8")
    assert '_setup.enter("run")' in text
    done = subprocess.run(
        command("--help"), env=environment(), capture_output=True, text=True, check=True
    )
    for option in ("--port", "--data", "--trace", "--no-live", "--host", "--jobs"):
        assert option in done.stdout

import json
import re
import signal
import sqlite3
from pathlib import Path
from urllib.request import urlopen

import pytest
from cli_world import CANARY, ORIGIN, SUBMISSION, Shell, eventually_gone, process
from ports import free_port

from ledger.settings import load_settings


def url(path: str) -> str:
    return load_settings().public_url + path


def submit(shell: Shell, name: str, author: str = "deepseek") -> str:
    shell.write(f"{name}.toml", SUBMISSION)
    return shell.ok("submit", f"{name}.toml", "--key", shell.author(author))


def job_of(shell: Shell, receipt: str) -> str:
    found = re.search(r"^job: (\w{26})$", shell.ok("verify-proof", receipt), re.MULTILINE)
    assert found is not None
    return found[1]


def test_a_record_from_its_submission_to_its_opening(served: Shell) -> None:
    shell = served
    text = submit(shell, "s")
    assert re.search(r"^index: 1 \(submitted, logged at 20", text)
    assert "decision: admitted (index 2)" in text
    assert "verified under ledger.example/cli+" in text
    receipt = shell.folder / "s.tlog-proof"
    before = receipt.read_bytes()
    assert CANARY.encode() not in before

    # A receipt is never overwritten, and nothing is posted where it could not be kept.
    shell("submit", "s.toml", "--key", shell.author("deepseek")).refused("never overwritten")
    shell("submit", "s.toml", "--key", shell.author("deepseek"), "--receipt", "no/where").refused(
        "no/where.unanswered: No such file"
    )
    assert receipt.read_bytes() == before
    assert "size:          3\n" in shell.ok("status")

    # Its own author opens it, and nobody else.
    job = job_of(shell, "s.tlog-proof")
    shell("open", job, "--key", shell.author("qwen")).refused("nothing that qwen has sealed")
    shell("open", "1", "--key", shell.author("qwen")).refused("only its author")
    shell("open", "0", "--key", shell.author("deepseek")).refused("about no job")
    shell("open", "99", "--key", shell.author("deepseek")).refused("HTTP 404")
    shell("open", "frob", "--key", shell.author("deepseek")).refused("neither a job's ID")
    assert "entry 1 is open" in shell.ok("open", job, "--key", shell.author("deepseek"))
    shell("open", job, "--key", shell.author("deepseek"), "--receipt", "x").refused("nothing that")

    # From now on the receipt shows what was sealed, and it is checked against the commitment.
    with urlopen(url("/entries/1.proof"), timeout=120) as answer:
        shell.folder.joinpath("open.tlog-proof").write_bytes(answer.read())
    assert "opening: it is what the entry committed to" in shell.ok(
        "verify-proof", "open.tlog-proof"
    )
    assert shell.ok("fsck", "--second-opinion").endswith("\n")
    assert "opened:        1\n" in shell.ok("status")


def test_a_job_that_the_charter_rejects_is_logged_and_says_why(served: Shell) -> None:
    served.write("r.toml", SUBMISSION.replace("eval_suite", "rlhf"))
    text = served.ok("submit", "r.toml", "--key", served.author("qwen"))
    assert "decision: rejected (index 2)" in text
    assert "R1_forbidden_workload: " in text


def test_a_statement_can_be_json_and_name_its_job(served: Shell) -> None:
    statement = {
        "kind": "submitted",
        "schema": "job-submitted/1",
        "job_id": "01JD9ZZZZZZZZZZZZZZZZZZZZZ",
        "made_at": "2026-11-21T19:00:00Z",
        "public": {
            "workload_type": "eval_suite",
            "gradient_scope": "none",
            "optimizer_targets": [],
            "accelerator": "nvidia_h200",
            "gpu_count": 8,
            "wall_limit_seconds": 3600,
            "egress_ceiling_bytes": 1_000_000,
        },
    }
    served.write("s.json", json.dumps(statement, indent=2))
    served.ok("submit", "s.json", "--key", served.author("zhipu"), "--receipt", "a.proof")
    assert job_of(served, "a.proof") == "01JD9ZZZZZZZZZZZZZZZZZZZZZ"
    # The same job again is another statement, with another seed: the log says so.
    said = served("submit", "s.json", "--key", served.author("zhipu"), "--receipt", "b.proof")
    said.refused("HTTP 409: job 01JD9Z")
    assert not served.folder.joinpath("b.proof").exists()


def test_the_council_adds_a_key_and_retires_it(served: Shell) -> None:
    vkey = served.ok("keys", "new", f"{ORIGIN}/newlab").strip()
    key = served.folder / "newlab.key"
    served.write("s.toml", SUBMISSION)
    served("submit", "s.toml", "--key", key).refused("HTTP 403")
    about = ["--name", "newlab", "--role", "member", "--title", "New Lab", "--vkey", vkey]
    served("registry", "add", *about, "--key", served.author("qwen")).refused("HTTP 403")
    served.ok("registry", "add", *about, "--key", served.author("council"))
    served.ok("submit", "s.toml", "--key", key)
    served.ok("registry", "retire", *about, "--key", served.author("council"))
    served("submit", "s.toml", "--key", key, "--receipt", "x").refused("retired")


def test_a_key_of_another_log_and_a_log_key_of_another_log_are_refused(served: Shell) -> None:
    other = served.ok("keys", "new", "elsewhere.example/log/deepseek").strip()
    served.write("s.toml", SUBMISSION)
    said = served("submit", "s.toml", "--key", served.folder / "deepseek.key")
    said.refused("is for the log elsewhere.example/log")
    own = served.author("deepseek")
    served("submit", "s.toml", "--key", own, "--vkey", other).refused("the log")
    served("submit", "s.toml", "--key", own, "--vkey", "nonsense").refused("--vkey")


def test_a_receipt_verifies_offline_and_a_changed_one_does_not(served: Shell) -> None:
    submit(served, "s")
    with urlopen(url("/log/vkey"), timeout=120) as answer:
        vkey = answer.read().decode().strip()
    receipt = served.folder / "s.tlog-proof"
    text = receipt.read_text("utf-8")
    assert served("verify-proof", receipt, "--vkey", vkey).status == 0
    policy = served.write("policy", f"log {vkey}\nquorum none\n")
    assert served("verify-proof", receipt, "--policy", policy).status == 0
    served("verify-proof", receipt, "--policy", policy, "--vkey", vkey).refused("one of the two")
    for changed in (text.replace("index 1", "index 0"), text.replace("\n3\n", "\n4\n")):
        assert changed != text
        said = served("verify-proof", served.write("changed", changed), "--vkey", vkey)
        assert said.status == 1
        assert said.err.startswith("ledger: ")
        assert "does not verify" in said.err
    for name, content in (("empty", ""), ("text", "hello\n")):
        served("verify-proof", served.write(name, content), "--vkey", vkey).refused("not a receipt")
    served("verify-proof", "none").refused("none: No such file")
    entry = served.folder / "entry"
    with sqlite3.connect(served.folder / "data" / "ledger.db") as database:
        rows = dict(database.execute("SELECT leaf_index, data FROM entries"))
    database.close()
    entry.write_bytes(rows[1])
    assert served("verify-proof", receipt, "--entry", entry).status == 0
    entry.write_bytes(rows[2])
    assert served("verify-proof", receipt, "--entry", entry).status == 1


def test_only_one_process_writes_a_sqlite_ledger(served: Shell) -> None:
    for command in ("serve", "worker", "publish-due", "rebuild"):
        served(command).refused(r"another process \(pid \d+\) is writing", "PostgreSQL")
    assert served("status").status == 0
    assert served("fsck").status == 0


def test_a_port_that_is_taken_is_said_to_be(
    served: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "second"))
    served.ok("init", "--origin", ORIGIN)
    served("serve").refused("cannot listen on 127.0.0.1 port .*in use")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
def test_a_server_stops_quietly_and_gives_the_ledger_back(
    made: Shell, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    with process(["serve"], wait_for="serving ") as (server, heard):
        assert heard.startswith(f"serving {ORIGIN} at {url('')} (process {server.pid})")
        submit(made, "s")
        server.send_signal(number)
        rest, _ = server.communicate(timeout=120)
        assert server.returncode == status
        assert "Traceback" not in rest
    assert "opened 0 entries; the next deadline is 20" in made.ok("publish-due")
    assert made.ok("fsck").startswith("sound: 3 entries checked")


def test_a_server_whose_parent_is_killed_ends_too(
    made: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    with process(["serve"], wait_for="serving ") as (server, _):
        lock = made.folder / "data" / "ledger.db.writer"
        child = int(lock.read_text("ascii"))
        assert child != server.pid
        server.kill()
        server.wait(120)
        assert eventually_gone(child)
    assert made("publish-due").status == 0


def test_servers_and_workers_share_a_postgresql_ledger(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, postgresql_url: str
) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", postgresql_url)
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    monkeypatch.setenv("LEDGER_PROCESSES", "2")
    shell.ok("init", "--origin", ORIGIN, "--demo")
    with (
        process(["serve"], wait_for="serving "),
        process(["worker"], wait_for="opening what is due") as (worker, heard),
    ):
        assert "nothing is sealed" in heard
        submit(shell, "s")
        assert "opened 0 entries" in shell.ok("publish-due")
        assert "from 3 entries" in shell.ok("rebuild")
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=120)
        assert worker.returncode == 0
    assert shell.ok("fsck").startswith("sound: 3 entries checked")


def test_a_worker_on_its_own_is_ended_by_ctrl_c(made: Shell) -> None:
    with process(["worker"], wait_for="opening what is due") as (worker, _):
        worker.send_signal(signal.SIGINT)
        rest, _ = worker.communicate(timeout=120)
        assert worker.returncode == 130
        assert "Traceback" not in rest


def test_what_is_sealed_is_in_no_output_and_no_file_but_the_authors_own(served: Shell) -> None:
    text = submit(served, "s")
    for command in ("status", "fsck", "settings"):
        text += served.ok(command)
    assert CANARY not in text
    kept = [path for path in served.folder.rglob("*") if path.is_file()]
    holders = {path.name for path in kept if CANARY.encode() in path.read_bytes()}
    assert holders == {"s.toml"}
    secrets = [path.read_text("ascii").strip() for path in served.keys.rglob("*.key")]
    assert not any(secret.removeprefix("PRIVATE+KEY+") in text for secret in secrets)
    assert not any(secret.split("+", 4)[-1] in text for secret in secrets if "KEY" in secret)

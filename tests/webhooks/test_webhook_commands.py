"""``ledger webhooks``, and servers and workers that are told of a file of webhooks."""

import json
import re
import stat

import pytest
from cli_world import SUBMISSION, Shell, process
from ports import free_port
from webhook_world import SECRET, Receiver

from ledger import keys
from ledger.assembly import Ledger, system_clock
from ledger.assembly.webhooks import courier
from ledger.cli.common import settings_with_log
from ledger.records.authoring import author_statement
from ledger.settings import load_settings
from ledger.webhooks import schedule
from ledger.webhooks.config import read_webhooks
from ledger.webhooks.signing import format_secret, parse_secret


@pytest.fixture
def hooked(made: Shell, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell beside a ledger with one webhook in its file."""
    keys.write_secret(made.folder / "one.secret", format_secret(SECRET))
    made.write("hooks.toml", _table("newsroom", receiver.url))
    monkeypatch.setenv("LEDGER_WEBHOOKS", "hooks.toml")
    return made


def _table(name: str, url: str) -> str:
    return f"""
[[webhook]]
name = "{name}"
url = "{url}"
secret_file = "one.secret"
events = ["submitted", "checkpoints"]
allow_private = true
"""


def _tell(shell: Shell, jobs: int, *, at: int | None = None) -> int:
    """Log jobs and work off what is to be sent, as the worker does; how many attempts."""
    settings = settings_with_log()
    ledger = Ledger(settings, clock=system_clock if at is None else lambda: at)
    try:
        signer = keys.read_signer(shell.author("deepseek"))
        made = courier(ledger, read_webhooks(settings.webhooks)[0])
        attempts = made.work()
        for number in range(jobs):
            body = author_statement(
                signer=signer,
                kind="submitted",
                schema="job-submitted/1",
                public={
                    "workload_type": "eval_suite",
                    "gradient_scope": "none",
                    "optimizer_targets": [],
                    "accelerator": "nvidia_h200",
                    "gpu_count": 8,
                    "wall_limit_seconds": 3600,
                    "egress_ceiling_bytes": 1_000_000,
                },
                made_at="2026-11-21T11:59:00Z",
                job_id=f"0{number:025}",
                sealed={"title": "canary-sealed-value"},
                seed=bytes([number]) * 32,
            )
            ledger.submit(body).result(60)
        return attempts + made.work()
    finally:
        ledger.close()


def test_a_new_secret_is_a_private_file(shell: Shell) -> None:
    said = shell.ok("webhooks", "secret", "--out", "new.secret")
    path = shell.folder / "new.secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text().strip()
    assert len(parse_secret(text)) == 32
    assert text not in said
    shell("webhooks", "secret", "--out", "new.secret").refused("exists already")
    assert path.read_text().strip() == text


@pytest.mark.parametrize("command", ["list", "dead", "test newsroom", "enable newsroom"])
def test_without_a_file_it_says_what_to_set(made: Shell, command: str) -> None:
    made("webhooks", *command.split()).refused("LEDGER_WEBHOOKS is not set")


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["webhooks", "list"]])
def test_a_bad_file_is_one_line_at_the_start(hooked: Shell, command: list[str]) -> None:
    hooked.write("hooks.toml", _table("newsroom", "https://user:canary@receiver.example/"))
    said = hooked(*command)
    said.refused(r"hooks\.toml: webhook newsroom: url: it holds a user name")
    assert len(said.err.splitlines()) == 1
    assert "canary" not in said.err


def test_the_file_is_found_beside_the_settings_file(
    hooked: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEDGER_WEBHOOKS")
    (hooked.folder / "data" / "ledger.toml").write_text('webhooks = "../hooks.toml"\n')
    assert load_settings().webhooks == hooked.folder / "data" / ".." / "hooks.toml"
    assert "newsroom" in hooked.ok("webhooks", "list")


def test_the_list_says_how_each_is_getting_on(hooked: Shell, receiver: Receiver) -> None:
    assert "has not begun" in hooked.ok("webhooks", "list")
    hooked("webhooks", "enable", "newsroom").refused("has not begun yet")
    assert _tell(hooked, 2) == 4
    said = hooked.ok("webhooks", "list")
    host = receiver.url.partition("/hook")[0]
    for line in (
        f"to:           {host}",
        "events:       submitted, checkpoints",
        "state:        active",
        "behind by:    0 entries, told up to 5",
        "failures:     0 in a row",
        "waiting:      0 to be tried again",
        "dead:         0",
    ):
        assert line in said
    assert re.search(r"last success: 20\d\d-", said)
    assert "canary" not in said
    hooked.write("hooks.toml", _table("other", receiver.url))
    assert "newsroom\n    state:        not in the file" in hooked.ok("webhooks", "list")


def test_what_is_refused_shows_in_the_list_and_goes_on_when_enabled(
    hooked: Shell, receiver: Receiver
) -> None:
    receiver.answer = lambda _got: (410, {})
    assert _tell(hooked, 1) == 1
    said = hooked.ok("webhooks", "list")
    assert "disabled (answered with 410); `ledger webhooks enable newsroom`" in said
    assert "behind by:    2 entries" in said
    receiver.answer = lambda _got: (500, {})
    assert hooked.ok("webhooks", "enable", "newsroom") == "newsroom goes on\n"
    assert _tell(hooked, 0) == 2
    said = hooked.ok("webhooks", "list")
    assert "waiting:      2 to be tried again" in said
    assert re.search(r"last failure: 20.*Z: answered with 500", said)


def test_dead_letters_are_listed_and_tried_again(hooked: Shell, receiver: Receiver) -> None:
    receiver.answer = lambda _got: (500, {})
    assert hooked.ok("webhooks", "dead") == "there are no dead letters\n"
    assert hooked.ok("webhooks", "dead", "--json") == ""
    now = 1_800_000_000
    attempts = _tell(hooked, 1, at=now)
    while attempts:
        now += 2 * max(schedule.DELAYS_S)
        hooked.ok("webhooks", "enable", "newsroom")
        attempts = _tell(hooked, 0, at=now)
    found = [json.loads(line) for line in hooked.ok("webhooks", "dead", "--json").splitlines()]
    assert [each["type"] for each in found] == ["job.submitted", "checkpoint.published"]
    assert {each["attempts"] for each in found} == {10}
    assert {each["id"] for each in found} == set(receiver.ids)
    assert f"{found[0]['id']} newsroom: job.submitted 1, 10 attempts" in hooked.ok(
        "webhooks", "dead"
    )
    assert "dead:         2; see" in hooked.ok("webhooks", "list")
    receiver.answer = lambda _got: (204, {})
    hooked("webhooks", "retry").refused("--all NAME")
    hooked("webhooks", "retry", "x", "--all", "newsroom").refused("--all NAME")
    hooked("webhooks", "retry", "msg_nothing").refused("there is no dead letter 'msg_nothing'")
    hooked("webhooks", "retry", "--all", "nobody").refused("there is no webhook 'nobody'")
    assert hooked.ok("webhooks", "retry", found[0]["id"]) == "1 to be tried again\n"
    assert hooked.ok("webhooks", "retry", "--all", "newsroom") == "1 to be tried again\n"
    hooked.ok("webhooks", "enable", "newsroom")
    before = len(receiver.got)
    assert _tell(hooked, 0, at=2_000_000_000) == 2
    assert {each.id for each in receiver.got[before:]} == {each["id"] for each in found}
    assert hooked.ok("webhooks", "dead") == "there are no dead letters\n"


def test_a_test_message_is_signed_and_its_answer_shown(hooked: Shell, receiver: Receiver) -> None:
    said = hooked.ok("webhooks", "test", "newsroom")
    (got,) = receiver.got
    assert got.is_signed_by(SECRET)
    assert got.event["type"] == "webhook.test"
    assert got.event["data"]["webhook"] == "newsroom"
    assert f"took {got.id} in" in said
    assert "canary" not in said
    receiver.answer = lambda _got: (403, {})
    hooked("webhooks", "test", "newsroom").refused(r"newsroom \(http://127.*\): answered with 403")
    hooked("webhooks", "test", "nobody").refused(
        "there is no webhook 'nobody'; there are: newsroom"
    )


def test_a_server_tells_its_webhooks_and_the_commands_work_beside_it(
    hooked: Shell, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    hooked.write("job.toml", SUBMISSION)
    _tell(hooked, 0)
    with process(["serve"], wait_for="serving "):
        hooked.ok("submit", "job.toml", "--key", hooked.author("deepseek"), "--receipt", "r.proof")
        got = receiver.wait_for(2)
        assert "state:        active" in hooked.ok("webhooks", "list")
        hooked.ok("webhooks", "enable", "newsroom")
    assert [each.event["type"] for each in got] == ["job.submitted", "checkpoint.published"]
    assert all(each.is_signed_by(SECRET) for each in got)
    assert b"canary-sealed-value" not in b"".join(each.body for each in got)


def test_a_worker_tells_them_where_servers_do_not(hooked: Shell, receiver: Receiver) -> None:
    _tell(hooked, 0)
    receiver.answer = lambda _got: (500, {})
    assert _tell(hooked, 1) == 2
    receiver.answer = lambda _got: (204, {})
    with process(["worker"], wait_for="opening what is due"):
        got = receiver.wait_for(4)
    assert {each.id for each in got[2:]} == {each.id for each in got[:2]}

"""A server that may do no more than it needs, and that goes on while its owner migrates."""

import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
from cli_world import ORIGIN, SUBMISSION, Shell, process
from migrations_ahead import program_of_tomorrow
from ports import free_port
from posting import Load, check_kept
from psycopg import errors
from statements_in_time import Clerk
from webhook_world import SECRET, Receiver

from ledger import keys
from ledger.assembly import Ledger
from ledger.assembly.webhooks import courier
from ledger.records.deadline import format_time
from ledger.settings import load_settings
from ledger.storage import tables
from ledger.storage.store import Store
from ledger.webhooks.config import read_webhooks
from ledger.webhooks.signing import format_secret

JOB = "01JD9ZZZZZZZZZZZZZZZZZZZZZ"
PAST = [table.name for table in tables.APPEND_ONLY]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def shell(
    postgresql_url: str,
    receiver: Receiver,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Shell:
    """A ledger that its owner made, and the settings of a server that is none of its owners."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LEDGER_DATABASE_URL", postgresql_url)
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    made = Shell(tmp_path, capsys)
    vkey = re.search(
        r"^log key: (.*)$", made.ok("init", "--origin", ORIGIN, "--demo"), re.MULTILINE
    )
    assert vkey is not None
    made.write("vkey", vkey[1])
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN CREATE USER site IN ROLE ledger_writer;"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
    keys.write_secret(tmp_path / "one.secret", format_secret(SECRET))
    made.write(
        "hooks.toml",
        f'[[webhook]]\nname = "newsroom"\nurl = "{receiver.url}"\nsecret_file = "one.secret"\n'
        'events = ["submitted", "published"]\nallow_private = true\n',
    )
    monkeypatch.setenv("LEDGER_WEBHOOKS", "hooks.toml")
    monkeypatch.setenv("LEDGER_INLINE_WORKER", "true")
    monkeypatch.setenv("LEDGER_SWEEP_SECONDS", "1")
    monkeypatch.setenv("LEDGER_DATABASE_URL", as_the_site(postgresql_url))
    return made


def as_the_site(url: str) -> str:
    return url.replace("//postgres@", "//site@")


def test_the_whole_way_in_works_as_the_writer_while_the_owner_migrates(
    shell: Shell,
    postgresql_url: str,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    port = int(os.environ["LEDGER_PORT"])
    # What webhooks are told begins where they are first looked at.
    settings = load_settings()
    ledger = Ledger(settings)
    assert courier(ledger, read_webhooks(settings.webhooks)[0]).work() == 0
    ledger.close()
    with process(["serve"], wait_for="serving "):
        the_whole_way_in(shell, receiver)

        # The program of tomorrow migrates under the server of today.
        load = Load(Clerk(shell.author("deepseek")), port)
        load.start()
        try:
            load.wait_for(3)
            with program_of_tomorrow(tmp_path):
                owner = Store(postgresql_url)
                assert owner.migrate()[1] == "9999"
                owner.close()
            load.wait_for(3)
        finally:
            load.stop()
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=120) as reply:
            assert reply.status == 200
    assert set(load.statuses) <= {200, 201, 503}
    check_kept(postgresql_url, load.answers, (shell.folder / "vkey").read_text())
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        index = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'entries_tomorrow'::regclass"
        assert connection.execute(index).fetchone() == (True,)
    assert shell.ok("fsck").startswith("sound: ")


def the_whole_way_in(shell: Shell, receiver: Receiver) -> None:
    """Statement, start, artifact in and out, disclosure by the worker, and a webhook told of it."""
    shell.write("s.toml", f'job_id = "{JOB}"\n{SUBMISSION}')
    shell.ok("submit", "s.toml", "--key", shell.author("deepseek"), "--receipt", "s.proof")
    started = f"""
job_id = "{JOB}"
kind = "started"
schema = "job-started/1"

[public]
started_at = "{format_time(int(time.time()))}"
gpu_count = 8
"""
    shell.write("started.toml", started)
    shell.ok("submit", "started.toml", "--key", shell.author("orchestrator"))
    data = secrets.token_bytes(3_000)
    (shell.folder / "data.bin").write_bytes(data)
    put = ("--job", JOB, "--name", "data.bin", "--key", shell.author("gateway"))
    said = shell.ok("artifact", "put", "data.bin", *put, "--class", "opaque")
    found = re.search(r"^artifact: (\w{26}) ", said, re.MULTILINE)
    assert found is not None
    get = ("artifact", "get", "data.bin", "--job", JOB, "--out", "part", "--id", found[1])
    shell.ok(*get, "--key", shell.author("deepseek"), "--bytes", 1_000)
    assert (shell.folder / "part").read_bytes() == data[:1_000]
    assert "is open" in shell.ok("open", JOB, "--key", shell.author("deepseek"))
    told = {each.event["type"] for each in receiver.wait_for(2)}
    assert told == {"job.submitted", "record.published"}


def test_the_role_that_the_migration_made_cannot_touch_the_past(
    shell: Shell, postgresql_url: str
) -> None:
    forbidden = [f"{verb} {name}" for verb in ("DELETE FROM", "TRUNCATE") for name in PAST]
    forbidden += [f"ALTER TABLE {name} DISABLE TRIGGER ALL" for name in PAST]
    forbidden += [f"ALTER TABLE {name} ADD COLUMN mine int" for name in PAST]
    forbidden += [f"DROP TABLE {name}" for name in PAST]
    forbidden += [f"CREATE TRIGGER t BEFORE INSERT ON {name} EXECUTE FUNCTION x()" for name in PAST]
    forbidden += [
        "UPDATE entries SET data = ''",
        "UPDATE tiles SET hashes = ''",
        "UPDATE checkpoints SET note = ''",
        "UPDATE disclosures SET disclosed_index = 0",
        "UPDATE openings SET ciphertext = ''",
        "UPDATE alembic_version SET version_num = 'x'",
        "DELETE FROM embargoes",
        "DELETE FROM log_head",
        "CREATE ROLE mine",
    ]
    assert {table.name for table in tables.APPEND_ONLY} <= set(" ".join(forbidden).split())
    with psycopg.connect(as_the_site(postgresql_url), autocommit=True) as connection:
        for statement in forbidden:
            with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedFunction)):
                connection.execute(statement.encode())

import json
import re
import sqlite3
import stat
import tomllib
from pathlib import Path

import psycopg
import pytest
from cli_world import ORIGIN, SUBMISSION, Shell

from ledger.__main__ import COMMANDS as NAMES
from ledger.records.wire import convert
from ledger.settings import load_settings
from ledger.tlog.note import generate_key, parse_vkey
from schemas.values import Vkey, Wire

COMMANDS = sorted(NAMES)


class Registered(Wire, frozen=True):
    vkey: Vkey


AUTHORS = """
[[authors]]
name = "council"
role = "council"
title = "The council"
vkey = "{council}"

[[authors]]
name = "deepseek"
role = "member"
title = "DeepSeek"
vkey = "{deepseek}"
"""


def test_every_command_of_the_design_is_there() -> None:
    assert (
        sorted(
            [
                "init",
                "serve",
                "worker",
                "keys",
                "log-key",
                "registry",
                "submit",
                "open",
                "publish-due",
                "artifact",
                "export",
                "mirror",
                "witness",
                "witnesses",
                "webhooks",
                "fsck",
                "rebuild",
                "backup",
                "recover",
                "roles",
                "receipt",
                "admit-check",
                "admit-pods",
                "admit-webhook",
                "admit-workload",
                "report-jobs",
                "charter",
                "check",
                "sketch",
                "slurm",
                "signals",
                "weights",
                "import-jobs",
                "import-trace",
                "verify-proof",
                "migrate",
                "status",
                "settings",
                "deploy",
            ]
        )
        == COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(shell: Shell, command: str) -> None:
    text = shell.ok(command, "--help")
    assert text.startswith(f"Usage: ledger {command}")
    assert len(text) > 150
    assert not shell.folder.joinpath("data").exists()


def test_the_help_lists_every_command_and_no_command_shows_the_help(shell: Shell) -> None:
    text = shell.ok("--help")
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w", text, re.MULTILINE)
    assert shell("-h").out == text


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["frob"], "frob"),
        (["init"], "--origin"),
        (["init", "--origin"], "--origin"),
        (["serve", "--port", "x"], "x"),
        (["serve", "--port", "0"], "LEDGER_PORT"),
        (["status", "extra"], "extra"),
        (["submit"], "FILE"),
        (["registry", "frob"], "frob"),
        (["fsck", "--now", "yesterday"], "--now"),
    ],
)
def test_a_wrong_call_is_one_line(shell: Shell, arguments: list[str], word: str) -> None:
    said = shell(*arguments)
    said.refused(re.escape(word))
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "serve", "worker", "publish-due", "fsck", "rebuild"])
def test_where_no_ledger_is_it_says_how_to_make_one(shell: Shell, command: str) -> None:
    shell(command).refused("ledger init")
    assert not shell.folder.joinpath("data").exists()


@pytest.mark.parametrize("command", ["status", "init", "serve", "settings", "fsck"])
def test_a_wrong_setting_is_refused_with_name_value_and_what_is_allowed(
    made: Shell, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("LEDGER_SWEEP_SECONDS", "700")
    monkeypatch.setenv("LEDGER_PROT", "8000")
    options = ["--origin", ORIGIN] if command == "init" else []
    said = made(command, *options)
    said.refused("LEDGER_SWEEP_SECONDS is '700'.*allowed: 1 to 60", "LEDGER_PROT.*LEDGER_PORT")


# --- init -----------------------------------------------------------------------------------------


def test_a_new_ledger_has_its_keys_its_genesis_and_a_signed_checkpoint(shell: Shell) -> None:
    text = shell.ok("init", "--origin", ORIGIN)
    vkey = re.search(r"^log key: (.*)$", text, re.MULTILINE)
    assert vkey is not None
    assert parse_vkey(vkey[1]).name == ORIGIN
    assert {path.name for path in shell.keys.iterdir()} == {
        "log.key", "openings.key", "signer.memory", "authors",
    }  # fmt: skip
    names = {path.stem for path in (shell.keys / "authors").iterdir()}
    assert names == {"operator", "council", "orchestrator", "gateway", "committee"}
    for path in shell.keys.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert "agrees with the database at size 1" in shell.ok("status")
    assert "hand each to its author" in text


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("https://ledger.example/apsci", "without scheme"),
        ("ledger.example/", "slash at its ends"),
        ("ledger.example/a\x7f", "cannot be printed"),
        ("ledger.example/" + "a" * 86, "101 characters, where 100 are the most"),
        ("ledger example", "a space"),
        ("", "1 to 255"),
    ],
)
def test_a_name_that_a_log_would_regret_is_refused_and_leaves_nothing(
    shell: Shell, origin: str, said: str
) -> None:
    shell("init", "--origin", origin).refused(f"--origin: .*{said}")
    assert not shell.folder.joinpath("data").exists()


def test_every_name_of_an_author_fits_beside_the_longest_name_of_a_log(shell: Shell) -> None:
    origin = "ledger.example/" + "a" * 85
    shell.ok("init", "--origin", origin)
    _, vkey = generate_key(f"{origin}/{'z' * 39}", bytes(32))
    convert({"vkey": vkey}, Registered, at="")


def test_a_demo_has_the_seven_labs_and_says_that_their_keys_are_a_demo(made: Shell) -> None:
    names = {path.stem for path in (made.keys / "authors").iterdir()}
    assert len(names) == 12
    with sqlite3.connect(made.folder / "data" / "ledger.db") as database:
        entry = json.loads(database.execute("SELECT data FROM entries").fetchone()[0])
    database.close()
    members = [a["title"] for a in entry["authors"] if a["role"] == "member"]
    assert len(members) == 7
    assert all(title.endswith("(demo key)") for title in members)


def test_founding_authors_and_a_charter_can_be_given(shell: Shell) -> None:
    vkeys = {
        name: shell.ok("keys", "new", f"{ORIGIN}/{name}").strip()
        for name in ("council", "deepseek")
    }
    authors = shell.write("authors.toml", AUTHORS.format(**vkeys))
    charter = shell.write(
        "charter.toml",
        "embargo_days = 30\negress_ceiling_bytes = 5\ngpu_total = 8\n"
        'allowed_workloads = ["eval_suite"]\nforbidden_workloads = ["rlhf"]\n',
    )
    shell.ok("init", "--origin", ORIGIN, "--authors", authors, "--charter", charter)
    assert not (shell.keys / "authors").exists()
    with sqlite3.connect(shell.folder / "data" / "ledger.db") as database:
        entry = json.loads(database.execute("SELECT data FROM entries").fetchone()[0])
    database.close()
    assert entry["charter"]["embargo_days"] == 30
    assert [author["vkey"] for author in entry["authors"]] == list(vkeys.values())


@pytest.mark.parametrize(
    ("options", "patterns"),
    [
        (["--origin", "two words"], ["--origin"]),
        (["--origin", ""], ["--origin"]),
        (["--authors", "none.toml"], ["none.toml: No such file"]),
        (["--authors", "."], [r"\.toml"]),
        (["--authors", "unknown.toml"], ["unknown.toml: authors.0..nickname: unknown field"]),
        (["--authors", "other.toml"], [r"authors\[0\].vkey", "ledger.example/cli/council"]),
        (["--authors", "lonely.toml"], ["council"]),
        (["--charter", "long.toml"], ["long.toml: .*embargo_days"]),
        (["--charter", "broken.toml"], ["broken.toml is not TOML"]),
        (["--authors", "lonely.toml", "--demo"], ["--demo"]),
    ],
)
def test_a_refused_beginning_leaves_nothing(
    shell: Shell, options: list[str], patterns: list[str]
) -> None:
    other = shell.ok("keys", "new", "elsewhere.example/x/council", "--out", "other.key").strip()
    own = shell.ok("keys", "new", f"{ORIGIN}/deepseek").strip()
    shell.write("other.toml", AUTHORS.format(council=other, deepseek=own))
    lonely = AUTHORS.format(council=other, deepseek=own).split("\n\n")[1]
    shell.write("lonely.toml", lonely)
    shell.write("unknown.toml", lonely + '\nnickname = "whale"\n')
    shell.write(
        "long.toml",
        "embargo_days = 91\negress_ceiling_bytes = 5\ngpu_total = 8\n"
        'allowed_workloads = ["eval_suite"]\nforbidden_workloads = ["rlhf"]\n',
    )
    shell.write("broken.toml", "a = = 1\n")
    shell("init", "--origin", ORIGIN, *options).refused(*patterns)
    assert not shell.folder.joinpath("data").exists()


def test_a_second_beginning_is_refused_and_changes_nothing(made: Shell) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in made.keys.rglob("*") if path.is_file()}

    before, status = everything(), made.ok("status")
    made("init", "--origin", ORIGIN).refused("exists already")
    made("init", "--origin", "other.example/x", "--demo").refused("exists already")
    (made.keys / "authors").rename(made.folder / "handed-over")
    made("init", "--origin", ORIGIN).refused("exists already")
    assert made.ok("status") == status
    assert {path: data for path, data in before.items() if path.parent == made.keys} == everything()


def test_a_database_without_its_keys_is_not_begun_again(
    made: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_KEY_DIR", str(made.folder / "other-keys"))
    made("init", "--origin", ORIGIN).refused("holds a ledger already")
    assert not made.folder.joinpath("other-keys").exists()
    assert made.folder.joinpath("data", "ledger.db").is_file()


def test_a_beginning_that_fails_in_the_database_takes_its_keys_back(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ledger.storage.store.Store.create_log", full)
    shell("init", "--origin", ORIGIN).refused("No space left on device")
    assert not shell.folder.joinpath("data").exists()


def test_a_ledger_can_begin_on_postgresql(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, postgresql_url: str
) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", postgresql_url)
    shell.ok("init", "--origin", ORIGIN)
    shell("init", "--origin", ORIGIN).refused("exists already")
    assert "agrees with the database at size 1" in shell.ok("status")
    assert shell.ok("fsck").startswith("sound: 1 entries")
    assert "from 1 entries" in shell.ok("rebuild")
    assert "opened 0 entries" in shell.ok("publish-due")


# --- looking --------------------------------------------------------------------------------------


def test_status_says_what_a_signer_ahead_means(made: Shell) -> None:
    with sqlite3.connect(made.folder / "data" / "ledger.db") as database:
        database.execute("UPDATE log_head SET root = zeroblob(32)")
    database.close()
    assert "DISAGREES" in made.ok("status")
    made("serve").refused("size 1")


def test_settings_lists_each_with_its_value_and_masks_passwords(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://me:hush-hush@db.example/ledger")
    text = shell.ok("settings")
    for name in load_settings().shown():
        assert f"{name} = " in text
    assert "hush-hush" not in text
    assert "LEDGER_CONFIG" in text


def test_a_database_that_cannot_be_reached_is_one_line_without_its_password(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://me:hush-hush@127.0.0.1:9/ledger")
    for command in ("status", "serve", "fsck", "migrate"):
        said = shell(command)
        said.refused("127.0.0.1")
        assert "hush-hush" not in said.err


def test_migrating_says_what_it_did(
    made: Shell, monkeypatch: pytest.MonkeyPatch, postgresql_url: str
) -> None:
    assert re.fullmatch(r"the schema is at revision \d+ already\n", made.ok("migrate"))
    monkeypatch.setenv("LEDGER_DATABASE_URL", postgresql_url)
    assert re.fullmatch(r"the schema went from revision none to \d+\n", made.ok("migrate"))
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (0,)


# --- keys -----------------------------------------------------------------------------------------


def test_a_new_key_is_a_private_file_whose_public_half_is_printed(shell: Shell) -> None:
    vkey = shell.ok("keys", "new", f"{ORIGIN}/qwen").strip()
    path = shell.folder / "qwen.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert parse_vkey(vkey).name == f"{ORIGIN}/qwen"
    assert shell.ok("keys", "show", path).strip() == vkey
    secret = path.read_text("ascii").strip()
    assert secret.split("+", 4)[-1] not in shell.ok("keys", "show", path)
    shell("keys", "new", f"{ORIGIN}/qwen").refused("never overwritten")
    assert path.read_text("ascii").strip() == secret


def test_where_the_ledger_is_the_authors_name_will_do(made: Shell) -> None:
    assert made.ok("keys", "new", "qwen").startswith(f"{ORIGIN}/qwen+")


@pytest.mark.parametrize("name", ["Qwen", "x.example/Qwen", "x/", "a b/qwen", "qwen"])
def test_a_key_without_a_proper_name_is_refused(shell: Shell, name: str) -> None:
    shell("keys", "new", name).refused()
    assert list(shell.folder.iterdir()) == []


def test_what_is_no_key_file_is_refused_without_showing_it(shell: Shell) -> None:
    shell("keys", "show", "none.key").refused("none.key: No such file")
    shell("keys", "show", ".").refused("directory")
    path = shell.write("open.key", "PRIVATE+KEY+" + "secret" * 9)
    shell("keys", "show", path).refused("chmod 600")
    path.chmod(0o600)
    said = shell("keys", "show", path)
    said.refused("open.key is not a signing key")
    assert "secretsecret" not in said.err
    path.write_bytes(bytes(5000))
    shell("keys", "show", path).refused("not a key file")


# --- statements that never leave ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "patterns"),
    [
        ("s.toml", None, ["s.toml: No such file"]),
        ("s.txt", SUBMISSION, [r"\.json or \.toml"]),
        ("s.json", "{", ["s.json is not JSON"]),
        ("s.json", "[1]", ["one object"]),
        ("s.json", '{"kind":"x","kind":"y"}', ["kind.*twice"]),
        ("s.json", '{"a":NaN}', ["NaN"]),
        ("s.json", "[" * 100_000, ["s.json"]),
        ("s.toml", "= 3", ["s.toml is not TOML"]),
        ("s.toml", 'kind = "submitted"', ["schema: this field is missing"]),
        ("s.toml", SUBMISSION + 'rood = "x"\n', ["rood"]),
        ("s.toml", SUBMISSION.replace("gpu_count", "gpu_cuont"), ["public.gpu_c"]),
        ("s.toml", SUBMISSION.replace("= 8", "= -8"), ["public.gpu_count"]),
        ("s.toml", SUBMISSION.replace("title =", "titel ="), ["sealed.titel"]),
        ("s.toml", SUBMISSION.replace("job-submitted/1", "job-submitted/9"), ["schema"]),
        ("s.toml", SUBMISSION.replace('"submitted"', '"started"'), ["kind"]),
        ("s.toml", SUBMISSION.replace("eval_suite", "x" * (1 << 20)), ["larger than"]),
    ],
)
def test_a_statement_file_that_will_not_do_is_refused_with_its_field(
    shell: Shell, name: str, text: str | None, patterns: list[str]
) -> None:
    shell.ok("keys", "new", f"{ORIGIN}/deepseek")
    if text is not None:
        shell.write(name, text)
    shell("submit", name, "--key", "deepseek.key", "--url", "http://127.0.0.1:9").refused(*patterns)
    assert not list(shell.folder.glob("*.tlog-proof"))


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://", "file:///etc"])
def test_what_is_no_address_is_refused(shell: Shell, url: str) -> None:
    shell.ok("keys", "new", f"{ORIGIN}/deepseek")
    shell.write("s.toml", SUBMISSION)
    shell("submit", "s.toml", "--key", "deepseek.key", "--url", url).refused("--url")


def test_where_nobody_answers_it_gives_up_in_time(shell: Shell) -> None:
    shell.ok("keys", "new", f"{ORIGIN}/deepseek")
    shell.write("s.toml", SUBMISSION)
    said = shell(
        "submit", "s.toml", "--key", "deepseek.key", "--url", "http://127.0.0.1:9",
        "--give-up-after", "0.3",
    )  # fmt: skip
    said.refused("cannot be reached")
    assert not list(shell.folder.glob("*.tlog-proof"))


def test_the_statement_of_the_tests_is_what_authors_write() -> None:
    assert tomllib.loads(SUBMISSION)["kind"] == "submitted"

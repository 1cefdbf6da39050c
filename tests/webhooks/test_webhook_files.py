"""The operator's file: what it may hold, and that everything wrong is one line at the start."""

import re
from pathlib import Path

import pytest

from ledger import keys
from ledger.errors import SettingsError
from ledger.storage.shapes import JobFilter
from ledger.webhooks.config import LARGEST_FILE, MOST_WEBHOOKS, read_webhooks
from ledger.webhooks.events import Event
from ledger.webhooks.signing import format_secret

NEW, OLD = bytes(range(32)), bytes(range(1, 33))
GOOD = """
[[webhook]]
name = "newsroom"
url = "https://receiver.example/hook?token=canary-token"
secret_file = "new.secret"
previous_secret_file = "old.secret"
events = ["rejected", "published"]

[webhook.search]
member = "alpha"
state = "completed"

[[webhook]]
name = "machine-2"
url = "http://127.0.0.1:8080/"
secret_file = "old.secret"
events = ["checkpoints", "submitted", "corrections"]
allow_private = true
"""
ONE = """
[[webhook]]
name = "newsroom"
url = "https://receiver.example/hook?token=canary-token"
secret_file = "new.secret"
events = ["rejected"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.write_secret(tmp_path / "new.secret", format_secret(NEW))
    keys.write_secret(tmp_path / "old.secret", format_secret(OLD))
    keys.write_secret(tmp_path / "short.secret", "whsec_" + "canary" + "AA")
    open_to_all = tmp_path / "open.secret"
    keys.write_secret(open_to_all, format_secret(NEW))
    open_to_all.chmod(0o640)
    return tmp_path


def _refused(folder: Path, text: str | bytes) -> str:
    path = folder / "hooks.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as caught:
        read_webhooks(path)
    said = str(caught.value)
    assert said.startswith("LEDGER_WEBHOOKS names ")
    assert str(path) in said
    assert "\n" not in said
    assert "canary" not in said
    assert format_secret(NEW) not in said
    return said


def test_a_file_says_who_is_told_what(folder: Path) -> None:
    path = folder / "hooks.toml"
    path.write_text(GOOD)
    newsroom, machine = read_webhooks(path)
    assert newsroom.name == "newsroom"
    assert newsroom.target.shown == "https://receiver.example"
    assert newsroom.secrets == (NEW, OLD)
    assert newsroom.events == (Event.REJECTED, Event.PUBLISHED, Event.MATCHED)
    assert newsroom.told == ("rejected", "published", "search")
    assert newsroom.search == JobFilter(author="alpha", state="completed")
    assert machine.secrets == (OLD,)
    assert machine.target.allow_private
    assert machine.told == ("submitted", "corrections", "checkpoints")
    assert machine.search is None
    assert "canary" not in repr(newsroom)
    assert repr(NEW) not in repr(newsroom)


def test_without_a_file_nobody_is_told_anything() -> None:
    assert read_webhooks(None) == ()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('name = "newsroom"', "", "name of webhook number 1 is missing"),
        ('"newsroom"', '"News Room"', "small letters"),
        ('"newsroom"', '"' + "x" * 41 + '"', "up to 40"),
        ("name =", "nmae =", "name of webhook number 1"),
        ("secret_file", "secrets", "'secrets' is no field; there are name, url"),
        ('url = "https', 'url = "ftp', "webhook newsroom: url: it is not an https:// address"),
        ("https://", "http://", "loopback"),
        ("https://", "https://canary:x@", "user name"),
        ("url = ", "url = 5 #", "url is missing, or is not a text"),
        ('"new.secret"', '"none.secret"', "cannot read the key file .*none.secret"),
        ('"new.secret"', '"open.secret"', "can be read by others: run chmod 600"),
        ('"new.secret"', '"short.secret"', "secret_file: .*`ledger webhooks secret --out FILE`"),
        ('"new.secret"', '"~nobody-has-this/x"', "secret_file: there is no home folder"),
        ('"new.secret"', '"hooks.toml"', "can be read by others"),
        ("events", 'previous_secret_file = "new.secret"\nevents', "the same secret"),
        ('["rejected"]', "[]", "tells of nothing: give events"),
        ('["rejected"]', '"rejected"', "events is to be a list"),
        ('["rejected"]', '["canary-event", "rejected"]'.replace("canary", "c"), "is none; there"),
        ('["rejected"]', '["overdue"]', "no entry in the log .* the feed /feeds/overdue"),
        ("events", 'allow_private = "yes"\nevents', "allow_private is true or false"),
        ("events", 'search = "alpha"\nevents', "search is to be a table"),
        ("[[webhook]]", "[webhook]", "tables \\[\\[webhook\\]\\], at least one"),
        ("[[webhook]]", "x = 1\n[[webhook]]", "and nothing else"),
        ("[[webhook]]", "[[webhook", "not TOML in UTF-8.*line 2"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_to_do(
    folder: Path, old: str, new: str, why: str
) -> None:
    assert ONE.count(old) >= 1
    assert re.search(why, _refused(folder, ONE.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("search", "why"),
    [
        ("", "it has no filter"),
        ('q = "words"', "q is for the feed /feeds/jobs alone"),
        ('colour = "red"', "'colour' is no filter; there are workload"),
        ("member = 5", "member is not a text"),
        ('member = "Alpha Lab"', "the short name of a member"),
        ('workload = "mining"', "workload is 'mining'; it is one of"),
        ('state = "sealed"', "state is 'sealed'"),
        ('decision = "maybe"', "it is one of admitted, rejected"),
        ('code = "R9"', "code is 'R9'"),
        ('month = "2026-13"', "a month, as 2026-11"),
        ('model = "abc"', "64 hexadecimal digits"),
        ('from = "2026-02-30"', "a day, as 2026-11-21"),
        ('from = "20260230"', "a day"),
        ('from = "2026-03-02"\nto = "2026-03-01"', "to is 2026-03-01, which is before"),
    ],
)
def test_a_search_that_is_none_is_refused(folder: Path, search: str, why: str) -> None:
    said = _refused(folder, f"{ONE}\n[webhook.search]\n{search}\n")
    assert "webhook newsroom: search: " in said
    assert why in said


def test_every_filter_of_the_feed_but_its_words_is_a_filter_here(folder: Path) -> None:
    path = folder / "hooks.toml"
    path.write_text(
        ONE
        + """
[webhook.search]
member = "alpha"
workload = "eval_suite"
state = "rejected"
accelerator = "nvidia_h200"
month = "2026-11"
decision = "rejected"
code = "R1_forbidden_workload"
model = "0000000000000000000000000000000000000000000000000000000000000000"
from = "2026-11-01"
to = "2026-11-30"
"""
    )
    (webhook,) = read_webhooks(path)
    assert webhook.search == JobFilter(
        author="alpha",
        workload_type="eval_suite",
        state="rejected",
        accelerator="nvidia_h200",
        month="2026-11",
        decision="rejected",
        rejection_code="R1_forbidden_workload",
        model="0" * 64,
        first_day="2026-11-01",
        last_day="2026-11-30",
    )


def test_a_file_that_cannot_be_read_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: it cannot be read: No such file"):
        read_webhooks(folder / "none.toml")
    with pytest.raises(SettingsError, match="it cannot be read: Is a directory"):
        read_webhooks(folder)
    assert "not TOML in UTF-8" in _refused(folder, b"\xff\xfe")
    assert "not TOML" in _refused(folder, "x = " + "[" * 5_000)
    assert f"larger than {LARGEST_FILE} bytes" in _refused(folder, "#" * (LARGEST_FILE + 1))
    assert "at least one" in _refused(folder, "")


def test_names_are_not_given_twice_and_there_are_not_too_many(folder: Path) -> None:
    assert "two webhooks are called newsroom" in _refused(folder, ONE + ONE)
    many = "".join(ONE.replace("newsroom", f"n{n}") for n in range(MOST_WEBHOOKS + 1))
    assert f"{MOST_WEBHOOKS + 1} webhooks; allowed: {MOST_WEBHOOKS}" in _refused(folder, many)

"""What the documents show of webhooks works: the receiver's code, and the operator's file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ledger_world import World
from webhook_world import OLD_SECRET, SECRET, Receiver, begun, hook

from ledger import keys
from ledger.webhooks.config import read_webhooks
from ledger.webhooks.events import NAMES, TYPES, Event
from ledger.webhooks.schedule import DELAYS_S
from ledger.webhooks.sending import TIMEOUT_S
from ledger.webhooks.signing import format_secret
from web.i18n import LANGUAGES
from web.words.library import LIBRARY


def _part(tag: str) -> str:
    source = LIBRARY.documents["docs/api"][tag].source
    return source[source.index("{#webhooks}") : source.index("{#embed}")]


def _block(tag: str, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", _part(tag), re.DOTALL)
    return str(found)


@pytest.fixture(params=LANGUAGES)
def event(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """The receiver's function, as the page shows it."""
    names: dict[str, Any] = {}
    exec(_block(request.param, "python"), names)
    function: Callable[..., dict[str, Any]] = names["event"]
    return function


class _Now:
    """Stands in for the module ``time``."""

    def __init__(self, now: int) -> None:
        self.now = now

    def time(self) -> float:
        return float(self.now)


def test_the_receivers_code_takes_what_the_ledger_sends_and_nothing_else(
    world: World, receiver: Receiver, event: Callable[..., dict[str, Any]]
) -> None:
    sending = begun(world, hook(receiver.url, Event.SUBMITTED, secrets=(SECRET, OLD_SECRET)))
    world.log(world.submission("one"))
    sending.work()
    (got,) = receiver.got
    clock = _Now(world.clock.now)
    event.__globals__["time"] = clock
    secret = format_secret(SECRET)
    for each in (secret, format_secret(OLD_SECRET)):
        assert event(each, got.headers, got.body)["data"]["index"] == got.index
    refused = [
        (format_secret(bytes(32)), got.headers, got.body),
        (secret, got.headers, got.body + b" "),
        (secret, {**got.headers, "webhook-id": "msg_0"}, got.body),
        (secret, {**got.headers, "webhook-signature": "v1,"}, got.body),
        (secret, {**got.headers, "webhook-signature": "v1,ä"}, got.body),
        (secret, {**got.headers, "webhook-timestamp": str(clock.now + 1)}, got.body),
    ]
    for given in refused:
        with pytest.raises(ValueError, match="not a message of the ledger"):
            event(*given)
    clock.now += 300
    with pytest.raises(ValueError, match="an old one"):
        event(secret, got.headers, got.body)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_operators_file_is_one_that_is_read(tag: str, tmp_path: Path) -> None:
    keys.write_secret(tmp_path / "newsroom.secret", format_secret(SECRET))
    (tmp_path / "hooks.toml").write_text(_block(tag, "toml"))
    (webhook,) = read_webhooks(tmp_path / "hooks.toml")
    assert webhook.told == ("rejected", "published", "search")


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_event_and_its_type_stands_in_the_table(tag: str) -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| `([a-z.]+)` \|$", _part(tag), re.MULTILINE)
    assert dict(rows) == {name: TYPES[each] for name, each in NAMES.items()}
    assert f"| `{TYPES[Event.MATCHED]}` |" in _part(tag)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_times_are_those_that_are_kept(tag: str) -> None:
    minutes, hours = DELAYS_S[1:3], DELAYS_S[3:]
    numbers = [DELAYS_S[0], *(each // 60 for each in minutes), *(each // 3_600 for each in hours)]
    (line,) = re.findall(r"^- .*Retry-After.*$", _part(tag), re.MULTILINE)
    assert [int(each) for each in re.findall(r"\d+", line)][: len(numbers)] == numbers
    assert re.search(rf"(?<!\d){TIMEOUT_S:.0f}(?: seconds|秒)", _part(tag))

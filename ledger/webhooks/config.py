"""The operator's file of webhooks, read once at the start; whatever is wrong in it is said then.

    [[webhook]]
    name = "newsroom"
    url = "https://receiver.example/ledger"
    secret_file = "newsroom.secret"            # as `ledger webhooks secret` makes it
    previous_secret_file = "newsroom.old"      # while receivers change to a new one
    events = ["published", "rejected"]
    allow_private = false                      # true: addresses of an internal network, too

    [webhook.search]                           # an event for every item of /feeds/jobs?…
    member = "alpha"

Paths count from the folder of the file. No message here holds a secret, or an address beyond its
host.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger import keys
from ledger.errors import FormatError, SettingsError
from ledger.settings.paths import expanded
from ledger.storage.shapes import JobFilter
from ledger.webhooks.events import NAMES, Event
from ledger.webhooks.search import parse_search
from ledger.webhooks.sending import Target, parse_target
from ledger.webhooks.signing import parse_secret

VARIABLE: Final = "LEDGER_WEBHOOKS"
LARGEST_FILE: Final = 65_536
MOST_WEBHOOKS: Final = 32
"""Each has a thread of its own."""
KNOWN: Final = (
    "name",
    "url",
    "secret_file",
    "previous_secret_file",
    "events",
    "allow_private",
    "search",
)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver, what it is told of, and the secrets that sign for it, the newest first."""

    name: str
    target: Target
    secrets: tuple[bytes, ...] = field(repr=False)
    events: tuple[Event, ...]
    search: JobFilter | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """Its events as the file calls them."""
        names = tuple(name for name, event in NAMES.items() if event in self.events)
        return (*names, "search") if Event.MATCHED in self.events else names


def read_webhooks(path: Path | None) -> tuple[Webhook, ...]:
    """The webhooks of a file, none where there is no file to read.

    Raises SettingsError: one line with the file, the webhook, the field, and what to do.
    """
    if path is None:
        return ()
    try:
        return _read(path)
    except (FormatError, keys.KeyFileError) as error:
        raise SettingsError(f"{VARIABLE} names {path}: {error}") from None


def _read(path: Path) -> tuple[Webhook, ...]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise FormatError(f"it cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise FormatError(f"it is larger than {LARGEST_FILE} bytes")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # What Python says of TOML names a line and a column, and quotes a character at most.
        line = str(error).partition("\n")[0] if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise FormatError(f"it is not TOML in UTF-8. {line}".rstrip(". ")) from None
    tables = document.pop("webhook", None)
    if document or not isinstance(tables, list) or not tables:
        raise FormatError("it is to hold tables [[webhook]], at least one, and nothing else")
    if len(tables) > MOST_WEBHOOKS:
        raise FormatError(f"it has {len(tables)} webhooks; allowed: {MOST_WEBHOOKS}")
    found: dict[str, Webhook] = {}
    for number, table in enumerate(tables, start=1):
        made = _webhook(number, table, path.parent)
        if made.name in found:
            raise FormatError(f"two webhooks are called {made.name}: name one of them otherwise")
        found[made.name] = made
    return tuple(found.values())


def _webhook(number: int, table: object, folder: Path) -> Webhook:
    if not isinstance(table, dict):
        raise FormatError("webhook is to be a table: write [[webhook]] above its fields")
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FormatError(
            f"name of webhook number {number} is missing or not up to 40 small letters, digits"
            " and hyphens"
        )
    for key in table:
        if key not in KNOWN:
            raise FormatError(
                f"webhook {name}: {key[:40]!a} is no field; there are {', '.join(KNOWN)}"
            )
    try:
        events, search = _events(table)
        return Webhook(
            name=name,
            target=_target(table),
            secrets=_secrets(table, folder),
            events=events,
            search=search,
        )
    except FormatError as error:
        raise FormatError(f"webhook {name}: {error}") from None


def _target(table: Mapping[str, Any]) -> Target:
    allow_private = table.get("allow_private", False)
    if not isinstance(allow_private, bool):
        raise FormatError("allow_private is true or false")
    try:
        return parse_target(_text(table, "url"), allow_private=allow_private)
    except FormatError as error:
        raise FormatError(f"url: {error}") from None


def _secrets(table: Mapping[str, Any], folder: Path) -> tuple[bytes, ...]:
    found = []
    for name in ("secret_file", "previous_secret_file"):
        if name == "previous_secret_file" and name not in table:
            continue
        try:
            file = folder / expanded(_text(table, name))
        except ValueError as error:
            raise FormatError(f"{name}: {error}") from None
        try:
            found.append(parse_secret(keys.read_secret(file)))
        except FormatError as error:
            raise FormatError(
                f"{name}: {file} holds no secret ({error}); `ledger webhooks secret --out FILE`"
                " makes one"
            ) from None
    if len(set(found)) != len(found):
        raise FormatError("previous_secret_file holds the same secret: leave it away")
    return tuple(found)


def _events(table: Mapping[str, Any]) -> tuple[tuple[Event, ...], JobFilter | None]:
    given = table.get("events", [])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise FormatError('events is to be a list of names, as ["published", "rejected"]')
    for each in given:
        if each == "overdue":
            raise FormatError(
                "events: overdue has no entry in the log to tell of; the feed /feeds/overdue has it"
            )
        if each not in NAMES:
            raise FormatError(f"events: {each[:40]!a} is none; there are {', '.join(NAMES)}")
    chosen = {NAMES[each] for each in given}
    search = None
    if "search" in table:
        if not isinstance(table["search"], dict):
            raise FormatError("search is to be a table: write [webhook.search] above its filters")
        try:
            search = parse_search(table["search"])
        except FormatError as error:
            raise FormatError(f"search: {error}") from None
        chosen.add(Event.MATCHED)
    if not chosen:
        raise FormatError(f"it tells of nothing: give events ({', '.join(NAMES)}) or a search")
    return tuple(sorted(chosen)), search


def _text(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise FormatError(f"{name} is missing, or is not a text in quotation marks")
    return value


def webhook_called(webhooks: Sequence[Webhook], name: str) -> Webhook:
    """The one of that name. Raises SettingsError."""
    for each in webhooks:
        if each.name == name:
            return each
    there = ", ".join(each.name for each in webhooks) or "none"
    raise SettingsError(f"there is no webhook {name[:40]!a}; there are: {there}")

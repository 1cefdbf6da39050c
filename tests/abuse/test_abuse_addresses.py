"""Every address of the site, damaged: an answer or a refusal, never an error of the house.

ADDRESSES_TRIED makes it try more than the few hundred of every run.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import quote, quote_from_bytes

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # site_map, browser
sys.path.insert(0, str(Path(__file__).parents[1] / "hostile"))  # mutations

from browser import Browser
from ledger_world import World, with_history
from mutations import damage
from site_map import answers, bulk, files, pages

from web.app import create_app

TRIED = int(os.environ.get("ADDRESSES_TRIED", "600"))
METHODS = ("GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "FOO", "get")
PARAMETERS = (
    "at", "q", "member", "workload", "state", "accelerator", "month", "decision", "code", "model",
    "from", "to", "limit", "cursor", "count", "start", "size", "fields", "url", "format", "bom",
    "since", "by", "lang", "cosigned", "maxwidth", "maxheight",
)  # fmt: skip
VALUES = (
    "", "0", "1", "-1", "00", "9007199254740992", "9" * 300, "\u0663", "null", "alpha", "2026-11",
    "2026-02-30", "0000-00-00", "sha256:" + "ab" * 32, "\0", "\u202e", "%", "%%", "*", '"',
    "a" * 3_000, "红队", "\U0001f600", "..", "//", "https://ledger.example/en/", "aTEw", "=",
    "xml", "json", "week",
)  # fmt: skip
HEADERS = (
    ("range", "bytes=0-0,5-9"), ("range", "bytes=" + "9" * 400), ("if-none-match", "*"),
    ("if-none-match", 'W/"' + "x" * 500), ("accept-encoding", "br;q=nan, *;q=0, gzip;q=-1"),
    ("accept-language", "zh;q=1e999,*;q=x," + "en," * 900), ("accept", "\x01/\x02"),
    ("if-range", "Thu, 99 Foo 0000"), ("cookie", "a" * 4_000), ("content-length", "\u00b2"),
    ("content-type", "multipart/form-data; boundary="), ("origin", "null"), ("host", "["),
)  # fmt: skip
BODIES = (b"", b"{}", b"\0" * 100, b"--x\r\n", b'{"a":' * 500)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("addresses")) as made:
        yield with_history(made)


def damaged(target: str, dice: Random) -> str:
    """An address with other parts, other parameters, or other bytes."""
    path, _, query = target.partition("?")
    for _ in range(dice.randint(1, 2)):
        match dice.randrange(5):
            case 0:
                path = quote_from_bytes(damage(path.encode(), dice), safe="/%?&=.;:@+")
            case 1:
                parts = path.split("/")
                parts[dice.randrange(len(parts))] = quote(dice.choice(VALUES), safe="")
                path = "/".join(parts)
            case 2:
                path += dice.choice((".json", ".csv", ".proof", "/", "/x", ".atom", "%00", ".bib"))
            case _:
                name, value = dice.choice(PARAMETERS), dice.choice(VALUES)
                query += f"{'&' if query else ''}{name}={quote(value, safe='')}"
    if dice.random() < 0.1:
        query = quote_from_bytes(damage(query.encode(), dice), safe="%&=+")
    return f"/{path.lstrip('/')}{'?' if query else ''}{query}"


def test_no_damaged_address_is_an_error_of_the_house(world: World) -> None:
    known = [*pages(world), *answers(world), *files(world), *bulk(world)]
    seen: dict[int, int] = {}
    with Browser(create_app(world.ledger, public_url="https://ledger.example")) as site:
        for number in range(TRIED):
            dice = Random(f"addresses {number}")
            target, method = damaged(dice.choice(known), dice), dice.choice(METHODS)
            headers = dict([dice.choice(HEADERS)] if dice.random() < 0.5 else [])
            body = [dice.choice(BODIES)] if method in {"POST", "PUT"} else []
            reply = site.request(method, target, headers=headers, chunks=body)
            assert reply.status < 500 or reply.status == 501, (number, method, target, headers)
            seen[reply.status] = seen.get(reply.status, 0) + 1
            if "location" in reply.headers:
                assert reply.headers["location"].startswith("/"), (number, target)
                assert not reply.headers["location"].startswith("//"), (number, target)
    # What was asked was neither all nonsense nor all harmless.
    assert {200, 400, 404, 405} <= seen.keys(), seen

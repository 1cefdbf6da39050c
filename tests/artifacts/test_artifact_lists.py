"""The list of a job's artifacts, which may change while the log does not."""

from collections.abc import Iterator

import kit
import pytest
from artifact_world import JOB, write
from browser import Browser

from ledger.assembly import Ledger
from web.app import create_app

AT = f"/api/v1/jobs/{JOB}/artifacts"
PAGE = f"/en/jobs/{JOB}"


@pytest.fixture
def site(ledger: Ledger) -> Iterator[Browser]:
    with Browser(create_app(ledger)) as browser:
        yield browser


def keep(ledger: Ledger, number: int, name: str) -> None:
    door = ledger.artifacts
    upload = door.admit(write(number, 3), job_id=JOB, name=name, length=3)
    upload.write(b"abc")
    door.keep(upload)


def test_a_list_names_an_upload_that_ended_after_its_debit(
    site: Browser, ledger: Ledger, clock: kit.Clock
) -> None:
    kit.log(ledger, kit.ended(JOB))
    clock.advance(days=91)
    ledger.embargo.open_due()
    upload = ledger.artifacts.admit(write(1, 3), job_id=JOB, name="x.bin", length=3)
    size = ledger.reader.tree_size()
    addresses = [f"{path}{at}" for path in (AT, PAGE) for at in ("", f"?at={size}")]
    before = [site.get(each) for each in addresses]
    for each, reply in zip(addresses, before, strict=True):
        assert (reply.status, "x.bin" in reply.text) == (200, False)
        assert reply.headers["cache-control"] == "no-cache"
        assert site.get(each, if_none_match=reply.headers["etag"]).status == 304
    upload.write(b"abc")
    ledger.artifacts.keep(upload)
    assert ledger.reader.tree_size() == size
    for each, was in zip(addresses, before, strict=True):
        reply = site.get(each, if_none_match=was.headers["etag"])
        assert (reply.status, "x.bin" in reply.text) == (200, True)
        assert reply.headers["cache-control"] == "no-cache"
        assert reply.headers["etag"] != was.headers["etag"]


def test_while_a_list_names_nothing_its_tag_tells_nothing(site: Browser, ledger: Ledger) -> None:
    keep(ledger, 1, "first.bin")
    upload = ledger.artifacts.admit(write(2, 3), job_id=JOB, name="x.bin", length=3)
    size = ledger.reader.tree_size()
    addresses = [f"{path}{at}" for path in (AT, PAGE) for at in ("", f"?at={size}")]
    before = [site.get(each) for each in addresses]
    upload.write(b"abc")
    ledger.artifacts.keep(upload)
    for each, was in zip(addresses, before, strict=True):
        assert site.get(each, if_none_match=was.headers["etag"]).status == 304
    assert [reply.headers["cache-control"] for reply in before[:3]] == ["no-cache"] * 3
    assert "immutable" in before[3].headers["cache-control"]

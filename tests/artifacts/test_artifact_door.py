"""The door over HTTP: who is let in and out, in which order, and what is left when it breaks."""

import asyncio
import io
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import kit
import numpy as np
import pytest
from artifact_world import (
    JOB,
    OTHER,
    counters,
    findings,
    header,
    opened,
    read,
    run_job,
    sound,
    write,
)
from browser import Browser, Reply
from sqlalchemy import text

from ledger import keys
from ledger.artifacts import check_artifacts, open_objects
from ledger.artifacts.door import UNSETTLED, USED
from ledger.assembly import Ledger
from ledger.errors import Unwitnessed
from ledger.rebuild import rebuild
from ledger.settings import Settings
from ledger.vault import Vault
from web.app import create_app
from web.artifacts import Artifacts, Place
from web.newest import Newest
from web.writing import Disconnected

REPORT = b'{"accuracy":"0.8125","n":2000}'
TABLE = b"a,b\r\n1,2\r\n"
AT = f"/api/v1/jobs/{JOB}/artifacts"


@pytest.fixture
def site(ledger: Ledger) -> Iterator[Browser]:
    with Browser(create_app(ledger)) as browser:
        yield browser


def put(
    site: Browser,
    statement: bytes,
    data: bytes,
    *,
    name: str = "report.json",
    length: int | None = None,
    job: str = JOB,
    pieces: int = 7,
) -> Reply:
    headers = header(statement)
    headers["Content-Length"] = str(len(data) if length is None else length)
    chunks = [data[start : start + pieces] for start in range(0, len(data), pieces)]
    return site.request(
        "PUT", f"/api/v1/jobs/{job}/artifacts/{name}", headers=headers, chunks=chunks
    )


def a_report(site: Browser, number: int = 1, *, name: str = "report.json") -> Reply:
    statement = write(number, len(REPORT), artifact_class="document")
    return put(site, statement, REPORT, name=name)


def objects(settings: Settings) -> list[Path]:
    root = Path(settings.artifacts)
    return [path for path in root.rglob("*") if path.is_file()]


def disclose(ledger: Ledger, clock: kit.Clock, **ended: Any) -> None:
    kit.log(ledger, kit.ended(JOB, **ended))
    clock.advance(days=91)
    ledger.embargo.open_due()


def odd(settings: Settings, ledger: Ledger) -> list[str]:
    place = open_objects(settings.artifacts, incoming=settings.data_dir / "incoming")
    key = keys.read_openings_key(settings.key_dir / keys.OPENINGS_KEY)
    vault = Vault(key, random=os.urandom)
    return [each.sort for each in check_artifacts(ledger.store, place, vault)]


class FewWitnesses:
    """A quorum that does not come."""

    wait_s = 1.0

    def holds(self, _size: int) -> bool:
        return False

    def wait(self, size: int, **_: Any) -> bytes | None:
        raise Unwitnessed(f"nobody has cosigned {size}. Send the same statement again")


def test_a_debit_that_waits_for_witnesses_is_said_to_stay(ledger: Ledger, site: Browser) -> None:
    ledger.sequencer._quorum = FewWitnesses()
    refused = put(site, write(1, len(REPORT)), REPORT)
    assert refused.status == 503
    assert refused.json()["detail"] == UNSETTLED
    ledger.sequencer._quorum, ledger.sequencer._unsettled = None, 0
    again = put(site, write(1, len(REPORT)), REPORT)
    assert (again.status, again.json()["detail"]) == (409, USED)
    assert counters(ledger)[f"job {JOB}"] == len(REPORT)
    assert put(site, write(2, len(REPORT)), REPORT).status == 201


def test_an_artifact_is_debited_kept_sealed_and_public_after_disclosure(
    site: Browser, ledger: Ledger, settings: Settings, clock: kit.Clock
) -> None:
    made = a_report(site)
    assert made.status == 201
    assert made.json()["sha256"] == sha256(REPORT).hexdigest()
    assert made.json()["media_type"] == "application/json"
    (object_,) = objects(settings)
    assert sha256(REPORT).hexdigest() not in str(object_)
    assert b"accuracy" not in object_.read_bytes()
    nothing = site.get(f"{AT}/no-such-thing")
    for method in ("GET", "HEAD"):
        for name in ("report.json", made.json()["artifact_id"]):
            early = site.request(method, f"{AT}/{name}")
            assert early.status == nothing.status == 404
            assert early.body == (b"" if method == "HEAD" else nothing.body)
            assert early.headers["content-length"] == nothing.headers["content-length"]
    (sealed,) = site.get(AT).json()["data"]
    assert sealed["artifact_class"] == "document"
    assert sealed["egress_bytes"] == len(REPORT)
    assert [sealed[each] for each in ("name", "media_type", "bytes", "sha256")] == [None] * 4
    page = site.get(f"/en/jobs/{JOB}").text
    assert "What left through the one door" in page
    assert "report.json" not in page
    size = ledger.reader.tree_size()
    disclose(ledger, clock)
    reply = site.get(f"{AT}/report.json")
    assert (reply.status, reply.body) == (200, REPORT)
    (listed,) = site.get(AT).json()["data"]
    assert (listed["name"], listed["bytes"]) == ("report.json", len(REPORT))
    assert site.get(f"{AT}?at={size}").json()["data"] == [sealed]
    assert f'"{AT}/report.json"' in site.get(f"/en/jobs/{JOB}").text
    assert reply.headers["etag"] == f'"{sha256(REPORT).hexdigest()}"'
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert "immutable" in reply.headers["cache-control"]
    assert site.get(f"{AT}/{made.json()['artifact_id']}").body == REPORT
    assert site.get(f"{AT}/other.json").status == 404
    assert odd(settings, ledger) == []
    ledger.close()
    assert "egress" not in sound(settings)


def test_parts_are_served_by_range_and_what_is_known_is_not_sent_again(
    site: Browser, ledger: Ledger, clock: kit.Clock
) -> None:
    a_report(site)
    disclose(ledger, clock)
    at = f"{AT}/report.json"
    part = site.get(at, range="bytes=2-5")
    assert (part.status, part.body) == (206, REPORT[2:6])
    assert part.headers["content-range"] == f"bytes 2-5/{len(REPORT)}"
    assert site.get(at, range="bytes=-4").body == REPORT[-4:]
    assert site.get(at, range=f"bytes={len(REPORT)}-").status == 416
    assert site.get(at, range="bytes=0-1,3-4").body == REPORT
    tag = site.get(at).headers["etag"]
    assert site.get(at, if_none_match=tag).status == 304
    assert site.get(at, range="bytes=0-0", if_range='"other"').body == REPORT
    head = site.request("HEAD", at)
    assert (head.body, head.headers["content-length"]) == (b"", str(len(REPORT)))
    assert site.get(f"{at}?x=1").status == 400


def test_the_member_reads_its_own_before_and_every_byte_counts(
    site: Browser, ledger: Ledger
) -> None:
    size = len(REPORT)
    a_report(site)
    at = f"{AT}/report.json"

    def ask(statement: bytes) -> Reply:
        return site.request("GET", at, headers=header(statement))

    whole = ask(read(1, 0, size))
    assert (whole.status, whole.body) == (200, REPORT)
    assert whole.headers["cache-control"] == "no-store"
    part = ask(read(1, 3, 5))
    assert (part.status, part.body) == (206, REPORT[3:8])
    assert ask(read(1, 3, 5)).status == 409
    assert ask(read(1, 0, size + 1)).status == 422
    assert ask(read(1, 0, size, by="zhipu")).status == 403
    assert ask(b"{}").status in {400, 422}
    assert ask(read(2, 0, 1)).status == 404
    assert counters(ledger)[f"job {JOB}"] == 2 * size + 5
    # What stands in the log can be copied by anybody, and opens nothing a second time.
    with ledger.store.snapshot() as reads:
        assert reads.head().size == 1 + 3 + 1 + 2


def test_a_statement_whose_signature_fails_learns_nothing(site: Browser, ledger: Ledger) -> None:
    a_report(site)
    forged = read(1, 0, 5).replace(b'"offset":0', b'"offset":1')
    before = counters(ledger)
    there = site.request("GET", f"{AT}/report.json", headers=header(forged))
    not_there = site.request("GET", f"{AT}/nothing.json", headers=header(forged))
    assert there.status == not_there.status == 403
    assert there.body == not_there.body
    assert counters(ledger) == before


def test_parallel_readings_never_give_more_than_the_ceiling(site: Browser, ledger: Ledger) -> None:
    data = b"x" * 2_000
    assert put(site, write(1, 2_000), data, name="x.bin", pieces=700).status == 201
    statements = [read(1, 0, 1_900 - number) for number in range(12)]

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(
            *(site.ask("GET", f"{AT}/x.bin", headers=header(each)) for each in statements * 2)
        )

    replies = site.run(all_at_once())
    given = sum(len(reply.body) for reply in replies if reply.status in {200, 206})
    assert given + 2_000 <= 10_000
    assert given + 2_000 == counters(ledger)[f"job {JOB}"]
    assert {reply.status for reply in replies} == {206, 403, 409}
    assert findings(ledger)


def test_a_statement_is_one_upload(site: Browser, ledger: Ledger) -> None:
    assert a_report(site).status == 201
    again = a_report(site)
    assert again.status == 409
    assert again.json()["detail"] == USED
    other = put(site, write(2, len(REPORT), artifact_class="document"), REPORT)
    assert (other.status, "of this name" in other.json()["detail"]) == (409, True)
    assert counters(ledger)[f"job {JOB}"] == len(REPORT)


def test_what_is_refused_before_the_debit_takes_nothing(site: Browser, ledger: Ledger) -> None:
    good = write(1, len(REPORT), artifact_class="document")
    assert put(site, good, REPORT, length=len(REPORT) + 1).status == 422
    assert put(site, good, REPORT, job=OTHER).status == 422
    assert put(site, good, REPORT, name=".hidden").status == 422
    assert put(site, good, REPORT, name=kit.ulid(5)).status == 422
    assert put(site, write(1, 5, by="deepseek"), b"12345").status == 403
    assert put(site, read(1, 0, 5), b"12345").status == 422
    assert site.request("PUT", f"{AT}/a", headers=header(good)).status == 422
    assert site.request("PUT", f"{AT}/a", headers={"Content-Length": "5"}).status == 422
    odd_one = {"Ledger-Statement": "%%%", "Content-Length": "5"}
    assert site.request("PUT", f"{AT}/a", headers=odd_one).status == 400
    assert site.request("PUT", f"{AT}/a", headers={"Ledger-Statement": "A" * 9_000}).status in {
        413,
        422,
    }
    assert site.request("DELETE", f"{AT}/a").status == 405
    assert counters(ledger) == {}
    assert put(site, good, REPORT).status == 201


@pytest.mark.parametrize("sent", [0, 5, len(REPORT) - 1, len(REPORT) + 1, 3 * len(REPORT)])
def test_too_few_or_too_many_bytes_leave_the_debit_and_no_object(
    site: Browser, ledger: Ledger, settings: Settings, sent: int
) -> None:
    statement = write(1, len(REPORT), artifact_class="document")
    reply = put(site, statement, (REPORT * 3)[:sent], length=len(REPORT))
    assert reply.status == 422
    assert counters(ledger)[f"job {JOB}"] == len(REPORT)
    assert objects(settings) == []
    assert findings(ledger) == []
    assert put(site, statement, REPORT).json()["detail"] == USED
    assert odd(settings, ledger) == []


def test_whoever_hangs_up_leaves_the_debit_and_no_object(
    site: Browser, ledger: Ledger, settings: Settings
) -> None:
    messages = iter(
        [
            {"type": "http.request", "body": b"x" * 400, "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(messages)

    async def hang_up() -> None:
        given = {"content-length": "1000", **header(write(1, 1_000))}
        scope = {
            "type": "http",
            "method": "PUT",
            "path": f"{AT}/x.bin",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        }
        door = Artifacts(ledger, Newest(ledger.reader), client=lambda _: "a")
        try:
            async with asyncio.timeout(120):
                await door.answer(scope, receive, Place(JOB, "x.bin"))
        finally:
            door.close()

    with pytest.raises(Disconnected):
        site.run(hang_up())
    assert counters(ledger)[f"job {JOB}"] == 1_000
    assert objects(settings) == []


def test_a_tensor_in_disguise_is_refused_and_the_log_says_so(
    site: Browser, ledger: Ledger, settings: Settings
) -> None:
    out = io.BytesIO()
    np.save(out, np.zeros(16, dtype=np.float32))
    data = out.getvalue()
    reply = put(site, write(1, len(data), artifact_class="opaque"), data, name="notes.bin")
    assert (reply.status, reply.json()["type"].rpartition("/")[2]) == (422, "artifact-refused")
    assert objects(settings) == []
    (found,) = findings(ledger)
    assert found["findings"][0]["code"] == "R2_unmetered_egress"
    assert found["refers_to"] == 2
    assert "NumPy" in found["findings"][0]["finding"]
    assert "notes" not in str(found)
    assert counters(ledger)[f"job {JOB}"] == len(data)


def test_an_upload_over_the_ceiling_is_refused_unread_and_logged(
    site: Browser, ledger: Ledger
) -> None:
    reply = put(site, write(1, 6_001), b"", length=6_001)
    assert (reply.status, reply.json()["type"].rpartition("/")[2]) == (403, "egress-refused")
    assert [each["findings"][0]["code"] for each in findings(ledger)] == ["R2_egress_ceiling"]
    assert counters(ledger) == {}


def test_a_table_is_kept_in_its_one_spelling(
    site: Browser, ledger: Ledger, clock: kit.Clock
) -> None:
    made = put(site, write(1, len(TABLE), artifact_class="table"), TABLE, name="t.csv")
    assert (made.status, made.json()["bytes"]) == (201, 8)
    disclose(ledger, clock)
    reply = site.get(f"{AT}/t.csv")
    assert (reply.body, reply.headers["content-type"]) == (
        b"a,b\n1,2\n",
        "text/csv; charset=utf-8",
    )


def test_quarantined_artifacts_are_neither_served_nor_taken(
    site: Browser, ledger: Ledger, clock: kit.Clock
) -> None:
    a_report(site)
    public = {
        "started_at": "2026-11-21T12:00:00Z",
        "ended_at": "2026-11-21T13:00:00Z",
        "wall_seconds": 3600,
        "gpu_seconds": 230_400,
        "h200e_seconds": 230_400,
        "h200e_basis": "h200e/1",
        "exit_status": "completed",
        "weights_unchanged": False,
        "weights_check": "oms_root",
    }
    kit.log(ledger, kit.say("orchestrator", "completed", "job-ended/1", public, JOB, sealed={}))
    before = counters(ledger)
    for reply in (
        site.get(f"{AT}/report.json"),
        site.get(f"{AT}/nothing.json"),
        site.request("GET", f"{AT}/report.json", headers=header(read(1, 0, 5))),
        a_report(site, 2, name="second.json"),
    ):
        assert (reply.status, reply.json()["type"].rpartition("/")[2]) == (403, "quarantined")
    clock.advance(days=91)
    ledger.embargo.open_due()
    assert site.get(f"{AT}/report.json").status == 403
    assert counters(ledger) == before


def test_artifacts_that_the_committee_keeps_closed_stay_closed(
    site: Browser, ledger: Ledger, clock: kit.Clock
) -> None:
    made = a_report(site)
    ended = kit.log(ledger, kit.ended(JOB))[0].accepted.index
    kit.log(ledger, kit.withheld(JOB, ended, "artifacts"))
    clock.advance(days=91)
    ledger.embargo.open_due()
    assert site.get(f"{AT}/report.json").status == 404
    assert made.json()["sha256"] not in site.get(AT).text


def test_an_upload_that_outlives_its_time_is_not_kept(
    ledger: Ledger, settings: Settings, clock: kit.Clock
) -> None:
    statement = write(1, 3)
    upload = ledger.artifacts.admit(statement, job_id=JOB, name="late", length=3)
    upload.write(b"abc")
    clock.advance(days=1)
    with pytest.raises(Exception, match="too late"):
        ledger.artifacts.keep(upload)
    assert odd(settings, ledger) == []


def test_fsck_finds_objects_that_are_missing_changed_or_of_nobody(
    site: Browser, ledger: Ledger, settings: Settings
) -> None:
    a_report(site)
    a_report(site, 2, name="same-bytes.json")
    assert put(site, write(3, 6), b"second", name="x.bin").status == 201
    assert odd(settings, ledger) == []
    first, second = sorted(objects(settings), key=lambda path: path.stat().st_size)
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes(bytes(data))
    second.unlink()
    shard = Path(settings.artifacts) / "ab"
    shard.mkdir(exist_ok=True)
    (shard / ("ab" * 32)).write_bytes(b"whatever")
    assert sorted(odd(settings, ledger)) == ["artifact", "artifact", "artifact", "artifact surplus"]


def test_a_crash_after_the_debit_leaves_nothing_that_is_served(
    settings: Settings, clock: kit.Clock
) -> None:
    with opened(settings, clock) as ledger:
        run_job(ledger, JOB)
        first = ledger.artifacts.admit(write(1, 3), job_id=JOB, name="first", length=3)
        first.write(b"abc")
        second = ledger.artifacts.admit(write(2, 3), job_id=JOB, name="second", length=3)
        second.write(b"def")
        kept = second.settle()
        with ledger.store.artifacts() as rows:
            details = ledger.artifacts._sealed(second.artifact, kept)
            rows.place(second.artifact.artifact_id, address="ab" * 32, details=details)
        second.keep("ab" * 32)
        first._came._file.close()
    with opened(settings, clock) as ledger:
        assert counters(ledger)[f"job {JOB}"] == 6
        assert len(list((Path(settings.artifacts) / "incoming").iterdir())) == 1
        with Browser(create_app(ledger)) as site:
            assert put(site, write(1, 3), b"abc", name="first").status == 409
            disclose(ledger, clock)
            for name in ("first", "second", kit.ulid(1_002)):
                assert site.get(f"{AT}/{name}").status == 404
            listed = site.get(AT).json()["data"]
            assert [each["egress_bytes"] for each in listed] == [3, 3]
            assert [each["name"] for each in listed] == [None, None]
            # Its time is over: the next upload clears away what the first left on the disk.
            assert put(site, write(3, 3), b"ghi", name="first").status == 201
        assert list((Path(settings.artifacts) / "incoming").iterdir()) == []
        assert odd(settings, ledger) == []


def test_fsck_finds_debits_without_rows_and_rows_without_debits_and_rebuild_mends_them(
    ledger: Ledger, settings: Settings
) -> None:
    ledger.log([write(number, 5) for number in range(4)])
    assert odd(settings, ledger) == []
    with ledger.store.engine.connect() as connection, connection.begin():
        for sql, number in (
            ("DELETE FROM stored_artifacts", 1_000),
            ("UPDATE stored_artifacts SET debited_bytes = 6", 1_001),
            ("UPDATE stored_artifacts SET leaf_index = 2", 1_003),
        ):
            connection.execute(text(f"{sql} WHERE artifact_id = '{kit.ulid(number)}'"))
    assert sorted(odd(settings, ledger)) == ["artifact"] * 3 + ["artifact surplus"]
    with ledger.store.engine.connect() as connection, connection.begin():
        connection.execute(text("DELETE FROM stored_artifacts"))
    rebuild(ledger.store)
    assert odd(settings, ledger) == []
    with ledger.store.artifacts(writes=False) as rows:
        assert {each.state for each in rows.every()} == {"failed"}

"""What a submitter may ask beforehand, and the receipt that an admitted job gets, on a site."""

import binascii
import json
from typing import Any

from browser import Browser, Reply
from ledger_world import PLAN, World

from ledger.admission.receipt import check_admission
from ledger.records.asked import MAX_ASKED
from ledger.records.charter import default_charter
from ledger.records.deadline import DAY_S, format_time, parse_time
from ledger.tlog.note import parse_vkey
from ledger.tlog.policy import Policy, PolicyLog
from schemas.checking import SubmissionJudged
from web.app import create_app
from web.rates import RateLimits

CHECK = "/api/v1/check"


def ask(site: Browser, author: str | None = None, **public: object) -> Reply:
    question: dict[str, Any] = {"schema": "job-submitted/1", "public": PLAN | public}
    if author is not None:
        question["author"] = author
    return post(site, json.dumps(question, indent=1).encode())


def post(site: Browser, body: bytes) -> Reply:
    return site.request("POST", CHECK, chunks=[body])


def alone(world: World) -> Policy:
    """The policy that believes this ledger and asks for no witness."""
    log = PolicyLog(parse_vkey(world.ledger.vkey))
    return Policy(logs=(log,), witnesses=(), groups=(), quorum=None)


def enact(world: World, *, after_s: int, replaces: int = 0, **rules: Any) -> int:
    """Have the council log a charter; its index."""
    public = {
        "charter": default_charter().to_dict() | rules,
        "in_force_from": format_time(world.clock.now + after_s),
        "replaces": replaces,
    }
    return world.log(world.statement("council", "charter", "charter-version/1", public))[0].index


# --- asking -----------------------------------------------------------------------------------


def test_an_answer_says_the_verdict_the_charter_and_the_day_of_opening(
    fresh: World, shop: Browser
) -> None:
    fresh.clock.now += 100
    size = fresh.reader.tree_size()
    reply = ask(shop)
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.json() == {
        "verdict": "admitted",
        "findings": [],
        "charter": 0,
        "in_force_from": format_time(fresh.clock.now - 100),
        "judged_at": format_time(fresh.clock.now),
        "opens_by": format_time(fresh.clock.now + 90 * DAY_S),
        "tree_size": size,
    }
    assert fresh.reader.tree_size() == size, "nothing is logged"


def test_what_is_answered_is_what_is_decided(fresh: World, shop: Browser) -> None:
    plans: list[dict[str, Any]] = [
        {},
        {"workload_type": "lora", "optimizer_targets": ["uploaded_model"]},
        {"egress_ceiling_bytes": None},
        {"egress_ceiling_bytes": 10**12 + 1, "gpu_count": 25_001},
        {"optimizer_targets": ["auxiliary_sae"]},
    ]
    for number, public in enumerate(plans):
        said = ask(shop, "alpha", **public).json()
        decision = fresh.log(fresh.submission(f"job{number}", **public))[0].decision
        assert decision is not None
        assert said["verdict"] == decision.kind
        found = [(each["rule"], each["code"], each["finding"]) for each in said["findings"]]
        assert found == [(each.rule, each.code, each.finding) for each in decision.findings]


def test_the_charter_that_is_in_force_judges_and_not_one_that_is_to_come(
    fresh: World, shop: Browser
) -> None:
    strict = enact(fresh, after_s=1_000, gpu_total=4, embargo_days=30)
    assert ask(shop).json()["charter"] == 0
    fresh.clock.now += 999
    assert ask(shop).json()["verdict"] == "admitted"
    fresh.clock.now += 1
    said = ask(shop).json()
    assert (said["verdict"], said["charter"]) == ("rejected", strict)
    assert said["in_force_from"] == format_time(fresh.clock.now)
    assert parse_time(said["opens_by"]) == fresh.clock.now + 30 * DAY_S
    assert [each["code"] for each in said["findings"]] == ["Q_quota"]


def test_a_quota_counts_what_the_members_jobs_hold_now(fresh: World, shop: Browser) -> None:
    quotas = default_charter().to_dict()["quotas"] | {"member_gpus": 20}
    enact(fresh, after_s=0, quotas=quotas)
    fresh.log(fresh.submission("one"), fresh.submission("other", author="beta"))
    fresh.log(fresh.submission("rejected", workload_type="lora"))

    def verdict(author: str | None, gpus: int) -> str:
        return str(ask(shop, author, gpu_count=gpus).json()["verdict"])

    assert (verdict("alpha", 12), verdict("alpha", 13)) == ("admitted", "rejected")
    assert (verdict("beta", 12), verdict("beta", 13)) == ("admitted", "rejected")
    assert (verdict(None, 20), verdict(None, 21)) == ("admitted", "rejected")
    assert fresh.log(fresh.submission("two", gpu_count=12))[0].decision.kind == "admitted"  # type: ignore[union-attr]
    assert verdict("alpha", 1) == "rejected"
    fresh.run("one")
    assert (verdict("alpha", 8), verdict("alpha", 9)) == ("admitted", "rejected")


def test_nobody_but_a_member_with_a_valid_key_is_asked_about(fresh: World, shop: Browser) -> None:
    for author in ("gateway", "council", "nobody"):
        reply = ask(shop, author)
        assert (reply.status, reply.json()["type"]) == (403, "/en/docs/problems/author-unknown")


def test_what_is_no_question_is_refused(shop: Browser) -> None:
    for body, status in (
        (b"", 400),
        (b"[]", 422),
        (b"null", 422),
        (b"\xff", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"{" * 30_000, 400),
        (b"[" * 60_000, 400),
        (b'{"schema":"job-submitted/1"}', 422),
        (b'{"schema":"job-submitted/2","public":{}}', 422),
        (b'{"schema":' + b"9" * 5_000 + b"}", 400),
        (b'{"schema":NaN}', 400),
        (b'{"schema":1.5}', 400),
        (b'{"schema":1e999999999}', 400),
        (b'{"schema":1e17}', 400),
        (b'{"schema":-Infinity}', 400),
        (b'{"a":1,"a":1}', 400),
    ):
        reply = post(shop, body)
        assert (body[:20], reply.status) == (body[:20], status)
        assert reply.headers["content-type"] == "application/problem+json"


def test_a_whole_number_may_be_spelt_as_any_json_may_spell_it(shop: Browser) -> None:
    question = {"schema": "job-submitted/1", "public": PLAN | {"gpu_count": 8}}
    spelt = json.dumps(question).replace('"gpu_count": 8', '"gpu_count": 0.8e1')
    assert post(shop, spelt.encode()).status == 200


def test_a_field_that_is_wrong_is_named(shop: Browser) -> None:
    for public, field in (
        ({"gpu_count": 0}, "public.gpu_count"),
        ({"workload_type": "nonsense"}, "public.workload_type"),
        ({"title": "a sealed thing"}, "public.title"),
    ):
        reply = ask(shop, **public)
        assert (reply.status, reply.json()["field"]) == (422, field)
    twice = json.dumps({"schema": "job-submitted/1", "public": PLAN}).replace(
        '"gpu_count": 8', '"gpu_count": 8, "gpu_count": 8'
    )
    assert "stands twice" in post(shop, twice.encode()).json()["detail"]
    assert post(shop, twice.replace('8, "gpu_count": 8', "8.5").encode()).status == 400


def test_a_question_of_64_kib_is_read_and_a_larger_one_is_not(shop: Browser) -> None:
    body = json.dumps({"schema": "job-submitted/1", "public": PLAN}).encode()
    assert post(shop, body.ljust(MAX_ASKED)).status == 200
    reply = post(shop, body.ljust(MAX_ASKED + 1))
    assert (reply.status, reply.json()["limit"]) == (413, MAX_ASKED)


def test_questions_are_counted_though_they_are_answered(fresh: World) -> None:
    rates = RateLimits(3, clock=lambda: 0.0)
    with Browser(create_app(fresh.ledger, rates=rates)) as site:
        assert [ask(site).status for _ in range(5)] == [200, 200, 200, 429, 429]


def test_the_shape_of_the_answer_is_the_one_that_is_documented(shop: Browser) -> None:
    schema = shop.get("/schemas/submission-judged.json").json()
    assert set(schema["properties"]) == set(SubmissionJudged.__struct_fields__)
    assert set(ask(shop).json()) == set(schema["required"])


# --- the receipt ------------------------------------------------------------------------------


def test_an_admitted_job_has_a_receipt_that_starts_its_run(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    job = fresh.job_id("one")
    reply = shop.get(f"/api/v1/jobs/{job}/admission")
    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert f'filename="{job}.admission.tlog-proof"' in reply.headers["content-disposition"]
    found = check_admission(
        reply.body, policy=alone(fresh), now=fresh.clock.now + 60, gpu_count=8, job_id=job
    )
    assert (found.author, found.gpu_count, found.admitted_index) == ("alpha", 8, 2)
    fresh.run("one")
    later = shop.get(f"/api/v1/jobs/{job}/admission")
    assert later.headers["etag"] != reply.headers["etag"]
    check_admission(later.body, policy=alone(fresh), now=fresh.clock.now, gpu_count=8)


def test_a_receipt_as_of_a_size_stays_what_it_is(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    address = f"/api/v1/jobs/{fresh.job_id('one')}/admission"
    size = fresh.reader.tree_size()
    first = shop.get(f"{address}?at={size}")
    assert "immutable" in first.headers["cache-control"]
    fresh.log(fresh.submission("two"))
    assert shop.get(f"{address}?at={size}").body == first.body
    assert shop.get(address).body != first.body
    assert shop.get(f"{address}?at={size - 1}").status == 404
    assert shop.get(f"{address}?at=1").status == 404


def test_a_job_that_was_not_admitted_has_none_and_the_problem_says_why(
    fresh: World, shop: Browser
) -> None:
    fresh.log(fresh.submission("bad", workload_type="lora"))
    reply = shop.get(f"/api/v1/jobs/{fresh.job_id('bad')}/admission")
    assert (reply.status, reply.headers["content-type"]) == (404, "application/problem+json")
    assert "it was rejected (R1_forbidden_workload)" in reply.json()["detail"]
    assert shop.get(f"/api/v1/jobs/{fresh.job_id('never')}/admission").status == 404
    assert shop.get("/api/v1/jobs/nonsense/admission").status == 404


def test_no_receipt_holds_anything_that_is_sealed(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    address = f"/api/v1/jobs/{fresh.job_id('one')}/admission"
    parts = [shop.get(address).body]
    fresh.days(91)
    fresh.sweep()
    parts.append(shop.get(address).body)
    for text in parts:
        read = text + b"".join(map(_decoded, text.split(b"\n")))
        assert [word for word in fresh.sealed["one"].words if word.encode() in read] == []
        assert [seed for seed in fresh.sealed["one"].seeds if seed in read] == []


def _decoded(line: bytes) -> bytes:
    """What an ``extra`` line carries."""
    return binascii.a2b_base64(line[6:]) if line.startswith(b"extra ") else b""

import csv
import hashlib
import io
import json
import re
from typing import Any

import pytest
from browser import Browser
from ledger_world import HOSTILE, PLAN, START, World, words_of
from site_map import languages

from ledger.reader import View
from ledger.records.deadline import DAY_S, format_time
from schemas.answers import JobDetail
from schemas.charter import FORBIDDEN_WORKLOADS, Workload
from web import browse
from web.figures.bars import Shares
from web.telling import dictionary, vocabulary

PAGES = (
    "members",
    "workloads",
    "rejections",
    "models",
    "artifacts",
    "corrections",
    "data",
    "dictionary",
    "status",
)
LISTS = ("models", "artifacts", "rejections", "corrections", "withheld")
SHA = "a" * 64


def _data(site: Browser, target: str) -> Any:
    reply = site.get(f"/api/v1/{target}")
    assert (target, reply.status) == (target, 200)
    return reply.json()["data"]


def _text(site: Browser, target: str) -> str:
    reply = site.get(target)
    assert (target, reply.status) == (target, 200)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", reply.text))


def _disclose(world: World) -> None:
    world.days(91)
    world.sweep()


# --- members ---


def test_a_members_page_has_the_numbers_of_its_json(site: Browser, world: World) -> None:
    for name in ("alpha", "beta"):
        member = _data(site, f"members/{name}")
        jobs = _data(site, f"jobs?member={name}&limit=1000")
        assert member["jobs"] == len(jobs)
        assert member["gpu_seconds"] == sum(job["gpu_seconds"] or 0 for job in jobs)
        assert member["rejected"] == sum(job["state"] == "rejected" for job in jobs)
        opened = sum(job["disclosed_index"] is not None for job in jobs)
        assert (member["plans_opened"], member["plans_sealed"]) == (opened, len(jobs) - opened)
        assert {t["value"]: t["jobs"] for t in member["workloads"]} == {
            kind: sum(job["workload_type"] == kind for job in jobs)
            for kind in {job["workload_type"] for job in jobs}
        }
        assert sum(each["jobs"] for each in member["states"]) == len(jobs)
        text = _text(site, f"/en/members/{name}")
        figures = re.search(r"Jobs (\S+) GPU-hours (\S+) Rejected (\S+) Plans opened (\S+)", text)
        assert figures
        assert figures[1] == str(member["jobs"])
        assert figures[3] == str(member["rejected"])
        assert figures[4] == str(member["plans_opened"])
        assert site.get(f"/members/{name}.json").json()["data"] == member


def test_the_list_of_members_has_every_lab_with_its_share_and_every_other_voice(
    site: Browser, world: World
) -> None:
    html = site.get("/en/members").text
    members = _data(site, "members")
    whole = sum(member["gpu_seconds"] for member in members)
    for member in members:
        assert f'href="/en/members/{member["name"]}"' in html
        if member["role"] == "member":
            share = 100 * member["gpu_seconds"] / whole
            assert f"{share:.1f}%" in html


def test_somebody_who_runs_no_jobs_has_a_page_too(site: Browser) -> None:
    text = _text(site, "/en/members/orchestrator")
    assert "It signs when a run began" in text
    assert "Search its jobs" not in text
    assert "Valid from entry" in text


def test_a_retired_key_says_which_entry_retired_it(fresh: World, shop: Browser) -> None:
    vkey = next(m for m in fresh.reader.genesis().authors if m.name == "beta").vkey
    public = {"action": "retire", "name": "beta", "role": "member", "title": "Beta", "vkey": vkey}
    index = fresh.log(fresh.statement("council", "registry", "registry/1", public))[0].index
    text = _text(shop, "/en/members/beta")
    assert "Retired" in text
    assert f'href="/en/entries/{index}"' in shop.get("/en/members/beta").text
    assert "Retired" not in _text(shop, f"/en/members/beta?at={index}")


def test_plans_that_are_late_are_counted_as_overdue(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"), fresh.submission("two", author="beta"))
    assert _data(shop, "members/alpha")["plans_overdue"] == 0
    before = shop.get("/en/members/alpha").headers["etag"]
    fresh.days(90)
    assert _data(shop, "members/alpha")["plans_overdue"] == 1
    assert "Plans overdue 1" in _text(shop, "/en/members/alpha")
    assert shop.get("/en/members/alpha", if_none_match=before).status == 200
    size = fresh.reader.tree_size()
    assert _data(shop, f"members/alpha?at={size}")["plans_overdue"] == 0


def test_a_share_above_the_line_is_said_in_words(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    fresh.run("one")
    assert '100.0% <span class="over-line">above the line' in shop.get("/en/members").text


@pytest.mark.parametrize("target", ["/en/members/nobody", "/members/nobody", "/members/x.json"])
def test_an_unknown_member_is_not_found(site: Browser, target: str) -> None:
    assert site.get(target).status == 404


def test_bars_share_one_scale_with_room_beyond_the_line() -> None:
    shares = Shares.of({"a": 10, "b": 30, "c": 0}, whole=100, line=20)
    assert [shares.percent(name) for name in "abcd"] == [10.0, 30.0, 0.0, 0.0]
    assert shares.width("a") * 3 == pytest.approx(shares.width("b"), abs=0.2)
    assert shares.mark is not None
    assert shares.width("a") < shares.mark < shares.width("b") <= 100
    assert [shares.is_above(name) for name in "abc"] == [False, True, False]
    none = Shares.of({"a": 0}, whole=0)
    assert (none.percent("a"), none.width("a"), none.mark) == (0.0, 0.0, None)


# --- kinds of work, rejections ---


def test_every_kind_of_work_is_explained_in_every_language(site: Browser) -> None:
    found = _data(site, "workloads")
    assert [each["code"] for each in found] == [str(code) for code in Workload]
    assert [each["code"] for each in found if not each["allowed"]] == list(FORBIDDEN_WORKLOADS)
    for tag in languages():
        html = site.get(f"/{tag}/workloads").text
        for each in found:
            assert f'id="{each["code"]}"' in html
            assert each["meaning"][tag]
            assert each["label"][tag] in html
    counted = {each["code"]: each["jobs"] for each in found}
    assert counted["lora"] == len(_data(site, "jobs?workload=lora"))
    assert sum(counted.values()) == site.get("/api/v1/jobs?limit=1").json()["page"]["count"]


def test_rejections_are_counted_by_code_and_listed(fresh: World, shop: Browser) -> None:
    fresh.log(
        *[fresh.submission(f"many{n}", workload_type="lora") for n in range(3)],
        fresh.submission("large", author="beta", gpu_count=30_000),
        fresh.submission("unmetered", egress_ceiling_bytes=None),
        fresh.submission("good"),
    )
    codes = {each["code"]: each["jobs"] for each in _data(shop, "rejections/codes")}
    assert {code: jobs for code, jobs in codes.items() if jobs} == {
        "R1_forbidden_workload": 3,
        "Q_quota": 1,
        "R2_unmetered_egress": 1,
    }
    text = _text(shop, "/en/rejections")
    assert "Rejected 5" in text
    assert "83.3" in text
    assert "5 jobs, newest first" in text
    one = shop.get("/en/rejections?code=Q_quota").text
    assert fresh.job_id("large") in one
    assert fresh.job_id("unmetered") not in one
    assert "1 job, newest first" in one
    assert shop.get("/api/v1/rejections?code=Q_quota").json()["page"]["count"] == 1
    rule = {each["code"]: each["rule"] for each in _data(shop, "rejections/codes")}
    for each in _data(shop, "rejections"):
        decision = shop.get(f"/api/v1/jobs/{each['job_id']}").json()["data"]["decision"]
        first = decision["findings"][0]
        assert (first["code"], first["rule"]) == (each["code"], rule[each["code"]])
        assert decision["index"] == each["submitted_index"] + 1
    for target in ("/en/rejections?code=nothing", "/api/v1/rejections?code=R1"):
        assert shop.get(target).status == 400


# --- models and artifacts ---


def test_a_model_is_public_when_a_record_opens_and_not_before(fresh: World, shop: Browser) -> None:
    jobs = ("one", "two")
    fresh.log(*[fresh.submission(job, weights=SHA) for job in jobs], fresh.submission("other"))
    fresh.run("one")
    other, artifact = fresh.digest("other", "weights"), fresh.digest("one", "artifact")
    targets = [f"{kind}/sha256:{digest}" for kind, digest in (("models", SHA), ("models", other))]
    targets.append(f"artifacts/sha256:{artifact}")
    sealed_size = fresh.reader.tree_size()
    for target in targets:
        unknown = re.sub("[0-9a-f]{64}", "b" * 64, target)
        for address in (f"/en/{target}", f"/api/v1/{target}", f"/{target}", f"/{target}.json"):
            reply, nothing = shop.get(address), shop.get(address.replace(target, unknown))
            assert (address, reply.status) == (address, 404)
            digest, no_digest = target[-64:], "b" * 64
            assert reply.text.replace(digest, "") == nothing.text.replace(no_digest, "")
    for page in ("models", "artifacts"):
        assert "yet." in _text(shop, f"/en/{page}")
        assert _data(shop, page) == []
    _disclose(fresh)
    model = _data(shop, f"models/sha256:{SHA}")
    assert (model["jobs"], model["members"], model["gpu_seconds"]) == (2, ["alpha"], 8 * 3_600)
    html = shop.get(f"/en/models/sha256:{SHA}").text
    assert all(fresh.job_id(job) in html for job in jobs)
    assert fresh.job_id("other") not in html
    assert fresh.job_id("one") in shop.get(f"/en/artifacts/sha256:{artifact}").text
    assert {each["digest"] for each in _data(shop, "models")} == {SHA, other}
    for target in targets:
        assert shop.get(f"/en/{target}?at={sealed_size}").status == 404
        assert shop.get(f"/{target}").headers["location"] == f"/en/{target}"
        assert shop.get(f"/{target}.json").json()["data"] == _data(shop, target)
        assert shop.get(f"/{target}", accept_language="zh").headers["location"].startswith("/zh")


def test_no_sealed_digest_is_on_any_of_these_pages(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"), fresh.submission("two", author="beta", gpu_count=30_000))
    fresh.run("one")
    targets = [f"/{tag}/{page}" for tag in languages() for page in PAGES]
    targets += [f"/api/v1/{name}" for name in (*LISTS, "status", "members/alpha", "members/beta")]
    targets += ["/sitemaps/jobs-0.xml", "/en/members/alpha", "/en/members/beta"]
    seen = "\n".join(shop.get(target).text for target in targets)
    hidden = words_of(fresh, ["one", "two"])
    assert len(hidden) > 10
    unsalted = [hashlib.sha256(json.dumps(word).encode()).hexdigest() for word in hidden]
    assert [word for word in (*hidden, *unsalted) if word in seen] == []
    _disclose(fresh)
    after = "\n".join(shop.get(target).text for target in ("/en/models", "/en/artifacts"))
    assert fresh.digest("one", "weights") in after
    assert fresh.digest("one", "artifact") in after


@pytest.mark.parametrize("kind", ["models", "artifacts"])
@pytest.mark.parametrize(
    "name",
    [
        SHA,
        "sha256:",
        f"sha256:{SHA[:-1]}",
        f"sha256:{SHA.upper()}",
        f"sha512:{SHA}",
        f"sha256:{SHA}x",
    ],
)
def test_a_digest_has_one_spelling(site: Browser, kind: str, name: str) -> None:
    for target in (f"/en/{kind}/{name}", f"/api/v1/{kind}/{name}", f"/{kind}/{name}"):
        reply = site.get(target)
        assert (target, reply.status) == (target, 400)
        assert "64 hexadecimal digits in lower case" in reply.text


def test_what_members_wrote_is_text_on_every_page(fresh: World, shop: Browser) -> None:
    sealed = {"title": HOSTILE, "model.name": HOSTILE, "model.revision": HOSTILE}
    sealed["model.weights_digest"] = {"sha256": SHA}
    public = {**PLAN, "workload_type": "lora"}
    logged = fresh.log(
        fresh.statement("beta", "submitted", "job-submitted/1", public, job="bad", sealed=sealed),
        fresh.statement(
            "beta",
            "submitted",
            "job-submitted/1",
            {**public, "workload_type": "eval_suite"},
            job="run",
            sealed=sealed,
        ),
    )
    fresh.run("run", artifact=HOSTILE)
    correction = {
        "corrects": logged[0].index,
        "field": HOSTILE,
        "value": HOSTILE,
        "reason": HOSTILE,
    }
    fresh.log(fresh.statement("beta", "corrected", "job-corrected/1", correction, job="bad"))
    _disclose(fresh)
    artifact = fresh.digest("run", "artifact")
    things = (f"models/sha256:{SHA}", f"artifacts/sha256:{artifact}", "members/beta")
    for tag in languages():
        for page in (*PAGES, *things):
            html = shop.get(f"/{tag}/{page}").text
            assert "<script>" not in html
            assert "<b>Lab</b>" not in html
            assert HOSTILE[-1] not in html
    for page in ("rejections", "models", "artifacts", "corrections", *things[:2]):
        assert "&lt;script&gt;alert" in shop.get(f"/en/{page}").text


# --- corrections and what is withheld ---


def test_a_correction_shows_what_was_said_and_what_should_have_been(
    site: Browser, world: World
) -> None:
    [found] = _data(site, "corrections")
    assert (found["field"], found["value"], found["author"]) == ("public.gpu_count", "16", "alpha")
    text = _text(site, "/en/corrections")
    assert "What was said 8 What it should have been 16 Why a typing mistake" in text
    html = site.get("/en/corrections").text
    for index in (found["index"], found["corrects"]):
        assert f'href="/en/entries/{index}"' in html


def test_values_that_look_alike_when_rounded_are_given_exactly(fresh: World, shop: Browser) -> None:
    index = fresh.log(fresh.submission("one", wall_limit_seconds=90_000))[0].index
    correction = {"corrects": index, "field": "wall_limit_seconds", "value": "90001", "reason": "x"}
    fresh.log(fresh.statement("alpha", "corrected", "job-corrected/1", correction, job="one"))
    text = _text(shop, "/en/corrections")
    assert "90000" in text
    assert "90001" in text


def test_a_job_that_was_corrected_often_is_read_once(
    fresh: World, shop: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = fresh.log(fresh.submission("one"))[0].index
    said = {"corrects": submitted, "field": "gpu_count", "reason": "A slip."}
    for value in ("16", "17", "18"):
        public = said | {"value": value}
        fresh.log(fresh.statement("alpha", "corrected", "job-corrected/1", public, job="one"))
    read: list[str] = []
    real = View.job

    def counted(self: View, job_id: str) -> JobDetail:
        read.append(job_id)
        return real(self, job_id)

    monkeypatch.setattr(View, "job", counted)
    text = shop.get("/en/corrections").text
    found = [text.index(f"<strong>{value}</strong>") for value in ("18", "17", "16")]
    assert found == sorted(found)
    assert len(read) == 1


def test_a_sealed_field_that_was_corrected_stays_sealed(fresh: World, shop: Browser) -> None:
    index = fresh.log(fresh.submission("one"))[0].index
    correction = {"corrects": index, "field": "title", "value": "Other", "reason": "a slip"}
    fresh.log(fresh.statement("alpha", "corrected", "job-corrected/1", correction, job="one"))
    assert "What was said still sealed" in _text(shop, "/en/corrections")
    _disclose(fresh)
    title = next(word for word in words_of(fresh, ["one"]) if "-title-" in word)
    assert f"What was said {title}" in _text(shop, "/en/corrections")


def test_what_is_withheld_is_listed_with_basis_and_review(site: Browser, world: World) -> None:
    [found] = _data(site, "withheld")
    assert (found["paths"], found["basis"], found["author"]) == (
        ["purpose"],
        "hazard_cyber",
        "committee",
    )
    opened = site.get(f"/api/v1/entries/{found['disclosed_index']}").json()["data"]["entry"]
    assert opened["withheld_by"] == found["index"]
    text = _text(site, "/en/corrections")
    assert "It could help to attack computers" in text
    before = site.get(f"/api/v1/withheld?at={found['disclosed_index']}").json()["data"]
    assert before[0]["disclosed_index"] is None
    assert site.get(f"/api/v1/withheld?at={found['index']}").json()["data"] == []
    assert "Nothing is withheld" in _text(site, f"/en/corrections?at={found['index']}")


# --- lists ---


def test_every_list_goes_on_until_its_end_and_counts_all_of_it(fresh: World, shop: Browser) -> None:
    for n in range(4):
        indices = fresh.log(
            fresh.submission(f"job{n}"), fresh.submission(f"bad{n}", gpu_count=9**6)
        )
        fresh.run(f"job{n}")
        correction = {"corrects": indices[0].index, "field": "title", "value": "x", "reason": "y"}
        closing = {
            "withholds": indices[0].index,
            "paths": ["code"],
            "basis": "hazard_other",
            "review_by": format_time(fresh.clock.now + 100 * DAY_S),
        }
        job = f"job{n}"
        fresh.log(
            fresh.statement("alpha", "corrected", "job-corrected/1", correction, job=job),
            fresh.statement("committee", "withheld", "job-withheld/1", closing, job=job),
        )
    _disclose(fresh)
    for name in LISTS:
        whole = _data(shop, f"{name}?limit=1000")
        # Rejected submissions are opened too: they name models as well.
        assert len(whole) == (8 if name == "models" else 4)
        paged, target = [], f"/api/v1/{name}?limit=3"
        while target:
            answer = shop.get(target).json()
            paged += answer["data"]
            assert answer["page"]["count"] == len(whole)
            target = answer["page"]["next"]
        assert paged == whole
        assert "count" in shop.get(f"/api/v1/{name}?count=none").text
    for page in ("models", "artifacts", "rejections", "corrections"):
        html, pages = shop.get(f"/en/{page}?limit=3").text, 1
        while following := re.search(r'rel="next" href="([^"]+)"', html):
            html, pages = shop.get(following[1].replace("&amp;", "&")).text, pages + 1
        assert pages == (3 if page == "models" else 2)
        assert "← Newest" in html


def test_an_address_refuses_what_it_does_not_know(site: Browser) -> None:
    targets = [f"/en/{page}" for page in PAGES]
    targets += [f"/api/v1/{name}" for name in (*LISTS, "workloads", "status", "vocab")]
    targets += ["/api/v1/vocab/state", "/api/v1/members/alpha", "/en/members/alpha"]
    targets += ["/members/alpha", "/robots.txt", "/sitemap.xml", "/dictionary.csv"]
    targets += ["/opensearch.xml", "/.well-known/security.txt", "/sitemaps/pages.xml"]
    for target in targets:
        assert (target, site.get(f"{target}?x=1").status) == (target, 400)
        assert (target, site.get(f"{target}?at=999999").status) == (target, 404)


def test_these_pages_at_a_size_never_change(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one", weights=SHA), fresh.submission("bad", gpu_count=30_000))
    fresh.run("one")
    _disclose(fresh)
    size = fresh.reader.tree_size()
    artifact = fresh.digest("one", "artifact")
    things = (f"models/sha256:{SHA}", f"artifacts/sha256:{artifact}", "members/alpha")
    targets = [f"/{tag}/{page}?at={size}" for tag in languages() for page in (*PAGES, *things)]
    targets += [f"/api/v1/{name}?at={size}" for name in (*LISTS, "status", "workloads", *things)]
    targets += [f"/{name}?at={size}" for name in ("sitemap.xml", "sitemaps/jobs-0.xml")]
    before = {target: shop.get(target) for target in targets}
    fresh.log(fresh.submission("two", weights=SHA), fresh.submission("bad2", gpu_count=30_000))
    fresh.run("two")
    correction = {"corrects": 1, "field": "title", "value": "x", "reason": "y"}
    fresh.log(fresh.statement("alpha", "corrected", "job-corrected/1", correction, job="one"))
    _disclose(fresh)
    for target, old in before.items():
        assert (target, old.status) == (target, 200)
        assert (target, shop.get(target).body) == (target, old.body)
    assert len(_data(shop, "corrections")) == 1


def test_an_empty_ledger_has_all_of_these_pages(shop: Browser) -> None:
    for tag in languages():
        for page in PAGES:
            assert shop.get(f"/{tag}/{page}").status == 200
    text = _text(shop, "/en/status")
    assert "Nothing is sealed." in text
    assert "Nothing has been opened yet." in text
    assert "No job has been rejected so far." in _text(shop, "/en/rejections")
    assert "Nothing has been corrected so far." in _text(shop, "/en/corrections")
    assert "has submitted no job yet" in _text(shop, "/en/members/alpha")


# --- the dictionary ---


def test_every_field_has_a_name_and_a_meaning_in_every_language() -> None:
    for field in dictionary.all_shown():
        assert (field.record, field.field, sorted(field.label)) == (
            field.record,
            field.field,
            sorted(languages()),
        )
        assert sorted(field.meaning) == sorted(field.type) == sorted(languages())


def test_every_code_has_words_in_every_language() -> None:
    for name in vocabulary.NAMES:
        found = vocabulary.vocabulary(name)
        assert sorted(found.title) == sorted(languages())
        for word in found.codes:
            assert sorted(word.label) == sorted(languages())
            plain = word.code.replace("_", " ")
            assert all(label not in {plain, word.code} for label in word.label.values())
    for name in ("workload_type", "rejection_code", "state", "role", "weights_check"):
        assert all(
            len(word.meaning) == len(languages()) for word in vocabulary.vocabulary(name).codes
        )


def test_every_field_of_every_entry_is_in_the_dictionary(site: Browser, world: World) -> None:
    known: dict[str, set[str]] = {}
    for field in dictionary.fields():
        known.setdefault(field.record, set()).add(field.name)
    by_kind = {"admitted": "admitted", "rejected": "admitted"}
    entries = _data(site, "entries?limit=1000")
    assert {entry["kind"] for entry in entries} >= {"genesis", "withheld", "corrected", "disclosed"}
    for shown in entries:
        entry = shown["entry"]
        own = by_kind.get(entry["kind"], entry["kind"])
        assert set(entry) <= known["entry"] | known.get(own, set())
        if statement := entry.get("statement"):
            assert set(statement) <= known["statement"]
            assert set(entry["signature"]) == known["signature"]
            assert set(statement["public"]) <= known[statement["schema"]]
            assert set(statement.get("sealed", {})) <= known["sealed"]
        if entry["kind"] == "disclosed":
            paths = {*entry["fields"], *entry.get("closed", {})}
            assert paths <= known["job-submitted/1"] | known["job-ended/1"]
        for finding in entry.get("findings", ()):
            assert {f"findings[].{name}" for name in finding} <= known["admitted"]
    [job] = _data(site, "jobs?limit=1")
    assert set(job) == known["job"]


def test_the_dictionary_is_the_same_as_a_page_as_csv_and_as_json(site: Browser) -> None:
    fields = _data(site, "vocab/fields")
    for tag in languages():
        reply = site.get(f"/dictionary.csv?lang={tag}")
        assert reply.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(reply.text)))
        assert [(row["record"], row["field"]) for row in rows] == [
            (field["record"], field["field"]) for field in fields
        ]
        html = site.get(f"/{tag}/dictionary").text
        for row, field in zip(rows, fields, strict=True):
            assert row["label"] == field["label"][tag]
            assert row["codes"].split() == field["codes"]
            assert f"<code>{field['field']}</code>" in html
            assert f"{field['label'][tag]}</strong>" in html.replace("&#39;", "'")
    assert site.get("/dictionary.csv?bom=1").body.startswith(b"\xef\xbb\xbfrecord,field,when")
    assert site.get("/dictionary.csv?lang=de").status == 400


def test_a_vocabulary_is_named_by_its_field(site: Browser) -> None:
    for name in vocabulary.NAMES:
        found = _data(site, f"vocab/{name}")
        assert [word["code"] for word in found["codes"]] == list(vocabulary.codes_of(name))
        assert f'id="codes-{name}"' in site.get("/en/dictionary").text
    refusal = site.get("/api/v1/vocab/nothing")
    assert refusal.status == 404
    assert "workload_type" in refusal.json()["detail"]


# --- the status ---


def test_the_status_says_how_fresh_the_ledger_is(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    fresh.days(1)
    fresh.log(fresh.submission("two"))
    fresh.clock.now += 30
    found = _data(shop, "status")
    assert (found["entries"], found["entries_last_day"]) == (5, 2)
    assert found["checkpoint_age_seconds"] == found["last_entry_age_seconds"] == 30
    assert (found["jobs"], found["sealed"], found["overdue"], found["opened"]) == (2, 2, 0, 0)
    assert found["next_deadline"]["job_id"] == fresh.job_id("one")
    assert found["last_disclosure"] is None
    assert found["vkey"] == fresh.ledger.vkey
    text = _text(shop, "/en/status")
    assert "Every deadline that has come has been kept" in text
    assert "30 s ago" in text.replace("\u00a0", " ")
    fresh.days(90)
    assert _data(shop, "status")["overdue"] == 2
    late = _text(shop, "/en/status")
    assert "2 sealed parts have passed their deadline" in late
    assert "Not good" in late
    fresh.sweep()
    assert _data(shop, "status")["last_disclosure"]["job"]["job_id"] == fresh.job_id("two")
    size = fresh.reader.tree_size()
    pinned = _data(shop, f"status?at={size}")
    assert (pinned["last_entry_age_seconds"], pinned["overdue"]) == (0, 0)


def test_the_first_entry_since_a_time_is_found(world: World) -> None:
    with world.reader.at() as view:
        times = [entry.logged_at for entry in view.entries(start=0, limit=view.size)]
        for seconds in (START, view.logged_at, view.logged_at + 1, world.clock.now - DAY_S):
            expected = sum(time < format_time(seconds) for time in times)
            assert browse.first_since(view, seconds) == expected

"""Nothing that is sealed comes out anywhere before its disclosure; all of it does after."""

import base64
import hashlib
import json
import random
from html import escape

from browser import Browser
from ledger_world import World, words_of
from site_map import answers, bulk, files, pages, probes

ODD = (
    "at",
    "limit",
    "cursor",
    "member",
    "workload",
    "state",
    "count",
    "start",
    "size",
    "from",
    "to",
    "q",
    "title",
    "fields",
)


def _forbidden(world: World, jobs: list[str]) -> list[bytes]:
    """The values, their unsalted digests, and the seeds, in every spelling that an answer has."""
    found: list[bytes] = []
    for word in words_of(world, jobs):
        raw = word.encode()
        for spelt in (raw, json.dumps(word).encode()):
            digest = hashlib.sha256(spelt).digest()
            found += [digest.hex().encode(), base64.b64encode(digest), digest]
        found += [raw, base64.b64encode(raw)[:-4], raw.hex().encode()]
    for job in jobs:
        for seed in world.sealed[job].seeds:
            found += [seed, seed.hex().encode(), base64.b64encode(seed)]
    return found


def _everything(world: World, site: Browser) -> list[bytes]:
    targets = [*pages(world), *answers(world), *files(world), *bulk(world), *probes()]
    targets += [
        prefix + job + suffix
        for job in world.jobs.values()
        for prefix, suffix in (
            ("/en/jobs/", ""),
            ("/api/v1/jobs/", ""),
            ("/jobs/", ".proof"),
            ("/api/v1/jobs/", "/events"),
        )
    ]
    replies = [site.get(target) for target in targets]
    return [reply.body + repr(reply.headers).encode() for reply in replies]


def _leaks(seen: list[bytes], forbidden: list[bytes]) -> list[bytes]:
    everything = b"\n".join(seen)
    return [each for each in forbidden if each in everything]


def test_nothing_sealed_is_anywhere_until_it_is_opened(fresh: World, shop: Browser) -> None:
    jobs = [f"job{n}" for n in range(12)]
    fresh.log(*[fresh.submission(job) for job in jobs])
    fresh.run("job0")
    fresh.run("job1", kind="failed")
    forbidden = _forbidden(fresh, jobs)
    before = _everything(fresh, shop)
    assert _leaks(before, forbidden) == []
    fresh.days(91)
    assert _leaks(_everything(fresh, shop), forbidden) == []
    fresh.sweep()
    after = b"\n".join(_everything(fresh, shop))
    assert [word for word in words_of(fresh, jobs) if word.encode() not in after] == []
    for job in jobs:
        for page in (f"/en/jobs/{fresh.job_id(job)}", f"/api/v1/jobs/{fresh.job_id(job)}"):
            text = shop.get(page).text
            assert [word for word in words_of(fresh, [job]) if word not in text] == []


def test_what_opened_later_is_not_in_what_was_before(site: Browser, world: World) -> None:
    with world.reader.at() as view:
        disclosed = view.job(world.job_id("opened")).job.disclosed_index
    job = world.job_id("opened")
    for path in (f"/en/jobs/{job}", f"/api/v1/jobs/{job}", f"/jobs/{job}.proof", "/en/jobs"):
        text = site.get(f"{path}?at={disclosed}").text
        assert "How refusals generalise" not in text
        assert not [word for word in words_of(world, ["opened"]) if word in text]


def test_a_withheld_value_is_in_no_answer(site: Browser, world: World) -> None:
    closed = [word for word in words_of(world, ["withheld"]) if "-purpose-" in word]
    forbidden = [closed[0].encode(), hashlib.sha256(closed[0].encode()).hexdigest().encode()]
    seed = world.sealed["withheld"].seeds[0]
    forbidden += [seed, base64.b64encode(seed), seed.hex().encode()]
    assert _leaks(_everything(world, site), forbidden) == []


def test_no_question_brings_a_sealed_value_out(site: Browser, world: World) -> None:
    draw = random.Random(7)
    sealed = [job for job in world.jobs if job.startswith("many") or job == "sealed"]
    words = words_of(world, sealed)
    paths = [target.partition("?")[0] for target in (*pages(world), *answers(world))]
    values = ["1", "0", "-1", "99999999", "alpha", "eval_suite", "completed", "x", "%00", "'"]
    seen = []
    for _ in range(400):
        asked = draw.sample(ODD, draw.randint(0, 3))
        query = "&".join(f"{name}={draw.choice([*values, draw.choice(words)])}" for name in asked)
        reply = site.get(f"{draw.choice(paths)}?{query}")
        assert reply.status in {200, 302, 400, 404}
        # What the client itself put into the address may come back: in a refusal, or as the words
        # that a list is searched for.
        shown = reply.body
        for spelt in (query, escape(query), *(word for word in words if word in query)):
            shown = shown.replace(spelt.encode(), b"")
        seen += [] if reply.status in {400, 302} else [shown]
    assert _leaks(seen, [word.encode() for word in words]) == []


def test_looking_for_a_sealed_word_tells_nothing(site: Browser, world: World) -> None:
    """Whether the word is sealed somewhere or nowhere, the refusal is the same."""
    word = words_of(world, ["sealed"])[0]
    other = f"{word[:-12]}0123456789ab"
    for path in ("/api/v1/jobs?member=", "/api/v1/jobs?q=", "/en/jobs?state="):
        real, false = site.get(path + word), site.get(path + other)
        assert real.status == false.status
        assert real.text.replace(word, "") == false.text.replace(other, "")
        assert "etag" not in real.headers or real.status == 200

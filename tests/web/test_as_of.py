"""``?at=N`` shows the ledger as it was, byte for byte, however far the log has grown since."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import islice

import psycopg
import pytest
from browser import Browser, Reply
from ledger_world import ORIGIN, World, with_history
from site_map import answers, pages

from ledger.assembly import Ledger
from ledger.records.deadline import format_time
from ledger.settings import Settings
from ledger.tlog.note import generate_key
from web.app import create_app

PUBLIC_URL = "https://ledger.example"
MORE = 1_000
WEIGHTS = {"sha256": "5a" * 32}
FILES = [
    {
        "digest": {"sha256": f"{number:064x}"},
        "name": f"results-{number}.jsonl",
        "kind": "results",
        "bytes": 1_000 + number,
        "content_access": "public",
    }
    for number in (1, 2)
]


@dataclass
class Grown:
    """A world before and after it grew: what every address answered at each size before."""

    world: World
    settings: Settings
    sizes: list[int]
    newest: int
    before: dict[str, Reply]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def grown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Grown]:
    folder = tmp_path_factory.mktemp("grown")
    given = {}
    if request.param == "postgresql":
        given["database_url"] = request.getfixturevalue("postgresql_database")
    with World(folder, given.get("database_url")) as world:
        with_history(world)
        _log_with_results(world, "measured")
        world.days(91)
        world.sweep()
        _log_with_results(world, "after")
        settings = Settings(data_dir=folder, **given)
        sizes = _sizes(world)
        with Browser(create_app(world.ledger, public_url=PUBLIC_URL)) as site:
            before = {target: site.get(target) for target in _targets(world, sizes)}
        newest = world.reader.tree_size()
        _grow(world)
        assert world.reader.tree_size() >= newest + MORE
        yield Grown(world, settings, sizes, newest, before)


@pytest.fixture(scope="module")
def postgresql_database(postgresql_server: str) -> str:
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS as_of")
        connection.execute("CREATE DATABASE as_of")
    return postgresql_server.replace("@/postgres?", "@/as_of?")


def _sizes(world: World) -> list[int]:
    """The newest size, one in the middle of a batch, one at a disclosure, one near the start."""
    newest = world.reader.tree_size()
    with world.reader.at() as view:
        opened = view.job(world.job_id("opened")).job.disclosed_index
        published = {each.tree_size for each in view.checkpoints(limit=1_000)}
    assert opened is not None
    between = next(size for size in range(newest - 60, newest) if size not in published)
    return [newest, between, opened + 1, opened, 3]


def _targets(world: World, sizes: list[int]) -> list[str]:
    # Schemas follow from the code and from no entry: a later release may change them.
    with_size = [target for target in answers(world) if "size=" not in target]
    return [
        f"{target}{'&' if '?' in target else '?'}at={size}"
        for target in (*pages(world), *with_size)
        for size in sizes
        if "at=" not in target and not target.startswith(("/schemas/", "/api/v1/openapi.json"))
    ]


def _log_with_results(world: World, job: str) -> None:
    """A job whose plan names a model and whose results name files."""
    public = {
        "workload_type": "sae_training",
        "gradient_scope": "auxiliary_only",
        "optimizer_targets": ["auxiliary_sae"],
        "accelerator": "nvidia_b200",
        "gpu_count": 16,
        "wall_limit_seconds": 7_200,
        "egress_ceiling_bytes": 10_000_000,
    }
    plan = {
        "title": f"自编码器 {job}",
        "purpose": world.canary(job, "purpose"),
        "model.name": "example-7b",
        "model.revision": "r1",
        "model.weights_digest": WEIGHTS,
    }
    world.log(world.statement("beta", "submitted", "job-submitted/1", public, job=job, sealed=plan))
    begun = world.clock.now
    started = {"started_at": format_time(begun), "gpu_count": 16}
    world.log(world.statement("orchestrator", "started", "job-started/1", started, job=job))
    world.clock.now += 3_600
    egress = {"egress_bytes": 2_003, "artifact_count": 2}
    ended = {
        "started_at": format_time(begun),
        "ended_at": format_time(world.clock.now),
        "wall_seconds": 3_600,
        "gpu_seconds": 57_600,
        "h200e_seconds": 57_600,
        "h200e_basis": "table/1",
        "exit_status": "completed",
        "weights_unchanged": True,
        "weights_check": "readonly_mount",
    }
    results = {"artifacts": FILES, "model.weights_digest_after": WEIGHTS}
    world.log(
        world.statement("gateway", "egress", "job-egress/1", egress, job=job),
        world.statement("orchestrator", "completed", "job-ended/1", ended, job=job, sealed=results),
    )


def _grow(world: World) -> None:
    """A thousand entries and more of every kind, many about jobs that were there before."""
    newest = world.reader.tree_size()
    with world.reader.at() as view:
        sealed = view.job(world.job_id("after")).sealed
        jobs = {name: view.submission_of(world.job_id(name)) for name in ("opened", "early")}
    opening = {"discloses": sealed[0].index}
    world.log(world.statement("beta", "open", "job-open/1", opening, job="after"))
    for name, index in jobs.items():
        correction = {
            "corrects": index,
            "field": "accelerator",
            "value": "nvidia_h100",
            "reason": "said after the fact",
        }
        body = world.statement("alpha", "corrected", "job-corrected/1", correction, job=name)
        world.log(body)
    _rename(world, "alpha", "Alpha Laboratories")
    for number in range(40):
        world.run(f"many{number}", kind="failed" if number % 7 == 0 else "completed")
    world.log(*[world.submission(f"new{number}", author="beta") for number in range(150)])
    world.log(*[world.submission(f"no{number}", egress_ceiling_bytes=None) for number in range(50)])
    for number in range(30):
        world.run(f"new{number}")
    _log_with_results(world, "once more")
    world.days(95)
    world.sweep()
    size = world.reader.tree_size()
    world.log(*[world.submission(f"last{n}") for n in range((newest + MORE - size) // 2 + 1)])


def _rename(world: World, name: str, title: str) -> None:
    """The council registers a second key of an author, under another title."""
    _, vkey = generate_key(f"{ORIGIN}/{name}", b"\x77" * 32)
    public = {"action": "add", "name": name, "role": "member", "title": title, "vkey": vkey}
    world.log(world.statement("council", "registry", "registry/1", public))


def _difference(old: bytes, new: bytes) -> list[str]:
    """The first lines that are not the same; nothing where all are."""
    if old == new:
        return []
    lines = difflib.unified_diff(old.decode().splitlines(), new.decode().splitlines(), n=0)
    return list(islice(lines, 12))


def test_every_address_answers_the_same_bytes_when_the_log_has_grown(grown: Grown) -> None:
    """By a process that was there all the time, and by one that sees the grown log only."""
    newcomer = Ledger(grown.settings, clock=grown.world.clock, writer=False)
    try:
        for house in (grown.world.ledger, newcomer):
            with Browser(create_app(house, public_url=PUBLIC_URL)) as site:
                for target, old in grown.before.items():
                    new = site.get(target)
                    assert (target, new.status) == (target, old.status)
                    assert (target, _difference(old.body, new.body)) == (target, [])
                    assert new.headers.get("etag") == old.headers.get("etag")
    finally:
        newcomer.close()


def test_what_has_a_size_is_kept_for_ever_and_names_it(grown: Grown) -> None:
    answered = [reply for reply in grown.before.values() if reply.status == 200]
    assert len(answered) > 0.6 * len(grown.before)
    for target, reply in grown.before.items():
        assert (target, reply.status) in {(target, status) for status in (200, 302, 404)}
        if reply.status == 200:
            # An upload may end after its debit: such a list is asked for anew each time.
            kept = "no-cache" if "/artifacts?" in target and "/jobs/" in target else "immutable"
            assert kept in reply.headers["cache-control"]
            assert reply.headers["ledger-tree-size"] == target.rpartition("at=")[2]
    at_newest = [t for t in grown.before if t.endswith(f"at={grown.newest}")]
    assert {grown.before[target].status for target in at_newest} <= {200, 302}


def test_a_page_of_the_past_says_so_and_leads_to_the_present(grown: Grown) -> None:
    for target, reply in grown.before.items():
        if not target.startswith(("/en/", "/zh-Hans/")) or reply.status != 200:
            continue
        here = target.rpartition("at=")[0].rstrip("?&")
        text = reply.text
        assert '<aside class="pinned"' in text, target
        banner = text[text.index('<aside class="pinned"') : text.index("</aside>")]
        size = int(target.rpartition("at=")[2])
        assert f"{size:,}" in text[text.index('<aside class="pinned"') :], target
        assert "This page will never change" in text or target.startswith("/zh-Hans/")
        # Parameters that a form leaves empty are not kept.
        plain = here.replace("&workload=", "")
        assert f'href="{escape(plain)}"' in text, (target, banner)


def test_the_present_is_another_page_than_the_past(grown: Grown) -> None:
    with Browser(create_app(grown.world.ledger, public_url=PUBLIC_URL)) as site:
        changed = [
            target
            for target in ("/en/", "/en/jobs", "/en/embargo", "/en/log", "/api/v1/members")
            if site.get(target).body != grown.before[f"{target}?at={grown.newest}"].body
        ]
        job = grown.world.job_id("opened")
        now = site.get(f"/en/jobs/{job}").text
    assert len(changed) == 5
    assert "Alpha Laboratories" in now
    assert "said after the fact" in now
    then = grown.before[f"/en/jobs/{job}?at={grown.newest}"].text
    assert "Alpha Laboratories" not in then
    assert "said after the fact" not in then

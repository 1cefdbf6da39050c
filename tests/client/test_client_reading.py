"""The client against a real server: what it reads is what the log holds."""

from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from ledger_world import World
from serving import served
from tampering import Open

from ledger.client import Ledger, TrustedOnFirstUse
from ledger.errors import LogUnavailable, NotFound, Overloaded, SettingsError, ValueRefused
from ledger.storage.shapes import JobFilter
from ledger.tlog.note import generate_key


def test_jobs_are_those_of_the_ledger_newest_first(open_ledger: Open, world: World) -> None:
    with world.reader.at() as view:
        expected = view.search(JobFilter(), limit=1000)
    found = open_ledger()
    assert list(found.jobs()) == list(expected)
    assert len(expected) > 150


def test_a_replay_of_all_entries_comes_to_the_same_jobs(open_ledger: Open, world: World) -> None:
    ledger = open_ledger()
    assert list(ledger.replay()) == list(ledger.jobs())[::-1]
    assert list(ledger.replay(member="beta")) == list(ledger.jobs(member="beta"))[::-1]


def test_one_job_has_everything_public_about_it(open_ledger: Open, world: World) -> None:
    ledger = open_ledger()
    for name in ("opened", "withheld", "hostile", "early", "rejected", "sealed"):
        with world.reader.at() as view:
            assert ledger.job(world.job_id(name)) == view.job(world.job_id(name))
    assert ledger.job(world.job_id("withheld")).sealed[0].disclosure is not None
    with pytest.raises(NotFound, match="HTTP 404"):
        ledger.job("0" * 26)
    with pytest.raises(NotFound, match="not the ID of a job"):
        ledger.job("../entries/1")


def test_filters_choose_as_the_api_does(open_ledger: Open, world: World) -> None:
    ledger = open_ledger()
    every = list(ledger.jobs())
    day = datetime.fromtimestamp(world.clock.now, UTC).date()
    assert {job.state for job in ledger.jobs(state="failed")} == {"failed"}
    assert [job.job_id for job in ledger.jobs(q="refusals")] == [world.job_id("opened")]
    first = date.fromisoformat(every[-1].submitted_at[:10])
    early = list(ledger.jobs(since=first, until=first))
    assert early == [job for job in every if job.submitted_at[:10] == str(first)]
    assert list(ledger.jobs(since=first, until=day)) == every
    assert {job.rejection_code for job in ledger.jobs(decision="rejected")} != {None}
    with pytest.raises(ValueRefused, match="colour is no filter"):
        next(ledger.jobs(colour="red"))
    with pytest.raises(ValueRefused, match=r"HTTP 4(00|22)"):
        next(ledger.jobs(workload="frob"))


def test_entries_are_every_leaf_of_the_tree(open_ledger: Open, world: World) -> None:
    ledger = open_ledger()
    leaves = list(ledger.entries())
    assert [leaf.index for leaf in leaves] == list(range(world.reader.tree_size()))
    with world.reader.at() as view:
        assert leaves[7].data == bytes(view.entry(7).entry)
    assert [leaf.index for leaf in ledger.entries(300, 303)] == [300, 301, 302]
    with pytest.raises(NotFound):
        ledger.entry(ledger.size)


def test_at_shows_the_ledger_as_it_was(open_ledger: Open, world: World) -> None:
    for size in (3, 256, 257, 258, 300):
        with world.reader.at(size) as view:
            expected = view.search(JobFilter(), limit=1000)
            root = view.root.hex()
        ledger = open_ledger(at=size)
        assert (ledger.size, ledger.root) == (size, root)
        assert list(ledger.jobs()) == list(expected)
        replayed = list(ledger.replay())[::-1]
        if replayed and replayed[0].submitted_index == size - 1:
            # The decision is the first entry behind this tree.
            assert replayed.pop(0).state == "submitted"
            expected = expected[1:]
        assert replayed == list(expected)
    with pytest.raises(NotFound, match="there is no size"):
        open_ledger(at=10**6)


def test_members_and_receipts(open_ledger: Open, world: World) -> None:
    ledger = open_ledger()
    with world.reader.at() as view:
        assert list(ledger.members()) == list(view.members())
        opened = view.submission_of(world.job_id("opened"))
        withheld = view.submission_of(world.job_id("withheld"))
        assert ledger.receipt(opened) == view.receipt(opened)
        assert ledger.receipt(withheld) == view.receipt(withheld)
    assert ledger.receipt(0).startswith(b"c2sp.org/tlog-proof@v1\n")


def test_models_and_artifacts_are_those_of_the_ledger(open_ledger: Open, world: World) -> None:
    opened = {world.digest("opened", "weights")}
    with world.reader.at() as view:
        models, artifacts = view.models(limit=1000), view.artifacts(limit=1000)
        last = artifacts[-1].disclosed_index
    ledger = open_ledger()
    assert tuple(ledger.models()) == models
    assert tuple(ledger.artifacts()) == artifacts
    assert opened <= {model.digest for model in models}
    assert len(artifacts) > 1
    for size in (last, last + 1, last + 2):
        with world.reader.at(size) as view:
            expected = view.models(limit=1000), view.artifacts(limit=1000)
        then = open_ledger(at=size)
        assert (tuple(then.models()), tuple(then.artifacts())) == expected
    unchecked = open_ledger(verify=False, vkey=None)
    assert tuple(unchecked.models()) == models
    assert tuple(unchecked.artifacts()) == artifacts


def test_a_model_that_several_jobs_name_is_made_of_all_of_them(
    tmp_path: Path, database_url: str
) -> None:
    with World(tmp_path / "several", database_url) as world:
        weights = "ab" * 32
        for number in range(5):
            author = "alpha" if number % 2 else "beta"
            world.log(world.submission(f"job-{number}", author=author, weights=weights))
            world.run(f"job-{number}", wall_s=100 * (number + 1), artifact="cd" * 32)
        world.days(91)
        world.sweep()
        with world.reader.at() as view:
            expected = view.models(limit=10), view.artifacts(limit=100)
        assert (expected[0][0].jobs, expected[0][0].members) == (5, ("alpha", "beta"))
        with (
            served(world) as address,
            Ledger(address, vkey=world.ledger.vkey, state=tmp_path / "kept") as ledger,
        ):
            assert (tuple(ledger.models()), tuple(ledger.artifacts())) == expected


def test_without_verify_nothing_is_checked_and_nothing_kept(
    open_ledger: Open, world: World, tmp_path: Path
) -> None:
    ledger = open_ledger(verify=False, vkey=None)
    assert len(list(ledger.jobs(member="beta"))) == len(list(ledger.replay(member="beta")))
    assert ledger.receipt(1)
    assert list(tmp_path.iterdir()) == []


def test_the_first_use_believes_the_servers_key_and_says_so(
    address: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with (
        pytest.warns(TrustedOnFirstUse, match="no key was given") as heard,
        Ledger(address) as first,
    ):
        assert first.size
    assert heard[0].filename == __file__
    (state,) = (tmp_path / "apsci-ledger").iterdir()
    assert world.ledger.vkey in state.read_text()
    with Ledger(address) as second:
        assert second.root == first.root
    other = generate_key("log.example/other", b"o" * 32)[0].vkey
    with pytest.raises(SettingsError, match="remembers the log"):
        Ledger(address, vkey=other)
    state.write_text("{}")
    with pytest.raises(SettingsError, match="not a state file"):
        Ledger(address)


def test_a_crawl_sees_one_tree_while_the_log_grows(open_ledger: Open, world: World) -> None:
    ledger = open_ledger()
    before = list(ledger.replay())
    size, crawl = ledger.size, ledger.jobs()
    seen = [next(crawl) for _ in range(20)]
    for number in range(30):
        world.log(world.submission(f"late-{number}"))
        seen.append(next(crawl))
    seen += crawl
    assert [job.job_id for job in seen] == [job.job_id for job in before[::-1]]
    assert ledger.size == size
    assert ledger.refresh() == world.reader.tree_size() == size + 60
    assert len(list(ledger.jobs())) == len(before) + 30
    assert open_ledger(at=size).root == ledger.tree.root_at(size).hex()


def _answering(*answers: httpx.Response) -> tuple[httpx.MockTransport, list[float]]:
    left = list(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        return left.pop(0) if len(left) > 1 else left[0]

    return httpx.MockTransport(answer), []


def test_a_busy_server_is_asked_again_after_the_time_that_it_names(world: World) -> None:
    with world.reader.at() as view:
        note = view.state().checkpoint
    transport, pauses = _answering(
        httpx.Response(429, headers={"Retry-After": "7"}),
        httpx.Response(503),
        httpx.Response(200, text=note or ""),
    )
    ledger = Ledger("http://x.test", verify=False, transport=transport, pause=pauses.append)
    assert ledger.size > 1
    assert pauses == [7.0, 0.5]
    transport, pauses = _answering(httpx.Response(503, headers={"Retry-After": "3600"}))
    with pytest.raises(Overloaded, match="takes nothing now: HTTP 503") as caught:
        Ledger("http://x.test", verify=False, transport=transport, pause=pauses.append)
    assert (caught.value.retry_after_s, pauses) == (3600, [])


def test_what_is_no_ledger_is_said_plainly(tmp_path: Path) -> None:
    for url in ("ledger.example", "ftp://ledger.example", "http://", ""):
        with pytest.raises(ValueRefused, match="is not an"):
            Ledger(url, verify=False)
    with pytest.raises(LogUnavailable, match="cannot be reached"):
        Ledger("http://127.0.0.1:9", verify=False, give_up_after_s=0)

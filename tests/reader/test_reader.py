import base64
import json
from hashlib import sha256

import pytest
from ledger_world import HOSTILE, World, with_history, words_of

from ledger.errors import FormatError, NotFound
from ledger.reader import Reader
from ledger.records.commitment import PartialOpening, check_opening, check_partial
from ledger.records.deadline import DAY_S, parse_time
from ledger.records.statement import sealed_paths
from ledger.storage.shapes import JobFilter
from ledger.storage.snapshot import Snapshot
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import leaf_hash, root_hash, verify_consistency, verify_inclusion
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof
from ledger.tlog.tiles import ENTRIES, Tile, decode_bundle
from schemas.statements import SCHEMAS


def _bytes(values: tuple[str, ...]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


def test_the_state_is_the_signed_checkpoint(world: World) -> None:
    with world.reader.at() as view:
        state = view.state()
    assert state.checkpoint is not None
    checkpoint = open_checkpoint(state.checkpoint.encode(), [parse_vkey(world.ledger.vkey)])
    assert (checkpoint.size, checkpoint.root.hex()) == (state.tree_size, state.root)
    assert state.tree_size == world.reader.tree_size()


def test_sizes_that_the_log_does_not_have_are_not_found(world: World) -> None:
    for size in (0, -1, world.reader.tree_size() + 1):
        with pytest.raises(NotFound), world.reader.at(size):
            pass


def test_every_root_is_that_of_the_leaves_below_it(world: World) -> None:
    size = world.reader.tree_size()
    with world.reader.at() as view:
        leaves = [bytes.fromhex(entry.leaf_hash) for entry in view.entries(start=0, limit=size)]
    assert len(leaves) == size > 256
    for at in (1, 2, 255, 256, 257, size - 1, size):
        with world.reader.at(at) as view:
            assert view.root == root_hash(leaves[:at])


def test_every_inclusion_proof_leads_to_its_root(world: World) -> None:
    size = world.reader.tree_size()
    for at in (1, 7, 256, size):
        with world.reader.at(at) as view:
            for index in {0, at // 2, at - 1}:
                proof = view.inclusion(index)
                entry = view.entry(index)
                assert proof.leaf_hash == leaf_hash(bytes(entry.entry)).hex()
                verify_inclusion(
                    _bytes(proof.hashes),
                    index=index,
                    size=at,
                    leaf=bytes.fromhex(proof.leaf_hash),
                    root=view.root,
                )
            with pytest.raises(NotFound):
                view.inclusion(at)


def test_consistency_holds_between_any_two_sizes(world: World) -> None:
    size = world.reader.tree_size()
    with world.reader.at() as view:
        for old, new in ((1, size), (3, 256), (255, 257), (size, size)):
            proof = view.consistency(old, new)
            verify_consistency(
                _bytes(proof.hashes),
                old_size=old,
                old_root=bytes.fromhex(proof.old_root),
                new_size=new,
                new_root=bytes.fromhex(proof.new_root),
            )
        for old, new in ((0, 5), (5, 4), (5, size + 1)):
            with pytest.raises(NotFound):
                view.consistency(old, new)


def test_a_receipt_can_be_checked_alone(world: World) -> None:
    with world.reader.at() as view:
        for job in ("opened", "sealed", "withheld", "rejected"):
            index = view.submission_of(world.job_id(job))
            proof = parse_proof(view.receipt(index))
            assert proof.extra is not None
            extra = json.loads(proof.extra)
            entry = proof.extra[len(b'{"entry":') :]
            entry = entry[: len(bytes(view.entry(index).entry))]
            verify_proof(proof, leaf=leaf_hash(entry), verifiers=[parse_vkey(world.ledger.vkey)])
            assert ("opening" in extra) == (job in {"opened", "withheld"})


def test_a_receipt_opens_what_the_log_has_opened(world: World) -> None:
    paths = sealed_paths(SCHEMAS["job-submitted/1"])
    with world.reader.at() as view:
        whole = json.loads(
            parse_proof(view.receipt(view.submission_of(world.job_id("opened")))).extra or b""
        )
        part = json.loads(
            parse_proof(view.receipt(view.submission_of(world.job_id("withheld")))).extra or b""
        )
    root = bytes.fromhex(whole["entry"]["statement"]["sealed"]["root"])
    seed = base64.b64decode(whole["opening"]["seed"])
    check_opening(root, seed=seed, fields=whole["opening"]["fields"])
    opening = part["opening"]
    assert "seed" not in opening
    assert set(opening["closed"]) == {"purpose"}
    check_partial(
        bytes.fromhex(part["entry"]["statement"]["sealed"]["root"]),
        PartialOpening(
            fields=opening["fields"],
            salts={path: base64.b64decode(salt) for path, salt in opening["salts"].items()},
            closed={path: bytes.fromhex(leaf) for path, leaf in opening["closed"].items()},
        ),
        paths,
    )


def test_there_is_no_receipt_where_no_checkpoint_was_published(world: World) -> None:
    published = set()
    with world.reader.at() as view:
        published = {each.tree_size for each in view.checkpoints(limit=1_000)}
    unpublished = next(size for size in range(2, 400) if size not in published)
    with world.reader.at(unpublished) as view:
        assert view.state().checkpoint is None
        assert view.inclusion(0).receipt is None
        with pytest.raises(NotFound, match="no checkpoint was published"):
            view.receipt(0)


def test_a_job_shows_its_life(world: World) -> None:
    with world.reader.at() as view:
        detail = view.job(world.job_id("opened"))
    assert [event.kind for event in detail.events] == [
        "submitted",
        "admitted",
        "started",
        "egress",
        "completed",
        "disclosed",
        "disclosed",
    ]
    assert detail.job.state == "completed"
    assert detail.job.title == "How refusals generalise"
    assert detail.job.egress_bytes == 250_000
    assert detail.decision is not None
    assert detail.decision.kind == "admitted"
    plan, results = detail.sealed
    assert plan.disclosure is not None
    assert results.disclosure is not None
    assert set(plan.disclosure.fields) == set(plan.paths)
    assert parse_time(plan.publish_by) - parse_time(detail.job.submitted_at) == 90 * DAY_S


def test_a_rejected_job_shows_why(world: World) -> None:
    with world.reader.at() as view:
        detail = view.job(world.job_id("rejected"))
    assert detail.decision is not None
    assert {found.code for found in detail.decision.findings} == {
        "R1_forbidden_workload",
        "R1_optimizer_on_uploaded_model",
    }
    assert detail.job.rejection_code in {found.code for found in detail.decision.findings}


def test_a_withheld_field_stays_closed_and_says_by_whom(world: World) -> None:
    with world.reader.at() as view:
        detail = view.job(world.job_id("withheld"))
    plan = detail.sealed[0]
    assert plan.disclosure is not None
    assert plan.disclosure.closed == ("purpose",)
    assert "purpose" not in plan.disclosure.fields
    withheld = [event.index for event in detail.events if event.kind == "withheld"]
    assert plan.disclosure.withheld_by == withheld[0]


def test_a_sealed_job_shows_its_commitment_and_no_value(world: World) -> None:
    with world.reader.at() as view:
        detail = view.job(world.job_id("sealed"))
    assert [part.disclosure for part in detail.sealed] == [None, None]
    shown = repr(detail)
    assert not [word for word in words_of(world, ["sealed"]) if word in shown]
    assert detail.job.title is None


def test_jobs_that_do_not_exist_are_not_found(world: World) -> None:
    with world.reader.at() as view:
        for job_id in ("0" * 26, "", "x", "../etc", "0" * 27, "\u0663" * 26):
            with pytest.raises(NotFound):
                view.job(job_id)


def test_lists_page_without_loss_or_repetition(world: World) -> None:
    with world.reader.at() as view:
        everything = view.search(JobFilter(), limit=1_000)
        assert len(everything) == view.count_jobs(JobFilter()) == len(world.jobs)
        pages, below = [], None
        while page := view.search(JobFilter(), below=below, limit=7):
            pages += page
            below = page[-1].submitted_index
    assert tuple(pages) == everything
    assert [job.submitted_index for job in pages] == sorted(
        (job.submitted_index for job in pages), reverse=True
    )


def test_filters_choose_what_they_say(world: World) -> None:
    with world.reader.at() as view:
        for chosen, expected in (
            (JobFilter(author="beta"), {"withheld", "hostile", "rejected"}),
            (JobFilter(state="completed"), {"opened", "sealed", "changed"}),
            (JobFilter(workload_type="lora"), {"rejected"}),
            (JobFilter(author="beta", state="failed"), {"withheld"}),
            (JobFilter(author="nobody"), set()),
        ):
            found = view.search(chosen, limit=1_000)
            assert {job.job_id for job in found} == {world.jobs[name] for name in expected}
            assert view.count_jobs(chosen) == len(expected)


def test_a_view_of_an_earlier_size_does_not_know_what_came_later(world: World) -> None:
    with world.reader.at() as view:
        disclosed = view.job(world.job_id("opened")).job.disclosed_index
    assert disclosed is not None
    with world.reader.at(disclosed) as before, world.reader.at(disclosed + 1) as after:
        assert before.job(world.job_id("opened")).job.title is None
        assert after.job(world.job_id("opened")).job.title == "How refusals generalise"
        assert before.overview().disclosed + 1 == after.overview().disclosed
        with pytest.raises(NotFound):
            before.job(world.job_id("sealed"))


def test_the_embargo_counts_what_is_sealed_and_what_is_late(world: World) -> None:
    now = world.clock.now
    with world.reader.at() as view:
        quiet = view.embargo(now=now)
        assert quiet.overdue == ()
        assert sum(day.entries for day in quiet.days) == quiet.sealed
        late = view.embargo(now=now + 200 * DAY_S, limit=10)
        assert late.overdue_count == quiet.sealed
        assert len(late.overdue) == 10
        assert late.next == ()
        deadline = parse_time(late.overdue[0].publish_by)
        assert late.overdue[0].days_late == (now + 200 * DAY_S - deadline) // DAY_S + 1
        assert view.embargo(now=deadline - 1).overdue_count == 0
        assert view.embargo(now=deadline).overdue_count > 0


def test_disclosures_come_in_log_order_with_what_they_opened(world: World) -> None:
    with world.reader.at() as view:
        found = view.published(limit=1_000)
        assert len(found) == view.overview().disclosed == 6
        indices = [each.disclosure.index for each in found]
        assert indices == sorted(indices, reverse=True)
        assert found[0].disclosure.reason == "early"
        assert HOSTILE in {each.disclosure.fields.get("title") for each in found}
        rest = view.published(below=indices[2], limit=2)
        assert [each.disclosure.index for each in rest] == indices[3:5]


def test_members_have_keys_jobs_and_hours(world: World) -> None:
    with world.reader.at() as view:
        members = {member.name: member for member in view.members()}
    assert members["alpha"].title == "Alpha Lab"
    assert members["alpha"].jobs == 154
    assert members["alpha"].gpu_seconds == 3 * 8 * 3_600
    assert members["orchestrator"].jobs == 0
    assert members["beta"].keys[0].until is None


def test_tiles_and_bundles_are_the_tree(world: World) -> None:
    size = world.reader.tree_size()
    with world.reader.at() as view:
        entries = view.entries(start=0, limit=size)
    hashes = b"".join(bytes.fromhex(entry.leaf_hash) for entry in entries)
    full = world.reader.file(Tile(0, 0), size=size)
    assert full == hashes[:8192]
    for width in (1, 100, 255):
        assert world.reader.file(Tile(0, 0, width), size=size) == hashes[: 32 * width]
    last = Tile(0, size // 256, size % 256)
    assert world.reader.file(last, size=size) == hashes[8192 * (size // 256) :]
    bundle = decode_bundle(world.reader.file(Tile(ENTRIES, 0), size=size))
    assert bundle == [bytes(entry.entry) for entry in entries[:256]]
    assert len(world.reader.file(Tile(1, 0, size // 256), size=size)) == 32 * (size // 256)


def test_nothing_beyond_the_published_size_is_served(world: World) -> None:
    size = world.reader.tree_size()
    for tile in (
        Tile(0, size // 256, size % 256 + 1),
        Tile(0, size // 256),
        Tile(ENTRIES, size // 256, size % 256 + 1),
        Tile(1, 0),
        Tile(5, 0, 1),
    ):
        with pytest.raises(NotFound):
            world.reader.file(tile, size=size)
    with pytest.raises(FormatError):
        Tile(0, -1)


def test_the_reader_never_asks_for_an_opening(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("the reader asked for an encrypted opening")

    monkeypatch.setattr(Snapshot, "opening", refuse)
    with world.reader.at() as view:
        for job_id in world.jobs.values():
            view.job(job_id)
            view.receipt(view.submission_of(job_id))
        view.published(limit=100)
        view.embargo(now=world.clock.now)
        view.members()


def test_two_readers_of_one_store_agree(world: World) -> None:
    other = Reader(world.ledger.store)
    with other.at() as theirs, world.reader.at() as ours:
        assert theirs.state() == ours.state()
        assert theirs.overview() == ours.overview()


def test_the_world_has_canaries_to_look_for(world: World) -> None:
    words = words_of(world, list(world.jobs))
    assert len(words) > 400
    assert len({sha256(word.encode()).digest() for word in words}) == len(words)


def test_counts_made_from_the_last_ones_are_those_made_anew(fresh: World) -> None:
    with fresh.reader.at() as view:
        assert view.overview().jobs == 0
    with_history(fresh)
    sizes = [1, 30, 31, 37, 60, fresh.reader.tree_size() - 9, fresh.reader.tree_size()]
    growing = Reader(fresh.ledger.store)
    for size in sizes:
        with growing.at(size) as step, Reader(fresh.ledger.store).at(size) as anew:
            assert step.overview() == anew.overview()
    for size in reversed(sizes):
        with growing.at(size) as back, Reader(fresh.ledger.store).at(size) as anew:
            assert back.overview() == anew.overview()

"""What the public sees of a job whose weights changed: where it looks, and from which entry on."""

from browser import Browser
from ledger_world import PLAN, World

ENDED = {
    "started_at": "2026-09-21T14:00:00Z",
    "ended_at": "2026-09-21T14:10:00Z",
    "wall_seconds": 600,
    "gpu_seconds": 4_800,
    "h200e_seconds": 4_800,
    "h200e_basis": "h200e/1",
    "exit_status": "completed",
    "weights_unchanged": True,
    "weights_check": "oms_root",
}
STARTED = {"started_at": "2026-09-21T14:00:00Z", "gpu_count": 8}


def run(world: World, job: str, *, changed: bool) -> None:
    """One job from plan to end, whose weights are the same after it or are not."""
    before = world.digest(job, "before")
    after = world.digest(job, "after") if changed else before
    plan = {"title": world.canary(job, "title"), "model.weights_digest": {"sha256": before}}
    outcome = {"model.weights_digest_after": {"sha256": after}}
    answers = world.ledger.log([
        world.statement("alpha", "submitted", "job-submitted/1", PLAN, job=job, sealed=plan),
        world.statement("orchestrator", "started", "job-started/1", STARTED, job=job),
        world.statement(
            "orchestrator", "completed", "job-ended/1", ENDED, job=job, sealed=outcome
        ),
    ])  # fmt: skip
    assert not [each for each in answers if isinstance(each, Exception)]


def test_a_quarantined_job_is_shown_as_one_from_its_finding_on(fresh: World, shop: Browser) -> None:
    run(fresh, "sound", changed=False)
    run(fresh, "changed", changed=True)
    size = fresh.reader.tree_size()
    sound, changed = fresh.job_id("sound"), fresh.job_id("changed")

    def job(job_id: str, at: int) -> dict[str, object]:
        found = shop.get(f"/api/v1/jobs/{job_id}?at={at}")
        assert found.status == 200
        shown = found.json()["data"]["job"]
        assert isinstance(shown, dict)
        return shown

    for at, finding in ((size - 1, None), (size, "R1_digest_mismatch")):
        shown = job(changed, at)
        assert (shown["quarantined"], shown["finding_code"]) == (finding is not None, finding)
        page = shop.get(f"/en/jobs/{changed}?at={at}").text
        assert ("Quarantined" in page) == (finding is not None)
    assert (job(sound, size)["quarantined"], job(sound, size)["finding_code"]) == (False, None)
    assert "Quarantined" not in shop.get(f"/en/jobs/{sound}").text
    for canaries in fresh.sealed.values():
        for target in (f"/api/v1/jobs/{changed}", f"/en/jobs/{changed}", f"/en/log/{size - 1}"):
            text = shop.get(target).text
            assert not [word for word in canaries.words if word in text]

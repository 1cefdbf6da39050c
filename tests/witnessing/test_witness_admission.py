"""The receipt of an admission where the ledger has witnesses: it waits for enough of them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # browser lies there

import kit
from browser import Browser
from witnessing_world import TWO_OF_THREE, World, cosigners, policy_text, size_of

from ledger.admission.receipt import check_admission
from ledger.admission.refusal import AdmissionRefused
from ledger.tlog.policy import Policy, parse_policy
from ledger.tlog.proof import parse_proof
from web.app import create_app

ADDRESS = f"/api/v1/jobs/{kit.ulid(1000)}/admission"


@pytest.fixture
def site(world: World) -> Iterator[Browser]:
    with Browser(create_app(world.ledger)) as browser:
        yield browser


def policy_of(world: World) -> Policy:
    """What a cluster believes: this log, and two of its three witnesses."""
    return parse_policy(f"log {world.ledger.vkey}\n" + policy_text(world.witnesses, TWO_OF_THREE))


def test_there_is_none_until_enough_witnesses_have_cosigned(world: World, site: Browser) -> None:
    size = world.log()
    reply = site.get(ADDRESS)
    assert reply.status == 404
    assert "too few witnesses have cosigned" in reply.json()["detail"]
    world.ask()
    reply = site.get(ADDRESS)
    assert reply.status == 200
    found = check_admission(
        reply.body, policy=policy_of(world), now=world.clock.now, gpu_count=64, workload=None
    )
    assert (found.job_id, found.author) == (kit.ulid(1000), "deepseek")
    note = parse_proof(reply.body).checkpoint
    assert size_of(note) == size
    assert len(cosigners(note)) == 3


def test_it_stays_under_the_smallest_checkpoint_that_enough_have_cosigned(
    world: World, site: Browser
) -> None:
    world.log()
    world.ask()
    first = site.get(ADDRESS)
    world.log(5)
    assert site.get(ADDRESS).body == first.body
    world.ask()
    assert site.get(ADDRESS).body == first.body


def test_as_of_a_size_it_is_what_the_log_signed_and_a_cluster_with_a_quorum_refuses_that(
    world: World, site: Browser
) -> None:
    size = world.log()
    world.ask()
    signed = site.get(f"{ADDRESS}?at={size}")
    assert signed.status == 200
    assert cosigners(parse_proof(signed.body).checkpoint) == []
    with pytest.raises(AdmissionRefused, match="quorum"):
        check_admission(signed.body, policy=policy_of(world), now=world.clock.now, gpu_count=64)

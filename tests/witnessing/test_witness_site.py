"""What the public sees of witnesses: receipts, the checkpoint, the status, open and closed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # browser lies there

import kit
from browser import Browser
from witnessing_world import ALL, Making, World, cosigners, policy_text, size_of

from ledger.tlog.proof import parse_proof
from web.app import create_app

BOTH = ("en", "zh-Hans")


@pytest.fixture
def site(world: World) -> Iterator[Browser]:
    with Browser(create_app(world.ledger)) as browser:
        yield browser


@pytest.fixture
def closed(making: Making) -> World:
    return making(witness_mode="closed")


@pytest.fixture
def closed_site(closed: World) -> Iterator[Browser]:
    with Browser(create_app(closed.ledger)) as browser:
        yield browser


def test_a_receipt_is_there_at_once_and_has_cosignatures_once_there_are_enough(
    world: World, site: Browser
) -> None:
    size = world.log()
    addresses = [
        f"/jobs/{kit.ulid(1000)}.proof?cosigned=1",
        f"/entries/{size - 2}.proof?cosigned=1",
    ]
    before = [site.get(each) for each in addresses]
    assert [cosigners(parse_proof(each.body).checkpoint) for each in before] == [[], []]
    world.ask()
    first = world.clock.now
    later = world.log(5)
    world.advance(60)
    world.ask()
    for address, old in zip(addresses, before, strict=True):
        reply = site.get(address, **{"if-none-match": old.headers["etag"]})
        assert reply.status == 200
        proof = parse_proof(reply.body)
        assert size_of(proof.checkpoint) == size, "the smallest that holds it bounds its time best"
        assert cosigners(proof.checkpoint) == [(each.name, first) for each in world.witnesses]
    newest = parse_proof(site.get(f"/entries/{size - 2}.proof").body)
    assert size_of(newest.checkpoint) == later, "unasked, it is the newest"
    assert len(cosigners(newest.checkpoint)) == 3


def test_a_receipt_gets_cosignatures_though_the_tree_stays_as_it_is(
    world: World, site: Browser
) -> None:
    size = world.log()
    address = f"/entries/{size - 1}.proof"
    before = site.get(address)
    assert site.get(address, **{"if-none-match": before.headers["etag"]}).status == 304
    world.ask()
    after = site.get(address, **{"if-none-match": before.headers["etag"]})
    assert after.status == 200
    assert len(cosigners(parse_proof(after.body).checkpoint)) == 3
    assert after.headers["ledger-tree-size"] == before.headers["ledger-tree-size"]


def test_a_receipt_is_asked_for_with_cosignatures_in_one_spelling(
    world: World, site: Browser
) -> None:
    size = world.log()
    for wrong in ("cosigned=0", "cosigned=yes", f"cosigned=2&at={size}"):
        reply = site.get(f"/entries/{size - 1}.proof?{wrong}")
        assert reply.status == 400
        assert reply.json()["field"] == "cosigned"
    assert site.get(f"/entries/{size - 1}.json?cosigned=1").status == 400
    for tag in BOTH:
        assert (
            f"/entries/{size - 1}.proof?cosigned=1" in site.get(f"/{tag}/entries/{size - 1}").text
        )
        job = f"/jobs/{kit.ulid(1000)}"
        assert f"{job}.proof?cosigned=1" in site.get(f"/{tag}{job}").text
        assert f"{job}.proof?at={size}" in site.get(f"/{tag}{job}?at={size}").text


def test_the_published_checkpoint_never_goes_back(world: World, site: Browser) -> None:
    """Before the policy the newest signed one was public: to go back would look like a lie."""
    first = world.log()
    world.ask()
    world.reopen(policy=None)
    public = world.log()
    assert size_of(world.note()) == public
    path = world.settings.data_dir / "witnesses.policy"
    path.write_text(policy_text(world.witnesses, ALL))
    world.reopen(policy=path)
    assert size_of(world.note()) == public
    world.log()
    assert size_of(world.note()) == public, "what was public stays, what is new waits"
    with world.ledger.store.witnessing() as writes:
        writes.keep_quorums(world.ledger.standard.digest, [first], met_at=world.clock.now)
    assert size_of(world.note()) == public
    world.ask()
    assert size_of(world.note()) == world.size


def test_a_receipt_as_of_a_size_never_changes(world: World, site: Browser) -> None:
    size = world.log()
    address = f"/entries/{size - 1}.proof?at={size}"
    before = site.get(address)
    assert "immutable" in before.headers["cache-control"]
    world.ask()
    assert site.get(address).body == before.body
    assert site.get(f"{address}&cosigned=1").body == before.body
    assert cosigners(parse_proof(before.body).checkpoint) == []


def test_the_published_checkpoint_is_the_newest_that_met_the_policy(
    world: World, site: Browser
) -> None:
    size = world.log()
    assert cosigners(site.get("/log/checkpoint").body) == []
    world.ask()
    assert len(cosigners(site.get("/log/checkpoint").body)) == 3
    later = world.log()
    reply = site.get("/log/checkpoint")
    assert size_of(reply.body) == size
    assert reply.headers["ledger-tree-size"] == str(later), "pages show what is signed"
    assert site.get(f"/log/tile/0/000.p/{later}").status == 200
    assert site.get("/api/v1/checkpoint").json()["data"]["tree_size"] == later


def test_the_status_names_every_witness_and_its_trouble_in_both_languages(
    world: World, site: Browser
) -> None:
    size = world.log()
    world.ask()
    world.witnesses[1].behave("wrong-signature")
    world.log()
    world.witnesses[2].behave("closes")
    world.ask()
    found = site.get("/api/v1/status").json()["data"]["witnessing"]
    assert (found["mode"], found["quorum"], found["quorum_met"]) == ("open", "enough", False)
    assert (found["cosigned_size"], found["signed_size"]) == (size, size + 2)
    assert [each["error"] for each in found["witnesses"]] == [None, "bad-signature", "unreachable"]
    pages = {tag: site.get(f"/{tag}/status").text for tag in BOTH}
    assert "A signature in its answer does not hold." in pages["en"]
    assert "too few witnesses have cosigned it so far" in pages["en"]
    assert "This ledger goes on without them" in pages["en"]
    assert "应答中有一个签名不成立。" in pages["zh-Hans"]
    assert "本账本照常运行" in pages["zh-Hans"]
    for text in (*pages.values(), site.get("/api/v1/status").text):
        assert all(each.identity in text for each in world.witnesses)
        assert "secret-path" not in text
        assert all(str(each.port) not in text for each in world.witnesses)
    for tag in BOTH:
        assert "#witnesses" in site.get(f"/{tag}/log").text


def test_a_witness_that_knows_another_history_is_not_hidden(world: World, site: Browser) -> None:
    size = world.log()
    world.ask()
    words = {"en": "W1 contradicts this log", "zh-Hans": "W1与本日志说法不一"}
    assert not any(words[tag] in site.get(f"/{tag}/status").text for tag in BOTH)
    for status, body in ((422, b""), (409, b"%d\n" % (size + 9))):
        world.witnesses[1].behave("status", (status, body, {"Content-Type": "text/x.tlog.size"}))
        world.log()
        world.ask()
        assert all(words[tag] in site.get(f"/{tag}/status").text for tag in BOTH)


def test_a_status_as_of_a_size_says_nothing_of_witnesses(world: World, site: Browser) -> None:
    size = world.log()
    pinned = site.get(f"/api/v1/status?at={size}")
    assert "witnessing" not in pinned.json()["data"]
    assert 'id="witnesses"' not in site.get(f"/en/status?at={size}").text
    world.ask()
    assert site.get(f"/api/v1/status?at={size}").body == pinned.body


def test_closed_nothing_is_shown_that_too_few_have_cosigned(
    closed: World, closed_site: Browser
) -> None:
    site = closed_site
    closed.log()
    assert size_of(site.get("/log/checkpoint").body) == 1, "the genesis was there before"
    assert site.get("/en/").headers["ledger-tree-size"] == "1"
    assert site.get("/log/tile/0/000.p/2").status == 404
    closed.ask()
    shown = closed.size
    assert size_of(site.get("/log/checkpoint").body) == shown

    for each in closed.witnesses[1:]:
        each.behave("closes")
    body = kit.submitted(kit.ulid(77))
    answer = site.request(
        "POST", "/api/v1/statements", headers={"content-type": "application/json"}, chunks=[body]
    )
    assert answer.status == 201
    receipt = parse_proof(answer.json()["receipt"].encode())
    assert size_of(receipt.checkpoint) == closed.size > shown
    closed.ask()
    hidden = closed.size - 1
    assert size_of(site.get("/log/checkpoint").body) == shown
    for address in (
        f"/entries/{hidden}.json",
        f"/entries/{hidden}.proof",
        f"/jobs/{kit.ulid(77)}.json",
        f"/api/v1/entries/{hidden}",
        f"/en/jobs/{kit.ulid(77)}",
        f"/en/log?at={hidden + 1}",
        f"/log/tile/0/000.p/{hidden + 1}",
        f"/log/tile/entries/000.p/{hidden + 1}",
    ):
        assert site.get(address).status == 404, address
    for address in ("/en/jobs", "/feeds/submitted.json", "/feeds/checkpoints.atom", "/jobs.csv"):
        reply = site.get(address)
        assert reply.status == 200, address
        assert kit.ulid(77) not in reply.text
        assert reply.headers["ledger-tree-size"] == str(shown)
    status = site.get("/api/v1/status").json()["data"]["witnessing"]
    assert (status["mode"], status["signed_size"], status["cosigned_size"]) == (
        "closed",
        hidden + 1,
        shown,
    )
    assert "This ledger publishes nothing without them" in site.get("/en/status").text
    assert "本账本不公开任何新内容" in site.get("/zh-Hans/status").text

    closed.witnesses[1].behave("honest")
    closed.ask()
    assert size_of(site.get("/log/checkpoint").body) == hidden + 1
    assert site.get(f"/jobs/{kit.ulid(77)}.json").status == 200

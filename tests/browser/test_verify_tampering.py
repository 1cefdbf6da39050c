"""A right record verifies in the reader's browser; every way of spoiling it fails at its step.

The site that the browser asks is an honest one; what it answers is changed on the way.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from ledger_world import World
from playwright.sync_api import Page
from tabs import OpenTab
from verifying import (
    answer_with,
    attempts,
    b64,
    failing,
    in_page,
    open_at,
    press,
    receipt_of,
    show_time,
    spoil,
    verdict,
)

from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from ledger.tlog.note import (
    Note,
    NoteSignature,
    Signer,
    format_note,
    generate_key,
    parse_note,
    sign_note,
)
from ledger.tlog.proof import TlogProof

NEEDED = {"bytes", "leaf", "path", "root", "signature"}
Change = Callable[[TlogProof, Any], tuple[TlogProof, Any]]


def flipped(data: bytes, at: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _entry(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
    return proof, extra | {"entry": extra["entry"] | {"logged_at": "2026-09-21T14:13:21Z"}}


def _salt(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
    opening = extra["opening"]
    salts = opening["salts"] | {"title": opening["salts"]["source"]}
    return proof, extra | {"opening": opening | {"salts": salts}}


def _value(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
    opening = extra["opening"]
    return proof, extra | {
        "opening": opening | {"fields": opening["fields"] | {"title": "Another"}}
    }


def _index(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
    return replace(proof, index=proof.index + 1), extra


def _order(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
    first, second, *rest = proof.hashes
    return replace(proof, hashes=(second, first, *rest)), extra


def _path_hash(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
    *below, top = proof.hashes
    return replace(proof, hashes=(*below, flipped(top))), extra


def _checkpoint(change: Callable[[Checkpoint], Checkpoint]) -> Change:
    def spoilt(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
        note = parse_note(proof.checkpoint)
        text = format_checkpoint(change(parse_checkpoint(note.text)))
        return replace(proof, checkpoint=format_note(Note(text, note.signatures))), extra

    return spoilt


def _lines(change: Callable[[NoteSignature], NoteSignature]) -> Change:
    def spoilt(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
        note = parse_note(proof.checkpoint)
        lines = tuple(change(each) for each in note.signatures)
        return replace(proof, checkpoint=format_note(Note(note.text, lines))), extra

    return spoilt


def resigned(signer: Signer, origin: str | None = None) -> Change:
    def spoilt(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
        text = parse_note(proof.checkpoint).text
        text = text.replace(text.split("\n", 1)[0], origin, 1) if origin else text
        return replace(proof, checkpoint=sign_note(text, [signer])), extra

    return spoilt


OTHER, _ = generate_key("other.example/log", b"\x77" * 32)
SAME_NAME, _ = generate_key("ledger.example/apsci", b"\x77" * 32)


@dataclass(frozen=True)
class Tampering:
    """How an answer is spoilt, the steps that have to fail, and whether no other one may."""

    job: str
    change: Change
    fails: frozenset[str]
    alone: bool = True


TAMPERINGS = {
    "leaf": Tampering("opened", _entry, frozenset({"leaf"})),
    "salt": Tampering("withheld", _salt, frozenset({"opening"})),
    "value": Tampering("opened", _value, frozenset({"opening"})),
    "index": Tampering("opened", _index, frozenset({"leaf"})),
    "size": Tampering(
        "opened",
        _checkpoint(lambda seen: replace(seen, size=seen.size - 1)),
        frozenset({"signature", "root"}),
        alone=False,
    ),
    "order": Tampering("opened", _order, frozenset({"path"})),
    "path hash": Tampering("opened", _path_hash, frozenset({"path"})),
    "root": Tampering(
        "opened",
        _checkpoint(lambda seen: replace(seen, root=flipped(seen.root))),
        frozenset({"signature", "root"}),
        alone=False,
    ),
    "signature": Tampering(
        "opened",
        _lines(lambda line: replace(line, blob=flipped(line.blob, 40))),
        frozenset({"signature"}),
    ),
    "key name": Tampering(
        "opened",
        _lines(lambda line: replace(line, name="ledger.example/apsci2")),
        frozenset({"signature"}),
    ),
    "key of another log": Tampering(
        "opened", resigned(OTHER, "other.example/log"), frozenset({"signature"}), alone=False
    ),
    "another key of the same name": Tampering(
        "opened", resigned(SAME_NAME), frozenset({"signature"})
    ),
}


@pytest.mark.parametrize("webcrypto", [True, False])
@pytest.mark.parametrize("job", ["opened", "withheld", "early", "sealed", "rejected"])
def test_a_right_record_verifies(
    open_tab: OpenTab, world: World, job: str, *, webcrypto: bool
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id(job)}", webcrypto=webcrypto)
    found = press(page)
    assert {each for each in found if found[each] == "holds"} >= NEEDED | {"author"}
    assert found["opening"] == ("open" if job in {"sealed", "rejected"} else "holds")
    # The world's worker sweeps a day late, and the page says so.
    assert found["deadline"] == ("warns" if job in {"opened", "withheld"} else "holds")
    assert failing(found) == set()
    assert verdict(page) == "holds"


@pytest.mark.parametrize("webcrypto", [True, False])
@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_spoilt_record_fails_at_its_step(
    open_tab: OpenTab, world: World, what: str, *, webcrypto: bool
) -> None:
    case = TAMPERINGS[what]
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id(case.job)}", webcrypto=webcrypto)
    answer_with(page, r"/entries/\d+\.proof$", lambda body: spoil(body, case.change))
    found = press(page)
    assert failing(found) == case.fails if case.alone else failing(found) >= case.fails
    assert verdict(page) == "fails"


@pytest.mark.parametrize("webcrypto", [True, False])
def test_a_checkpoint_older_than_the_one_remembered_is_stale(
    open_tab: OpenTab, world: World, *, webcrypto: bool
) -> None:
    job = f"/en/jobs/{world.job_id('opened')}"
    page = open_at(world, open_tab, job, webcrypto=webcrypto)
    assert press(page)["memory"] == "open"
    assert press(page)["memory"] == "holds"
    old = receipt_of(world, 1, size=_published_before(world))
    answer_with(page, r"/entries/1\.proof$", lambda _body: old)
    assert failing(press(page)) == {"memory"}
    assert verdict(page) == "fails"
    with world.reader.at() as view:
        newest = view.checkpoints(limit=1)[0].tree_size
    assert f"with {newest} entries" in page.locator("[data-step=memory]").inner_text()


@pytest.mark.parametrize("webcrypto", [True, False])
def test_a_log_that_grew_is_consistent_and_a_fork_is_not(
    open_tab: OpenTab, world: World, *, webcrypto: bool
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}", webcrypto=webcrypto)
    # Whoever holds the key of a log can sign two histories; here that is a key of the test's own.
    page.locator(".verify").evaluate("(box, vkey) => { box.dataset.vkey = vkey; }", SAME_NAME.vkey)
    answer_with(page, r"/entries/\d+\.proof", lambda body: spoil(body, resigned(SAME_NAME)))
    for size in (1, 2, 7, _published_before(world), world.reader.tree_size()):
        with world.reader.at(size) as view:
            root = bytes.fromhex(view.state().root)
        for right in (True, False):
            text = format_checkpoint(
                Checkpoint(SAME_NAME.name, size, root if right else flipped(root))
            )
            _remember(page, sign_note(text, [SAME_NAME]))
            found = press(page)
            assert (size, found["memory"]) == (size, "holds" if right else "fails")
            assert failing(found) == (set() if right else {"memory"})


def test_a_log_that_comes_with_another_key_than_last_time_fails(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    press(page)
    page.locator(".verify").evaluate("(box, vkey) => { box.dataset.vkey = vkey; }", SAME_NAME.vkey)
    answer_with(page, r"/entries/\d+\.proof", lambda body: spoil(body, resigned(SAME_NAME)))
    assert failing(press(page)) == {"memory"}


@pytest.mark.parametrize(
    ("pattern", "fails"),
    [
        (r"/log/tile/0/000$", {"root", "path", "opening"}),
        (r"/log/tile/0/001\.p/", {"root", "path", "opening", "author"}),
        (r"/entries/0\.proof", {"author"}),
        (r"/entries/\d+\.proof\?at", {"author", "opening"}),
    ],
)
def test_a_server_that_spoils_what_a_step_needs_besides_is_found_out(
    open_tab: OpenTab, world: World, pattern: str, fails: set[str]
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")

    def change(body: bytes) -> bytes:
        return spoil(body, _entry) if body.startswith(b"c2sp.org") else flipped(body)

    answer_with(page, pattern, change)
    assert failing(press(page)) == fails
    assert verdict(page) == "fails"


def test_the_receipt_of_another_entry_is_not_taken_for_this_one(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    other = receipt_of(world, 6)
    answer_with(page, r"/entries/1\.proof$", lambda _body: other)
    assert "leaf" in failing(press(page))
    assert verdict(page) == "fails"


def test_a_key_that_the_log_does_not_give_to_the_author_is_refused(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    alpha, beta = (f'"{name}","role":"member"'.encode() for name in ("alpha", "beta"))
    answer_with(
        page,
        r"/api/v1/members",
        lambda body: body.replace(alpha, b"@").replace(beta, alpha).replace(b"@", beta),
    )
    assert failing(press(page)) == {"author"}


def test_what_is_still_sealed_after_its_deadline_fails(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('sealed')}")
    show_time(page, world.clock.now + 88 * 86_400)
    assert failing(press(page)) == set()
    show_time(page, world.clock.now + 91 * 86_400)
    assert failing(press(page)) == {"deadline"}


def test_what_is_sealed_without_a_deadline_fails(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")

    def without(proof: TlogProof, extra: Any) -> tuple[TlogProof, Any]:
        entry = {name: each for name, each in extra["entry"].items() if name != "publish_by"}
        return proof, extra | {"entry": entry}

    answer_with(page, r"/entries/1\.proof$", lambda body: spoil(body, without))
    assert "deadline" in failing(press(page))


def test_no_bit_of_a_receipt_can_be_flipped(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, "/en/verify")
    dice = random.Random(5)
    for index in (1, 6):
        whole = receipt_of(world, index)
        at = [dice.randrange(len(whole) * 8) for _ in range(300)]
        body = """
          const whole = bytes(given.whole), key = await m.parseVkey(given.vkey), verified = [];
          for (const at of [null, ...given.at]) {
            const data = whole.slice();
            if (at !== null) data[at >> 3] ^= 1 << (at & 7);
            try {
              const receipt = m.parseReceipt(data);
              const { verdict } = await v.verify(
                { receipt, key, index: receipt.index, note: receipt.note }, () => {});
              if (!["failed", "unfinished"].includes(verdict)) verified.push([at, verdict]);
            } catch (error) {
              if (!(error instanceof m.Refused)) verified.push([at, String(error)]);
            }
          }
          return verified;"""
        given = {"whole": b64(whole), "at": at, "vkey": world.ledger.vkey}
        assert in_page(page, body, given) == [[None, "anonymous"]]


def test_receipts_in_a_second_spelling_are_refused(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, "/en/verify")
    text = receipt_of(world, 1).decode()
    spellings = [
        text,
        text.replace("index 1\n", "index 01\n"),
        text.replace("index 1\n", "index +1\n"),
        text.replace("index 1\n", "index 1 \n"),
        text.replace("index 1\n", "index 1\r\n"),
        text.replace("@v1", "@v2"),
        text.replace("=\n", "\n", 1),
        text.replace("\nindex", "\n\nindex"),
        "\ufeff" + text,
        text.replace("extra ", "extra  "),
    ]
    found = attempts(
        page, "m.parseReceipt(bytes(value)).index", [b64(s.encode()) for s in spellings]
    )
    assert found == [[1], *["receipt"] * (len(spellings) - 1)]


def _published_before(world: World) -> int:
    """The size of an older checkpoint that was published."""
    with world.reader.at() as view:
        return view.checkpoints(limit=4)[-1].tree_size


def _remember(page: Page, note: bytes) -> None:
    page.evaluate(
        "note => { localStorage['checkpoint ledger.example/apsci'] = note; }", note.decode()
    )

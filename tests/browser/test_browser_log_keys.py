"""After the log has changed its key, the browser's check goes on, and follows nobody else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_world import World
from log_key_world import retire, rotate
from playwright.sync_api import Page
from serving import served
from tabs import OpenTab
from verifying import answer_with, failing, open_at, press, receipt_of, verdict

from ledger.keys import LOG_KEY, read_signer
from ledger.records import canonical
from ledger.records.succession import succeed
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.hashing import leaf_hash, root_hash
from ledger.tlog.merkle import prove_inclusion
from ledger.tlog.note import Signer, parse_note, parse_vkey, sign_note
from ledger.tlog.proof import TlogProof, format_proof
from ledger.tlog.tiles import Tile, tile_path


class Rotated:
    """A world whose log has its second key, and what was seen of it under the first."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.world.log(self.world.submission("before"))
        self.old = read_signer(self.world.ledger.settings.key_dir / LOG_KEY)
        with self.world.reader.at() as view:
            state = view.state()
        assert state.checkpoint is not None
        self.size, self.note = state.tree_size, state.checkpoint
        self.receipt = receipt_of(self.world, 1).decode()
        rotate(self.world)
        self.world.log(self.world.submission("while both sign"))
        retire(self.world)
        assert parse_vkey(self.world.ledger.vkey).key_id != self.old.key_id

    @property
    def newest(self) -> str:
        """The receipt of entry 1 in the newest tree."""
        return receipt_of(self.world, 1).decode()


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotated]:
    made = Rotated(tmp_path_factory.mktemp("rotated"))
    with made.world:
        yield made


@pytest.fixture(scope="module")
def address(rotated: Rotated) -> Iterator[str]:
    with served(rotated.world) as found:
        yield found


def pasted(page: Page, record: str, *, vkey: str | None = None) -> dict[str, str]:
    """How each step ends for a pasted receipt, under another key if so."""
    page.locator("[name=record]").fill(record)
    if vkey is not None:
        page.locator("[name=vkey]").evaluate("(field, vkey) => { field.value = vkey }", vkey)
    return press(page)


def test_a_browser_that_remembers_the_old_key_goes_on_with_the_new_one(
    rotated: Rotated, address: str, open_tab: OpenTab
) -> None:
    page = open_at(rotated.world, open_tab, f"{address}/en/entries/1")
    slot = f"checkpoint {rotated.old.name}"
    page.evaluate("([slot, note]) => { localStorage[slot] = note }", [slot, rotated.note])
    found = press(page)
    assert (verdict(page), found["signature"], found["memory"]) == ("holds", "holds", "holds")
    assert page.evaluate("slot => localStorage[slot]", slot) != rotated.note


def test_a_page_and_a_receipt_from_before_hold_under_the_key_of_then(
    rotated: Rotated, address: str, open_tab: OpenTab
) -> None:
    page = open_at(rotated.world, open_tab, f"{address}/en/entries/1?at={rotated.size}")
    found = press(page)
    assert (verdict(page), found["signature"], found["path"]) == ("holds", "holds", "holds")
    assert f"+{rotated.old.key_id:08x}" in page.locator("[data-step=signature]").inner_text()
    page.goto(f"{address}/en/verify")
    for record in (rotated.receipt, rotated.newest):
        for vkey in (rotated.old.vkey, rotated.world.ledger.vkey):
            found = pasted(page, record, vkey=vkey)
            assert (verdict(page), found["author"]) == ("holds", "holds")


def test_the_old_key_alone_speaks_for_no_tree_that_names_the_next(
    rotated: Rotated, address: str, open_tab: OpenTab
) -> None:
    page = open_at(rotated.world, open_tab, f"{address}/en/verify")
    head, _, note = rotated.newest.partition("\n\n")
    stolen = sign_note(parse_note(note.encode()).text, [rotated.old]).decode()
    for vkey in (rotated.old.vkey, rotated.world.ledger.vkey):
        assert failing(pasted(page, f"{head}\n\n{stolen}", vkey=vkey)) == {"signature"}


def test_the_old_key_makes_up_no_other_beginning(
    rotated: Rotated, address: str, open_tab: OpenTab
) -> None:
    """Its thief also has the log's tiles answered as he likes, of a size before the handover."""
    with rotated.world.ledger.store.snapshot() as reads:
        entries = [each.data for each in reads.iterate_entries(0, rotated.size)]
    made_up = json.loads(entries[2])
    assert made_up["kind"] == "admitted"
    entries[2] = canonical.encode({**made_up, "logged_at": "2026-09-21T00:00:00Z"})
    leaves = [leaf_hash(each) for each in entries]
    checkpoint = Checkpoint(rotated.old.name, rotated.size, root_hash(leaves))
    stolen = sign_note(format_checkpoint(checkpoint), [rotated.old])
    extra = canonical.encode({"entry": json.loads(entries[2])})
    path = tuple(prove_inclusion(leaves, index=2))
    receipt = format_proof(TlogProof(2, path, stolen, extra)).decode()
    tile = tile_path(Tile(0, 0, rotated.size))
    for vkey in (rotated.old.vkey, rotated.world.ledger.vkey):
        page = open_at(rotated.world, open_tab, f"{address}/en/verify")
        answer_with(page, f"/log/{tile}$", lambda _: b"".join(leaves))
        assert failing(pasted(page, receipt, vkey=vkey)) == {"signature"}


def test_a_list_that_lies_leads_to_nobody(
    rotated: Rotated, address: str, open_tab: OpenTab
) -> None:
    lines = rotated.world.ledger.handovers(rotated.world.reader.tree_size())
    assert lines is not None
    said = json.loads(lines)
    thief = Signer(rotated.old.name, b"\x05" * 32)
    forged = succeed(rotated.old, thief).to_dict()
    with_index = {**said, "index": said["index"] + 1}
    lies = [
        {**said, "entry": {**said["entry"], "signatures": forged["signatures"]}},
        {**said, "entry": {**said["entry"], **forged}},
        with_index,
    ]
    for lie in lies:
        page = open_at(rotated.world, open_tab, f"{address}/en/verify")
        told = json.dumps(lie).encode() + b"\n"
        answer_with(page, "/log/keys$", lambda _, told=told: told)  # type: ignore[misc]
        press_and_fail(page, rotated.receipt)


def press_and_fail(page: Page, record: str) -> None:
    page.locator("[name=record]").fill(record)
    page.locator("[name=verify]").click()
    assert verdict(page) == "fails"


def test_where_one_key_alone_ever_spoke_no_list_is_asked_for(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, "/en/entries/1")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    press(page)
    assert verdict(page) == "holds"
    assert asked
    assert not [each for each in asked if each.endswith(("/log/keys", "/keys.js"))]

"""Our own mirror before the same operators: it keeps nothing false, and forgets nothing true."""

from pathlib import Path

import cheats_charter
import cheats_clock
import cheats_embargo
import cheats_identity
import cheats_past
import cheats_serving
import pytest
from cheating import CHEATS, Cheat
from honest_past import Past
from hostile_operator import Operator, View
from verify_runner import run

from ledger.errors import LedgerError, NotFound
from ledger.mirrors import Folder, pull
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import parse_vkey

BREAKS_THE_TREE = {
    "bad-checkpoint-signature",
    "entry-hash-mismatch",
    "log-forked",
    "log-shrank",
    "malformed-bundle",
    "malformed-checkpoint",
    "root-mismatch",
    "unavailable-bundle",
    "unsigned-checkpoint",
}
"""What a mirror cannot copy: the files and signatures are no one tree."""
FALSE = [
    cheat
    for cheat in CHEATS
    if cheat.codes & BREAKS_THE_TREE and cheat.play.__module__ != "cheats_receipts"
]
LIES = [
    cheats_charter.admits_fine_tuning,
    cheats_clock.puts_the_date_off_by_a_day,
    cheats_embargo.opens_another_value,
    cheats_identity.accepts_a_key_that_was_retired,
    cheats_past.logs_one_statement_twice,
]
"""What it has to copy faithfully: the operator signed it, and the copy is the proof."""


class Shown:
    """A view as a source of files."""

    url = "https://ledger.example"

    def __init__(self, view: View) -> None:
        self.view = view

    def get(self, path: str, *, limit: int) -> bytes:
        path = path.removeprefix("/log/")
        if path in self.view.refused or path not in self.view.files:
            raise NotFound(path)
        data = self.view.files[path]
        assert len(data) <= limit
        return data


def copy_of(view: View, folder: Path, past: Past) -> None:
    """Bring the mirror in ``folder`` to what ``view`` shows."""
    key = parse_vkey(past.log_signer.vkey)
    pull(Shown(view), Folder(folder), key=key, open_note=lambda note: open_checkpoint(note, [key]))


def played(cheat: Cheat, past: Past) -> list[View]:
    """What this operator shows to one visitor after the other."""
    operator = Operator(past)
    cheat.play(operator)
    return operator.views or [operator.publish()]


@pytest.mark.parametrize("cheat", FALSE, ids=lambda cheat: cheat.name)
def test_a_mirror_refuses_what_is_no_tree_and_stays_what_it_was(
    cheat: Cheat, past: Past, tmp_path: Path
) -> None:
    *before, last = played(cheat, past)
    for view in before:
        copy_of(view, tmp_path, past)
    with pytest.raises(LedgerError):
        copy_of(last, tmp_path, past)
    kept = tmp_path / "log" / "checkpoint"
    assert kept.exists() == bool(before)
    assert not before or kept.read_bytes() == before[-1].files["checkpoint"]


def test_a_mirror_makes_the_tile_that_its_source_keeps_back(past: Past, tmp_path: Path) -> None:
    [cheat] = [each for each in CHEATS if each.play is cheats_serving.withholds_a_tile]
    copy_of(played(cheat, past)[-1], tmp_path, past)
    kept = {path: (tmp_path / "log" / path).read_bytes() for path in past.files}
    assert kept == past.files


@pytest.mark.parametrize("play", LIES, ids=lambda play: play.__name__)
def test_the_copy_of_a_dishonest_log_convicts_its_operator(
    play: object, past: Past, tmp_path: Path
) -> None:
    [cheat] = [each for each in CHEATS if each.play is play]
    copy_of(played(cheat, past)[-1], tmp_path / "copy", past)
    trust = ("--vkey", past.log_signer.vkey, "--evidence", tmp_path / "evidence")
    verdict = run("--offline", tmp_path / "copy", *trust)
    assert verdict.status == 1
    assert verdict.codes == cheat.codes

"""The ML-DSA-44 key of a log that signs twice: in its mirror, and in a copy of that."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import kit
import pytest
from mirror_world import run_of

from ledger.assembly import Ledger, create
from ledger.errors import LedgerError
from ledger.mirrors import Folder, MirrorFailed, files_at, pull
from ledger.settings import Settings
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import MLDSA44, format_vkey, generate_key, parse_vkey

SECOND = Path("log/vkey-mldsa44")


@pytest.fixture
def twice(tmp_path: Path, database_url: str) -> Iterator[Ledger]:
    """A ledger whose checkpoints bear two lines of its own."""
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url, mldsa=True)
    clock = kit.Clock()
    create(settings, origin=kit.ORIGIN, authors=kit.AUTHORS, clock=clock)
    with closing(Ledger(settings, clock=clock)) as ledger:
        kit.log(ledger, kit.submitted(kit.ulid(1)))
        yield ledger


def copy(ledger: Ledger, source: Path, target: Path) -> None:
    key = parse_vkey(ledger.vkey)
    with closing(files_at(str(source))) as files:
        pull(files, Folder(target), key=key, open_note=lambda note: open_checkpoint(note, [key]))


def test_the_second_key_goes_into_the_mirror_and_into_a_copy_of_it(
    twice: Ledger, tmp_path: Path
) -> None:
    mirror, held = tmp_path / "mirror", tmp_path / "held"
    run_of(twice, mirror)
    assert (mirror / SECOND).read_text("ascii") == f"{twice.mldsa_vkey}\n"
    copy(twice, mirror, held)
    assert (held / SECOND).read_bytes() == (mirror / SECOND).read_bytes()


def test_a_second_key_that_did_not_sign_or_is_another_is_refused(
    twice: Ledger, tmp_path: Path
) -> None:
    mirror, held = tmp_path / "mirror", tmp_path / "held"
    run_of(twice, mirror)
    true = (mirror / SECOND).read_bytes()
    stranger, _ = generate_key(kit.ORIGIN, bytes(32), key_type=MLDSA44)
    other = format_vkey(stranger.verifier).encode() + b"\n"
    (mirror / SECOND).write_bytes(other)
    with pytest.raises(LedgerError, match=r"signature|signed"):
        copy(twice, mirror, held)
    assert not (held / "log" / "checkpoint").exists()
    (mirror / SECOND).write_bytes(true)
    copy(twice, mirror, held)
    (held / SECOND).write_bytes(other)
    kit.log(twice, kit.submitted(kit.ulid(2)))
    run_of(twice, mirror)
    with pytest.raises(MirrorFailed, match="shows another ML-DSA-44 key"):
        copy(twice, mirror, held)
    assert (held / SECOND).read_bytes() == other

"""A server whose files contradict one another or the signature over them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from log_builder import ORIGIN, History, put, root_of, sign_note, signing_key, to_base64, vkey_of
from verify_runner import Verdict, run

KEY = vkey_of(ORIGIN)
BUNDLE, LAST_BUNDLE = "tile/entries/001", "tile/entries/002.p/205"


def flip(mirror: Path, path: str, at: int = 100) -> None:
    data = bytearray((mirror / path).read_bytes())
    data[at] ^= 1
    put(mirror, path, bytes(data))


def judge(mirror: Path) -> Verdict:
    return run("--offline", mirror, "--vkey", KEY, "--evidence", mirror.parent / "evidence")


def resigned(mirror: Path, text: str) -> None:
    note = text + "\n" + sign_note(text, ORIGIN, signing_key(ORIGIN))
    put(mirror, "checkpoint", note.encode())


def test_a_flipped_bit_in_a_bundle_is_laid_to_the_entry_it_altered(mirror: Path) -> None:
    flip(mirror, BUNDLE)
    verdict = judge(mirror)
    assert verdict.status == 1
    assert {"entry-hash-mismatch", "root-mismatch"} <= verdict.codes
    assert verdict.entries("entry-hash-mismatch") == [256]
    assert (mirror.parent / "evidence" / "bundle-1").read_bytes() == (mirror / BUNDLE).read_bytes()


@pytest.mark.parametrize("at", [0, 1, 40, 500, 5000, -1])
def test_no_flipped_bit_in_a_bundle_is_ever_verified(mirror: Path, at: int) -> None:
    flip(mirror, LAST_BUNDLE, at)
    verdict = judge(mirror)
    assert verdict.status == 1
    assert "root-mismatch" in verdict.codes


@pytest.mark.parametrize(
    ("path", "index"),
    [("tile/0/001", 259), ("tile/0/002.p/205", 515), ("tile/1/000.p/2", None)],
)
def test_a_flipped_bit_in_a_tile_is_laid_to_the_tile(
    mirror: Path, path: str, index: int | None
) -> None:
    flip(mirror, path, 63 if index is None else 100)
    verdict = judge(mirror)
    assert verdict.status == 1
    assert verdict.codes == {"tile-mismatch"}
    assert verdict.entries("tile-mismatch") == [index]


def test_a_tile_that_is_too_long_or_too_short_is_refused(mirror: Path) -> None:
    tile = (mirror / "tile/0/001").read_bytes()
    for spoilt in (tile[:-1], tile[:-32], b""):
        put(mirror, "tile/0/001", spoilt)
        assert judge(mirror).codes == {"tile-mismatch"}
    put(mirror, "tile/0/001", tile)
    part = (mirror / "tile/0/002.p/205").read_bytes()
    put(mirror, "tile/0/002.p/205", part + bytes(32))
    assert judge(mirror).codes == {"tile-mismatch"}


def test_two_entries_swapped_in_their_bundle_are_found_where_they_stand(
    mirror: Path, log: History
) -> None:
    entries = log.encoded()[256:512]
    entries[10], entries[11] = entries[11], entries[10]
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    put(mirror, BUNDLE, bundle)
    verdict = judge(mirror)
    assert verdict.status == 1
    assert verdict.entries("entry-hash-mismatch") == [266]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data[:-500],
        lambda data: data + b"\x00",
        lambda data: data + b"\x00\x02{}",
        lambda _: b"",
        lambda _: b"\xff",
    ],
    ids=["one byte short", "cut", "one byte more", "one entry more", "empty", "half a length"],
)
def test_a_bundle_of_another_length_is_malformed(
    mirror: Path, spoil: Callable[[bytes], bytes]
) -> None:
    put(mirror, BUNDLE, spoil((mirror / BUNDLE).read_bytes()))
    verdict = judge(mirror)
    assert verdict.status == 1
    assert "malformed-bundle" in verdict.codes


def test_a_signed_root_that_is_not_that_of_the_entries(mirror: Path) -> None:
    resigned(mirror, f"{ORIGIN}\n717\n{to_base64(bytes(32))}\n")
    assert judge(mirror).codes == {"root-mismatch"}


def test_a_signed_size_that_is_not_that_of_the_root(mirror: Path, log: History) -> None:
    root = to_base64(root_of(log.leaves()))
    for path in ("tile/0/002.p/", "tile/entries/002.p/"):
        put(mirror, path + "200", (mirror / (path + "205")).read_bytes())
    resigned(mirror, f"{ORIGIN}\n712\n{root}\n")
    assert "root-mismatch" in judge(mirror).codes


@pytest.mark.parametrize("at", [3, 25, 40, -10, -60])
def test_a_flipped_bit_in_the_checkpoint_never_passes(mirror: Path, at: int) -> None:
    flip(mirror, "checkpoint", at)
    verdict = judge(mirror)
    assert verdict.status in (1, 2)
    assert verdict.report["verdict"] in ("misbehaviour", "could-not-check")


def test_a_checkpoint_text_that_was_altered_under_its_signature(mirror: Path) -> None:
    note = (mirror / "checkpoint").read_text()
    put(mirror, "checkpoint", note.replace("\n717\n", "\n716\n").encode())
    verdict = judge(mirror)
    assert verdict.status == 1
    assert verdict.codes == {"bad-checkpoint-signature"}
    evidence = mirror.parent / "evidence" / "checkpoint"
    assert evidence.read_bytes() == (mirror / "checkpoint").read_bytes()


def test_a_checkpoint_that_another_key_has_signed(mirror: Path, log: History) -> None:
    put(mirror, "checkpoint", log.checkpoint(signing_key("another")).encode())
    assert judge(mirror).codes == {"unsigned-checkpoint"}


def test_a_second_line_of_the_log_key_that_does_not_verify(mirror: Path, log: History) -> None:
    wrong = sign_note("something else\n", ORIGIN, signing_key(ORIGIN))
    put(mirror, "checkpoint", (log.checkpoint() + wrong).encode())
    assert judge(mirror).codes == {"bad-checkpoint-signature"}


@pytest.mark.parametrize(
    "text",
    [
        "{o}\n717\n{r}\nextension\n",
        "{o}\n0717\n{r}\n",
        "{o}\n+717\n{r}\n",
        "{o}\n7_17\n{r}\n",
        "{o}\n\u0667\u0661\u0667\n{r}\n",
        "{o}\n717\n{r}=\n",
        "{o}x\n717\n{r}\n",
        "{o}\n717\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint(mirror: Path, log: History, text: str) -> None:
    resigned(mirror, text.format(o=ORIGIN, r=to_base64(root_of(log.leaves()))))
    assert judge(mirror).codes == {"malformed-checkpoint"}


def test_a_signed_empty_log_has_no_genesis_entry(mirror: Path) -> None:
    resigned(mirror, f"{ORIGIN}\n0\n{to_base64(root_of([]))}\n")
    assert judge(mirror).codes == {"no-genesis"}


def test_findings_stand_although_a_later_file_is_missing(mirror: Path) -> None:
    flip(mirror, "tile/entries/000", 5)
    (mirror / "tile/1/000.p/2").unlink()
    verdict = judge(mirror)
    assert verdict.status == 1
    assert "no tile/1/000" in verdict.report["incomplete"]


def test_a_partial_tile_may_be_replaced_by_the_full_one(tmp_path: Path, log: History) -> None:
    mirror = log.write(tmp_path / "mirror")
    while len(log.entries) < 768:
        log.egress(log.entries[log.labels["ended 40"]]["statement"]["job_id"])
    later = log.write(tmp_path / "later")
    for path in ("tile/0/002", "tile/entries/002"):
        (mirror / f"{path}.p/205").unlink()
        (mirror / f"{path}.p").rmdir()
        put(mirror, path, (later / path).read_bytes())
    assert judge(mirror).status == 0

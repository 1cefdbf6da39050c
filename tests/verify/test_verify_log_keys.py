"""The verifier follows the log from one key to the next, and follows nobody else."""

from pathlib import Path
from typing import Any

import pytest
from log_builder import (
    ORIGIN,
    History,
    canonical,
    key_id,
    put,
    sign_note,
    signing_key,
    to_base64,
    vkey_of,
)
from nacl.signing import SigningKey
from verify_runner import Verdict, run

TYPE = b"application/vnd.apsci.log-key.v1+json"
OLD, NEW, THIEF = signing_key(ORIGIN), signing_key("the next one"), signing_key("a thief")


def handover(old: SigningKey, new: SigningKey, **changed: Any) -> dict[str, Any]:
    """What an entry says in which ``old`` names ``new``, both having signed it."""
    said = {"origin": ORIGIN, "replaces": key_id(ORIGIN, old).hex(), "vkey": vkey_of(ORIGIN, new)}
    body = canonical(said)
    message = b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE, len(body), body)
    signatures = {
        "old": to_base64(changed.pop("by", old).sign(message).signature),
        "new": to_base64(changed.pop("held_by", new).sign(message).signature),
    }
    entry = {"kind": "log_key", "signatures": signatures} | said | changed
    entry.pop("origin")
    return entry


def written(log: History, folder: Path, *signers: SigningKey, named: tuple[int, ...] = ()) -> Path:
    """The log as files, its checkpoint signed by ``signers``, its list of keys of some entries."""
    log.write(folder)
    text = log.checkpoint_text()
    lines = "".join(sign_note(text, ORIGIN, key) for key in signers)
    put(folder, "checkpoint", f"{text}\n{lines}".encode())
    if named:
        keys = [canonical({"entry": log.entries[at], "index": at}) + b"\n" for at in named]
        put(folder, "keys", b"".join(keys))
    return folder


def judge(folder: Path, *more: object) -> Verdict:
    arguments = [str(each) for each in more]
    return run("--offline", folder, "--evidence", folder.parent / "evidence", *arguments)


@pytest.fixture
def rotated(log: History) -> History:
    log.add(handover(OLD, NEW))
    return log


def test_while_both_sign_either_key_is_enough(rotated: History, tmp_path: Path) -> None:
    mirror = written(rotated, tmp_path / "both", NEW, OLD)
    for key in (OLD, NEW):
        verdict = judge(mirror, "--vkey", vkey_of(ORIGIN, key))
        assert (verdict.status, verdict.codes) == (0, set())


def test_who_trusts_the_old_key_believes_the_one_that_it_named(
    rotated: History, tmp_path: Path
) -> None:
    at = len(rotated.entries) - 1
    mirror = written(rotated, tmp_path / "new", NEW, named=(at,))
    for key in (OLD, NEW):
        assert judge(mirror, "--vkey", vkey_of(ORIGIN, key)).status == 0
    # Two rotations on, the first key is still enough to begin with.
    third = signing_key("a third one")
    rotated.add(handover(NEW, third))
    mirror = written(rotated, tmp_path / "third", third, named=(at, at + 1))
    for key in (OLD, NEW, third):
        verdict = judge(mirror, "--vkey", vkey_of(ORIGIN, key))
        assert (verdict.status, verdict.report["vkey"]) == (0, vkey_of(ORIGIN, third))
    # Without the list nothing leads there, and that is said as of any stranger's checkpoint.
    (mirror / "keys").unlink()
    assert judge(mirror, "--vkey", vkey_of(ORIGIN, OLD)).codes == {"unsigned-checkpoint"}


def test_a_state_goes_on_over_a_rotation(log: History, tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = written(log, tmp_path / "before", OLD)
    assert judge(before, "--state", state, "--vkey", vkey_of(ORIGIN, OLD)).status == 0
    log.add(handover(OLD, NEW))
    at = len(log.entries) - 1
    for number, vkey in enumerate(([], ["--vkey", vkey_of(ORIGIN, OLD)])):
        mirror = written(log, tmp_path / f"after{number}", NEW, named=(at,))
        verdict = judge(mirror, "--state", state, *vkey)
        assert (verdict.status, verdict.report["vkey"]) == (0, vkey_of(ORIGIN, NEW))
        log.pass_time(60)
        log.submit("lab-a", log.new_job())
    mirror = written(log, tmp_path / "last", NEW, named=(at,))
    assert judge(mirror, "--state", state, "--vkey", vkey_of(ORIGIN, NEW)).status == 0
    against = tmp_path / "before" / "checkpoint"
    old = "--vkey", vkey_of(ORIGIN, OLD)
    assert judge(mirror, "--state", state, "--against", against, *old).status == 0
    # What the state knows of the keys it keeps: the old one alone is not enough any more.
    stolen = written(log, tmp_path / "stolen", OLD, named=(at,))
    assert judge(stolen, "--state", state).status != 0


def test_a_thief_of_the_old_key_cannot_go_on_with_the_log(rotated: History, tmp_path: Path) -> None:
    at = len(rotated.entries) - 1
    rotated.pass_time(60)
    rotated.submit("lab-a", rotated.new_job())
    mirror = written(rotated, tmp_path / "stolen", OLD)
    verdict = judge(mirror, "--vkey", vkey_of(ORIGIN, OLD))
    assert verdict.status == 1
    assert verdict.entries("genesis-key-mismatch") == [at]
    # Nor can he name a key of his own beside the one that the log names.
    put(mirror, "checkpoint", _note(rotated, THIEF))
    own = canonical({"entry": {"format": "apsci-ledger/1", "logged_at": "2026-01-01T00:00:00Z"}
                     | handover(OLD, THIEF), "index": at})  # fmt: skip
    put(mirror, "keys", own + b"\n")
    verdict = judge(mirror, "--vkey", vkey_of(ORIGIN, OLD))
    assert verdict.codes == {"genesis-key-mismatch"}


def _note(log: History, *signers: SigningKey) -> bytes:
    text = log.checkpoint_text()
    return (text + "\n" + "".join(sign_note(text, ORIGIN, key) for key in signers)).encode()


@pytest.mark.parametrize(
    "entry",
    [
        handover(OLD, NEW, by=THIEF),
        handover(OLD, NEW, by=NEW),
        handover(OLD, NEW, held_by=OLD),
        handover(OLD, OLD),
        handover(THIEF, NEW),
        handover(OLD, NEW, replaces="00000000"),
        handover(OLD, NEW, vkey=vkey_of("other.example/log", NEW)),
        handover(OLD, NEW, vkey=vkey_of(ORIGIN, THIEF)),
        handover(OLD, NEW, vkey=vkey_of(ORIGIN, NEW, 4)),
    ],
    ids=["a-thief", "itself", "nobody-holds-it", "the-same", "another-old-one", "another-id",
         "another-name", "a-thiefs", "a-witness-key"],
)  # fmt: skip
def test_a_key_that_the_logs_key_did_not_name_is_none(
    log: History, tmp_path: Path, entry: dict[str, Any]
) -> None:
    at = log.add(entry)
    mirror = written(log, tmp_path / "mirror", OLD)
    verdict = judge(mirror, "--vkey", vkey_of(ORIGIN, OLD))
    assert verdict.codes == {"bad-registry"}
    assert verdict.entries("bad-registry") == [at]
    mirror = written(log, tmp_path / "alone", NEW, named=(at,))
    assert judge(mirror, "--vkey", vkey_of(ORIGIN, OLD)).codes == {"unsigned-checkpoint"}


@pytest.mark.parametrize(
    "text", [b"", b"{}\n", b"[1]\n", b'{"entry":1,"index":1}\n', b"\xff\n", b"[" * 100_000]
)
def test_a_list_of_keys_that_is_none_is_as_good_as_no_list(
    rotated: History, tmp_path: Path, text: bytes
) -> None:
    mirror = written(rotated, tmp_path / "mirror", NEW)
    put(mirror, "keys", text)
    assert judge(mirror, "--vkey", vkey_of(ORIGIN, OLD)).codes == {"unsigned-checkpoint"}

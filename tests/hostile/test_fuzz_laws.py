"""A few thousand of the damages that ``scripts/fuzz`` does by the million: no law is broken."""

import io
import struct
import zipfile
import zlib
from random import Random

import fuzz_targets
import fuzz_targets_files as files
import fuzz_targets_mldsa  # noqa: F401 - it registers its law
import fuzz_targets_verify
import pytest
from fuzz_corpus import small
from fuzz_targets import LAWS, honest_text
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mutations import damage, damage_entries, damage_json

from ledger.errors import LedgerError

RUNS = {name: max(40, 12 * weight) for name, (weight, _) in LAWS.items()}
"""Slow laws have small weights. All together: a few thousand."""


@pytest.mark.parametrize("name", LAWS)
def test_no_damage_breaks_a_law(name: str) -> None:
    _, law = LAWS[name]

    @settings(
        max_examples=RUNS[name],
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def damaged(dice: Random) -> None:
        law(dice)

    damaged()


def test_damage_is_done_to_nearly_everything_that_is_damaged() -> None:
    """Laws that nothing is tried against would hold for ever."""
    honest = small()
    changed = sum(damage(honest.checkpoint, Random(n)) != honest.checkpoint for n in range(300))
    assert changed > 270
    entries = list(honest.entries)
    assert sum(damage_entries(entries, Random(n)) != entries for n in range(300)) > 250
    values = [damage_json({"a": [1, "x", {"b": None}]}, Random(n)) for n in range(300)]
    assert sum(value != {"a": [1, "x", {"b": None}]} for value in values) > 250


def test_what_is_damaged_is_read_where_nobody_damages_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in files.fixtures():
        path = files.written(each, "jobs.json")
        assert files.read_jobs(path, format_=files.AUTO, names=files.NAMES).format
    trace = files.read_trace(files.written(files.TRACE, "trace.csv"), files.load_mapping())
    assert trace.tasks
    monkeypatch.setenv("LEDGER_CONFIG", str(files.written(files.SETTINGS, "ledger.toml")))
    assert files.load_settings().rate_per_minute == 100
    statement = files.read_document(files.written(files.STATEMENT, "statement.toml"))
    assert statement["kind"] == "submitted"
    assert files.parse_defaults(files.DEFAULTS.decode()).gpu_count == 8
    assert files.load_mapping(str(files.written(files._mapping(), "mapping.toml")))
    assert files.parse_review(files._review())
    assert files.parse_query(files.QUERY)["member"] == "beta"
    assert files.parse_digest(files._weights()).files
    picture, *_ = files.artifacts()
    form = files.form_of("image", "a.png", io.BytesIO(picture), size=len(picture))
    assert form.media_type == "image/png"


def test_what_fuzzing_found_stays_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number of 5,000 digits in TOML, and a member of an archive that has no name."""
    long = b"x = " + b"9" * 5_000 + b"\n"
    for read in (
        lambda: files.load_mapping(str(files.written(long, "mapping.toml"))),
        lambda: files.read_webhooks(files.written(long, "hooks.toml")),
        lambda: files.read_document(files.written(long, "statement.toml")),
        lambda: files.parse_defaults(long.decode()),
        files.load_settings,
    ):
        monkeypatch.setenv("LEDGER_CONFIG", str(files.written(long, "ledger.toml")))
        with pytest.raises(LedgerError, match=r"4300 digits|not TOML"):
            read()
    # APPNOTE 4.3: one member, stored, whose name has no letter; the library makes no such thing.
    described = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, zlib.crc32(b"text"), 4, 4, 0, 0)
    member = b"PK\x03\x04" + described + b"text"
    listed = b"PK\x01\x02" + struct.pack("<H", 20) + described + struct.pack("<HHHII", *[0] * 5)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(listed), len(member), 0)
    data = member + listed + end
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == [""]
    assert files.form_of("opaque", "a.zip", io.BytesIO(data), size=len(data)).rewrite is None


def test_damage_is_sometimes_such_that_a_checkpoint_stays_what_it_says() -> None:
    """Lines of strangers may change; the law about equal texts is met and not only missed."""
    honest = small()
    same = 0
    for number in range(2_000):
        data = damage(honest.checkpoint, Random(number))
        if data != honest.checkpoint and _opens(data):
            assert honest_text(data)
            same += 1
    assert same > 20


def _try(name: str, runs: int) -> None:
    for number in range(runs):
        LAWS[name][1](Random(number))


def _opens(note: bytes) -> bool:
    script = fuzz_targets_verify.script
    try:
        script.open_checkpoint(note, [script.parse_vkey(fuzz_targets_verify.KEY)])
    except (script.CannotCheck, script.Proven):
        return False
    return True


@pytest.mark.parametrize(
    ("sabotaged", "name"),
    [
        ("ed25519_holds", "script_opens_no_damaged_checkpoint"),
        ("ed25519_holds", "script_verifies_no_log_of_forged_words"),
        ("inclusion_root", "script_verifies_no_damaged_receipt"),
    ],
)
def test_a_verifier_that_believes_everything_breaks_a_law(
    sabotaged: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, honest = fuzz_targets_verify.script, small()
    answer: object = True if sabotaged == "ed25519_holds" else honest.root
    monkeypatch.setattr(script, sabotaged, lambda *_: answer)
    with pytest.raises(AssertionError):
        _try(name, 3_000)


def test_a_ledger_that_believes_every_path_breaks_a_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_targets, "verify_inclusion", lambda *_, **__: None)
    with pytest.raises(AssertionError):
        _try("ledger_verifies_no_damaged_proof", 300)

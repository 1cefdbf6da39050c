"""The desk: every refusal names the field and the reason, and none repeats what is sealed."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kit
import pytest

from ledger.assembly import Ledger
from ledger.errors import (
    AuthorUnknown,
    CommitmentError,
    FormatError,
    LedgerError,
    SignatureError,
    TooLarge,
    ValueRefused,
)
from ledger.records import canonical
from ledger.records.commitment import commit
from ledger.records.statement import sign_statement
from ledger.settings import Settings

ONE = kit.ulid(1)
CANARY = "CANARY-7f3a"
SEALED = {
    "title": f"{CANARY} title",
    "purpose": f"{CANARY} purpose",
    "protocol": f"{CANARY} protocol",
    "model.name": CANARY,
    "model.parameter_count": 770_077_077,
    "code": {"digest": {"sha256": "ab" * 32}, "name": CANARY},
}

Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder = tmp_path_factory.mktemp("intake")
    settings = kit.make_ledger(f"sqlite:///{folder / 'ledger.db'}", folder)
    opened = Ledger(settings, clock=kit.Clock())
    kit.log(opened, kit.submitted(ONE), kit.started(ONE))
    yield opened
    opened.close()


def posted(body: bytes | None = None) -> dict[str, Any]:
    decoded: dict[str, Any] = canonical.decode(
        body or kit.submitted(kit.ulid(2), sealed=SEALED), limit=1 << 20
    )
    return decoded


def signed_again(value: dict[str, Any], author: str = "deepseek") -> dict[str, Any]:
    """The same with a good signature and commitment over what it says now."""
    if "opening" in value and "sealed" in value["statement"]:
        seed = canonical.decode_base64(value["opening"]["seed"])
        fields = value["opening"]["fields"]
        value["statement"]["sealed"]["root"] = commit(seed, fields).hex()
    return value | sign_statement(value["statement"], kit.SIGNERS[author])


def refuse(ledger: Ledger, body: bytes) -> LedgerError:
    """The refusal of a body, with nothing written and nothing sealed in any word of it."""
    before = kit.counts(ledger.store)
    error = kit.refusal(ledger.submit(body))
    assert isinstance(error, LedgerError)
    assert kit.counts(ledger.store) == before
    seed = canonical.encode_base64(kit.seed_of(kit.ulid(2), "submitted"))
    said = f"{error} {error!r} {error.args} {vars(error)} {error.__cause__} {error.__context__!r}"
    for secret in (CANARY, "770077077", seed):
        assert secret not in said
    return error


def set_in(*path: str | int, to: object) -> Edit:
    """An edit that sets the value at ``path``."""

    def edit(value: dict[str, Any]) -> None:
        at: Any = value
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = to

    return edit


def without(*path: str) -> Edit:
    """An edit that takes the member at ``path`` away."""

    def edit(value: dict[str, Any]) -> None:
        at = value
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]

    return edit


def public(name: str, to: object) -> Edit:
    return set_in("statement", "public", name, to=to)


def sealed(name: str, to: object) -> Edit:
    return set_in("opening", "fields", name, to=to)


FIELDS: dict[str, tuple[Edit, str]] = {
    "no statement": (without("statement"), "statement"),
    "no signature": (without("signature"), "signature"),
    "no opening": (without("opening"), "opening"),
    "an unknown member": (set_in("extra", to=1), "extra"),
    "an unknown member of the statement": (
        set_in("statement", "publish_by", to="2030-01-01T00:00:00Z"),
        "statement.publish_by",
    ),
    "an unknown public field": (public("priority", 1), "statement.public.priority"),
    "a missing public field": (
        without("statement", "public", "gpu_count"),
        "statement.public.gpu_count",
    ),
    "a number out of range": (public("gpu_count", 0), "statement.public.gpu_count"),
    "a number as text": (public("gpu_count", "64"), "statement.public.gpu_count"),
    "a code that is none": (public("workload_type", "mining"), "statement.public.workload_type"),
    "a code in a list": (
        public("optimizer_targets", ["auxiliary_probe", "everything"]),
        "statement.public.optimizer_targets[1]",
    ),
    "too long a list": (
        public("optimizer_targets", ["auxiliary_probe"] * 9),
        "statement.public.optimizer_targets",
    ),
    "a schema that is none": (set_in("statement", "schema", to="job/9"), "statement.schema"),
    "a kind of another schema": (set_in("statement", "kind", to="started"), "statement.kind"),
    "a job ID in lower case": (
        set_in("statement", "job_id", to="01jd9z" + "0" * 20),
        "statement.job_id",
    ),
    "no job": (without("statement", "job_id"), "statement.job_id"),
    "a day that no calendar has": (
        set_in("statement", "made_at", to="2026-02-30T00:00:00Z"),
        "statement.made_at",
    ),
    "a time with a fraction": (
        set_in("statement", "made_at", to="2026-02-20T00:00:00.5Z"),
        "statement.made_at",
    ),
    "an author in capitals": (set_in("statement", "author", to="DeepSeek"), "statement.author"),
    "too few sealed fields": (
        set_in("statement", "sealed", "fields", to=3),
        "statement.sealed.fields",
    ),
    "no sealed part": (without("statement", "sealed"), "statement.sealed"),
    "a root in capitals": (
        set_in("statement", "sealed", "root", to="AB" * 32),
        "statement.sealed.root",
    ),
    "a path that is missing": (without("opening", "fields", "title"), "opening.fields.title"),
    "a path that is none": (sealed("motive", CANARY), "opening.fields.motive"),
    "a sealed number as text": (
        sealed("model.parameter_count", CANARY),
        "opening.fields.model.parameter_count",
    ),
    "too long a sealed text": (sealed("title", CANARY * 20), "opening.fields.title"),
    "a sealed code that is none": (
        sealed(
            "prompts",
            {
                "content_access": CANARY,
                "count": 1,
                "descriptor": {"digest": {"sha256": "ab" * 32}},
                "distinct_count": 1,
            },
        ),
        "opening.fields.prompts.content_access",
    ),
    "an unknown member of a sealed field": (
        sealed("code", {"digest": {"sha256": "ab" * 32}, "owner": CANARY}),
        "opening.fields.code.owner",
    ),
    "too short a seed": (set_in("opening", "seed", to="AAAA"), "opening.seed"),
    "a seed with stray bits": (set_in("opening", "seed", to="A" * 42 + "B="), "opening.seed"),
    "an unknown member of the opening": (set_in("opening", "salts", to={}), "opening.salts"),
    "a signature with stray bits": (
        set_in("signature", "value", to="A" * 85 + "B=="),
        "signature.value",
    ),
    "a key ID in capitals": (set_in("signature", "key_id", to="ABCDEF01"), "signature.key_id"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_field_that_is_refused_is_named(ledger: Ledger, case: str) -> None:
    edit, field = FIELDS[case]
    value = posted()
    edit(value)
    error = refuse(ledger, canonical.encode(value))
    assert isinstance(error, ValueRefused)
    assert error.field == field
    assert str(error).startswith(f"{field}: ")


@pytest.mark.parametrize("name", ["workload_type", "w" * 500_000])
def test_a_refusal_stays_short_however_long_what_it_refuses_is(ledger: Ledger, name: str) -> None:
    value = posted()
    public(name, "w" * 500_000)(value)
    assert len(str(refuse(ledger, canonical.encode(value)))) < 1_000


OTHER_SPELLINGS: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "not JSON"),
    "no JSON": (b"hello", "not JSON"),
    "half of it": (lambda body: body[:-1], "not JSON"),
    "two of it": (lambda body: body + body, "not JSON"),
    "a new line after it": (lambda body: body + b"\n", "not in canonical form: byte"),
    "a space in it": (lambda body: body.replace(b":", b": ", 1), "not in canonical form: byte"),
    "a byte order mark": (lambda body: b"\xef\xbb\xbf" + body, "byte order mark"),
    "not UTF-8": (lambda body: body.replace(b"title", b"titl\xff", 1), "not UTF-8"),
    "UTF-16": (lambda body: body.decode().encode("utf-16"), "not UTF-8|not JSON"),
    "another order": (
        lambda body: b'{"statement":{},' + body[1:],
        "stands twice|not in canonical form",
    ),
    "a key twice": (
        lambda body: body.replace(b'"gpu_count":64', b'"gpu_count":64,"gpu_count":64'),
        "the key 'gpu_count' stands twice in one object",
    ),
    "a sealed key twice": (
        lambda body: body.replace(b'"title":', b'"title":"x","title":', 1),
        "the key 'title' stands twice in one object",
    ),
    "a fraction": (
        lambda body: body.replace(b'"gpu_count":64', b'"gpu_count":64.0'),
        "statement.public.gpu_count: a number with a fraction",
    ),
    "too large a number": (
        lambda body: body.replace(b'"gpu_count":64', b'"gpu_count":9007199254740992'),
        r"statement.public.gpu_count: an integer of 2\^53",
    ),
    "another escape": (
        lambda body: body.replace(b"nvidia", b"\\u006evidia"),
        "not in canonical form: byte",
    ),
    "a key with a capital": (
        lambda body: body.replace(b'"gpu_count"', b'"gpu_Count"'),
        "the key 'gpu_Count' is not of",
    ),
    "too deep": (
        lambda body: body.replace(b'"gpu_count":64', b'"gpu_count":' + b"[" * 9 + b"]" * 9),
        "nested deeper than 8",
    ),
    "very deep": (
        lambda body: body.replace(
            b'"gpu_count":64', b'"gpu_count":' + b"[" * 100_000 + b"]" * 100_000
        ),
        "nested deeper than 8",
    ),
    "a list": (b"[]", "Expected `object`"),
    "a number": (b"7", "Expected `object`"),
    "null": (b"null", "Expected `object`"),
}


@pytest.mark.parametrize("case", OTHER_SPELLINGS)
def test_another_spelling_is_refused_with_the_place(ledger: Ledger, case: str) -> None:
    given, message = OTHER_SPELLINGS[case]
    body = given if isinstance(given, bytes) else given(canonical.encode(posted()))
    error = refuse(ledger, body)
    assert isinstance(error, FormatError)
    with pytest.raises(FormatError, match=message):
        raise error


def test_a_body_over_a_mebibyte_is_refused_with_both_sizes(ledger: Ledger) -> None:
    error = refuse(ledger, b" " * (1 << 20) + b" ")
    assert isinstance(error, TooLarge)
    assert (error.limit, error.size) == (1 << 20, (1 << 20) + 1)


def test_a_record_that_could_not_be_disclosed_is_refused_today(ledger: Ledger) -> None:
    long = {"name": "n" * 200, "bytes": 1, "kind": "log", "content_access": "closed"}
    long |= {"digest": {"sha256": "ab" * 32}, "uri": CANARY + "u" * 489}
    metric = {"name": CANARY + "n" * 180, "value": "0.5"}
    body = kit.ended(ONE, sealed={"artifacts": [long] * 64, "metrics": [metric] * 64})
    error = refuse(ledger, body)
    assert isinstance(error, TooLarge)
    assert error.limit == 60_000
    assert error.size > 60_000
    assert kit.log(ledger, kit.egress(ONE, 1))


def test_who_may_not_speak_is_told_why(ledger: Ledger) -> None:
    wrong_key = signed_again(posted(), "zhipu")
    assert isinstance(refuse(ledger, canonical.encode(wrong_key)), AuthorUnknown)
    flipped = posted()
    value = canonical.decode_base64(flipped["signature"]["value"])
    flipped["signature"]["value"] = canonical.encode_base64(value[:-1] + bytes([value[-1] ^ 1]))
    error = refuse(ledger, canonical.encode(flipped))
    assert isinstance(error, SignatureError)
    assert str(error).startswith("signature.value: it is not the signature of deepseek's key ")
    unsigned = posted()
    unsigned["statement"]["public"]["gpu_count"] = 65
    assert isinstance(refuse(ledger, canonical.encode(unsigned)), SignatureError)


def test_an_opening_of_another_root_is_refused_without_a_word_of_it(ledger: Ledger) -> None:
    other = posted()
    other["opening"]["fields"]["title"] = f"{CANARY} other"
    error = refuse(ledger, canonical.encode(other))
    assert isinstance(error, CommitmentError)
    assert str(error).startswith("opening: it does not belong to statement.sealed.root: ")
    reseeded = posted()
    reseeded["opening"]["seed"] = canonical.encode_base64(bytes(32))
    error = refuse(ledger, canonical.encode(reseeded))
    assert isinstance(error, CommitmentError)
    assert reseeded["statement"]["sealed"]["root"] in str(error)


def test_withheld_paths_are_those_of_the_entry_and_each_once(ledger: Ledger) -> None:
    cases = ((1, ("motive",)), (1, ("title", "title")), (2, ("title",)), (99, ("title",)))
    for index, paths in cases:
        error = refuse(ledger, kit.withheld(ONE, index, *paths))
        assert isinstance(error, ValueRefused)
        assert error.field == "statement.public.paths"


def test_a_key_that_another_process_registered_is_found(
    postgresql_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    one, two = Ledger(settings, clock=kit.Clock()), Ledger(settings, clock=kit.Clock())
    key = kit.author_key("qwen")
    assert isinstance(kit.refusal(two.submit(kit.submitted(ONE, author=key))), AuthorUnknown)
    kit.log(one, kit.registry("add", "qwen", key))
    given = kit.log(two, kit.submitted(ONE, author=key))
    kit.log(one, kit.registry("retire", "qwen", key))
    late = kit.submitted(kit.ulid(2), author=key)
    assert isinstance(kit.refusal(two.submit(late)), AuthorUnknown)
    one.close()
    two.close()
    kit.check_whole_log(settings, acknowledged=given)


def test_nothing_sealed_is_in_any_log_line_or_repr_or_stored_byte(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = kit.Clock()
    settings: Settings = kit.make_ledger(database_url, tmp_path, clock=clock)
    seed = kit.seed_of(kit.ulid(2), "submitted")
    body = kit.submitted(kit.ulid(2), sealed=SEALED)
    secrets = [CANARY, canonical.encode_base64(seed), seed.hex(), repr(seed)[2:-1], "770077077"]
    with caplog.at_level(logging.DEBUG):
        ledger = Ledger(settings, clock=clock)
        proposal = ledger.intake.check(body)
        assert proposal.sealed_opening is not None
        for plain in (CANARY.encode(), seed):
            assert plain not in proposal.sealed_opening
        shown = [repr(each) for each in (proposal, proposal.parsed, ledger, ledger.intake)]
        answers = kit.log(ledger, body)
        shown.append(repr(answers))
        # Errors of the storage itself: a batch that cannot be written, twice over.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(ledger.store), "append", _failing(type(ledger.store).append))
            error = kit.refusal(ledger.submit(kit.submitted(kit.ulid(3), sealed=SEALED)))
        shown += [repr(error), str(error), repr(error.__cause__), repr(error.__context__)]
        clock.advance(days=90)
        disclosure = ledger.embargo._prepare(_first_due(ledger, clock()))
        shown.append(repr(disclosure))
        ledger.close()
    text = "\n".join([*shown, caplog.text, *(str(record.args) for record in caplog.records)])
    for secret in secrets:
        assert secret not in text
    checked = kit.check_whole_log(settings, acknowledged=answers)
    assert checked.size == 3
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("ledger.db*"))
    for plain in (CANARY.encode(), seed, canonical.encode_base64(seed).encode()):
        assert plain not in stored


def _failing(real: Any) -> Any:
    from contextlib import contextmanager  # noqa: PLC0415 - beside its one use

    @contextmanager
    def append(store: Any) -> Any:
        with real(store) as appending:
            yield appending
            # The same rows again: the database refuses, and would quote them.
            rows = appending._driver.fetch("SELECT leaf_index, ciphertext FROM openings")
            appending._driver.run_many(
                "INSERT INTO openings (leaf_index, ciphertext) VALUES (?, ?)", rows
            )

    return append


def _first_due(ledger: Ledger, now: int) -> Any:
    with ledger.store.snapshot() as reads:
        return reads.due(now=now, after=-1, limit=1)[0]

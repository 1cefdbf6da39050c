"""What an author signs, and every way in which a post can be wrong."""

import base64
import json
import struct
from collections.abc import Callable
from hashlib import sha256
from typing import Any, get_args, get_type_hints

import msgspec
import nacl.signing
import pytest
from record_samples import (
    JOB,
    NO_JOB,
    PUBLIC,
    SEALED,
    SEED,
    copy,
    parsed,
    post_value,
    python_json,
    signer,
    statement_value,
)

from ledger.errors import FormatError, LedgerError, SignatureError, TooLarge, ValueRefused
from ledger.records import canonical
from ledger.records.commitment import check_opening
from ledger.records.statement import (
    MAX_STATEMENT,
    PAYLOAD_TYPE,
    decode_signed,
    pae,
    sealed_paths,
    sign_statement,
    statement_digest,
    verify_statement,
)
from ledger.tlog.note import parse_vkey
from schemas.statements import SCHEMAS, JobSubmitted
from schemas.values import Time

ALL = sorted(SCHEMAS)
TYPE = b"application/vnd.apsci.statement.v1+json"


def test_the_encoding_that_is_signed_is_that_of_dsse() -> None:
    # The example of the DSSE specification's protocol.md, with our type and its length.
    assert pae(b"hello world") == b"DSSEv1 39 " + TYPE + b" 11 hello world"
    assert pae(b"") == b"DSSEv1 39 " + TYPE + b" 0 "
    assert pae("é".encode()) == b"DSSEv1 39 " + TYPE + b" 2 \xc3\xa9"
    assert (PAYLOAD_TYPE.encode(), len(TYPE)) == (TYPE, 39)


@pytest.mark.parametrize("schema", ALL)
def test_a_statement_of_every_schema_is_signed_posted_decoded_and_verified(schema: str) -> None:
    value = post_value(schema)
    found = decode_signed(canonical.encode(value))
    body = python_json(value["statement"])
    assert found.body == body
    assert found.digest == statement_digest(body) == sha256(pae(body)).digest()
    assert found.signature == base64.b64decode(value["signature"]["value"])
    assert f"{found.key_id:08x}" == value["signature"]["key_id"]
    assert found.schema is SCHEMAS[schema]
    assert isinstance(found.public, SCHEMAS[schema].public)
    assert json.loads(msgspec.json.encode(found.public)) == value["statement"]["public"]
    assert found.job_id == (None if schema in NO_JOB else JOB)
    key = parse_vkey(signer().vkey).public_key
    verify_statement(found.body, public_key=key, signature=found.signature)
    if schema in SEALED:
        assert found.fields == SEALED[schema]
        assert found.seed == SEED
        assert found.sealed_root is not None
        check_opening(found.sealed_root, seed=found.seed, fields=found.fields)
    else:
        assert (found.fields, found.seed, found.sealed_root) == (None, None, None)


def test_the_signature_and_key_id_are_those_of_the_specifications() -> None:
    value = statement_value("job-egress/1")
    signed = sign_statement(value, signer())
    key = nacl.signing.SigningKey(b"\x07" * 32)
    body = python_json(value)
    expected = key.sign(b"DSSEv1 39 %b %d %b" % (TYPE, len(body), body)).signature
    assert signed["signature"]["value"] == base64.b64encode(expected).decode()
    name = b"ledger.example/deepseek"
    number = sha256(name + b"\n\x01" + bytes(key.verify_key)).digest()[:4]
    assert signed["signature"]["key_id"] == number.hex()
    assert struct.unpack(">I", number)[0] == parsed("job-egress/1").key_id


def test_the_optional_parts_may_be_absent_and_nullable_fields_null() -> None:
    value = post_value("job-submitted/1")
    value["opening"]["fields"] = dict.fromkeys(value["opening"]["fields"])
    assert decode_signed(canonical.encode(value)).fields == value["opening"]["fields"]
    public = PUBLIC["job-ended/1"] | {"started_at": None}
    assert parsed("job-ended/1", public=public, kind="cancelled").public
    found = parsed(
        "job-submitted/1", public=PUBLIC["job-submitted/1"] | {"egress_ceiling_bytes": None}
    )
    assert isinstance(found.public, JobSubmitted)
    assert found.public.egress_ceiling_bytes is None


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(value: dict[str, Any]) -> None:
        for key in path[:-1]:
            value = value[key]
        del value[path[-1]]

    return change


def _with(new: object, *path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = new

    return change


SUBMITTED, ENDED = "job-submitted/1", "job-ended/1"
P = ("statement", "public")
F = ("opening", "fields")
REFUSALS: list[tuple[str, Callable[[dict[str, Any]], None], str, str]] = [
    (SUBMITTED, _without("statement"), "statement", "missing"),
    (SUBMITTED, _without("signature"), "signature", "missing"),
    (SUBMITTED, _without("opening"), "opening", "missing"),
    (SUBMITTED, _with(None, "opening"), "opening", "Expected `object`"),
    (SUBMITTED, _with([], "opening"), "opening", "Expected `object`"),
    (SUBMITTED, _with(1, "extra"), "extra", "unknown field"),
    (SUBMITTED, _with(1, "statement", "extra"), "statement.extra", "unknown field"),
    (SUBMITTED, _with(1, *P, "extra"), "statement.public.extra", "unknown field"),
    (SUBMITTED, _without(*P, "gpu_count"), "statement.public.gpu_count", "missing"),
    (SUBMITTED, _with(0, *P, "gpu_count"), "statement.public.gpu_count", ">= 1"),
    (SUBMITTED, _with("64", *P, "gpu_count"), "statement.public.gpu_count", "Expected `int`"),
    (SUBMITTED, _with(True, *P, "gpu_count"), "statement.public.gpu_count", "Expected `int`"),
    (SUBMITTED, _with(None, *P, "gpu_count"), "statement.public.gpu_count", "Expected `int`"),
    (SUBMITTED, _with(-1, *P, "egress_ceiling_bytes"), "statement.public.egress_ceiling_bytes", ""),
    (SUBMITTED, _with("x", *P, "workload_type"), "statement.public.workload_type", "Invalid enum"),
    (
        SUBMITTED,
        _with(["auxiliary_sae", "x"], *P, "optimizer_targets"),
        "statement.public.optimizer_targets[1]",
        "Invalid enum",
    ),
    (SUBMITTED, _with("H200", *P, "accelerator"), "statement.public.accelerator", "regex"),
    (SUBMITTED, _with("Deep", "statement", "author"), "statement.author", "regex"),
    (SUBMITTED, _with("x" * 40, "statement", "author"), "statement.author", "regex"),
    (SUBMITTED, _with("a\n", "statement", "author"), "statement.author", "regex"),
    (
        SUBMITTED,
        _with("job-submitted/2", "statement", "schema"),
        "statement.schema",
        "not a schema",
    ),
    (SUBMITTED, _with("job-started/1", "statement", "schema"), "statement.kind", "is for started"),
    (SUBMITTED, _with("started", "statement", "kind"), "statement.kind", "is for submitted"),
    (SUBMITTED, _with("admitted", "statement", "kind"), "statement.kind", "is for submitted"),
    (SUBMITTED, _without("statement", "job_id"), "statement.job_id", "missing"),
    (SUBMITTED, _with(None, "statement", "job_id"), "statement.job_id", "Expected `str`"),
    (SUBMITTED, _with(JOB.lower(), "statement", "job_id"), "statement.job_id", "regex"),
    (SUBMITTED, _with("8" + JOB[1:], "statement", "job_id"), "statement.job_id", "regex"),
    (SUBMITTED, _with(JOB[:-1] + "U", "statement", "job_id"), "statement.job_id", "regex"),
    ("registry/1", _with(JOB, "statement", "job_id"), "statement.job_id", "about no job"),
    (SUBMITTED, _without("statement", "sealed"), "statement.sealed", "seals fields"),
    (SUBMITTED, _with(None, "statement", "sealed"), "statement.sealed", "Expected `object`"),
    (
        SUBMITTED,
        _with(11, "statement", "sealed", "fields"),
        "statement.sealed.fields",
        "11, where job-submitted/1 has 12",
    ),
    (SUBMITTED, _with("AB" * 32, "statement", "sealed", "root"), "statement.sealed.root", "regex"),
    (
        "job-egress/1",
        _with({"fields": 1, "root": "00" * 32}, "statement", "sealed"),
        "statement.sealed",
        "seals nothing",
    ),
    (
        "job-egress/1",
        _with({"fields": {}, "seed": "A" * 43 + "="}, "opening"),
        "opening",
        "seals nothing",
    ),
    ("job-egress/1", _with(None, "opening"), "opening", "seals nothing"),
    (
        SUBMITTED,
        _with("2026-02-30T00:00:00Z", "statement", "made_at"),
        "statement.made_at",
        "calen",
    ),
    (SUBMITTED, _with("2026-11-21", "statement", "made_at"), "statement.made_at", "regex"),
    (
        "job-started/1",
        _with("2027-02-29T00:00:00Z", *P, "started_at"),
        "statement.public.started_at",
        "calendar",
    ),
    (ENDED, _with("2026-06-31T00:00:00Z", *P, "ended_at"), "statement.public.ended_at", "calendar"),
    (
        ENDED,
        _with("2026-09-31T00:00:00Z", *P, "started_at"),
        "statement.public.started_at",
        "calendar",
    ),
    (
        "job-interrupted/1",
        _with("2026-11-31T00:00:00Z", *P, "ended_at"),
        "statement.public.ended_at",
        "calendar",
    ),
    (
        "job-withheld/1",
        _with("2027-02-30T00:00:00Z", *P, "review_by"),
        "statement.public.review_by",
        "calendar",
    ),
    ("job-withheld/1", _with([], *P, "paths"), "statement.public.paths", ""),
    (ENDED, _with(1, *P, "weights_unchanged"), "statement.public.weights_unchanged", "`bool`"),
    (SUBMITTED, _with("AB" * 4, "signature", "key_id"), "signature.key_id", "regex"),
    (SUBMITTED, _with("A" * 88, "signature", "value"), "signature.value", "regex"),
    (SUBMITTED, _with("A" * 85 + "B==", "signature", "value"), "signature.value", "canonical base"),
    (SUBMITTED, _without("opening", "seed"), "opening.seed", "missing"),
    (SUBMITTED, _with("A" * 43, "opening", "seed"), "opening.seed", "regex"),
    (SUBMITTED, _with("A" * 42 + "B=", "opening", "seed"), "opening.seed", "canonical base64"),
    (SUBMITTED, _with(1, "opening", "salts"), "opening.salts", "unknown field"),
    (SUBMITTED, _without(*F, "model.name"), "opening.fields.model.name", "path is missing"),
    (SUBMITTED, _with(None, *F, "model.size"), "opening.fields.model.size", "unknown path"),
    (SUBMITTED, _with(5, *F, "model.name"), "opening.fields.model.name", "Expected `str | null`"),
    (SUBMITTED, _with("x" * 121, *F, "title"), "opening.fields.title", "length <= 120"),
    (
        SUBMITTED,
        _with("00", *F, "model.weights_digest", "sha256"),
        "opening.fields.model.weights_digest.sha256",
        "regex",
    ),
    (SUBMITTED, _with({}, *F, "code"), "opening.fields.code.digest", "missing"),
    (SUBMITTED, _with(1, *F, "code", "host"), "opening.fields.code.host", "unknown field"),
    (
        ENDED,
        _with("0.50000000000000000000", *F, "metrics", 0, "value"),
        "opening.fields.metrics[0].value",
        "regex",
    ),
    (
        ENDED,
        _with("whale", *F, "completions", "output_type"),
        "opening.fields.completions.output_type",
        "not one of the codes",
    ),
]


@pytest.mark.parametrize(
    ("schema", "change", "field", "reason"), REFUSALS, ids=[r[2] for r in REFUSALS]
)
def test_every_refusal_names_the_field_and_the_reason(
    schema: str, change: Callable[[dict[str, Any]], None], field: str, reason: str
) -> None:
    value = post_value(schema)
    change(value)
    with pytest.raises(ValueRefused) as refusal:
        decode_signed(canonical.encode(value))
    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{field}: ")
    assert reason in str(refusal.value)


@pytest.mark.parametrize("value", [[], "x", 1, None, True])
def test_a_body_that_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(ValueRefused, match=r"^the body: Expected `object`"):
        decode_signed(canonical.encode(value))


def test_a_body_that_is_not_canonical_is_refused() -> None:
    value = post_value("job-egress/1")
    for body in (
        json.dumps(value).encode(),
        canonical.encode(value) + b"\n",
        canonical.encode(value).replace(b'"egress_bytes":1024', b'"egress_bytes":1024.0'),
    ):
        with pytest.raises(FormatError):
            decode_signed(body)


def test_a_body_above_one_mebibyte_is_too_large() -> None:
    with pytest.raises(TooLarge) as refusal:
        decode_signed(b" " * (MAX_STATEMENT + 1))
    assert (refusal.value.limit, refusal.value.size) == (1_048_576, 1_048_577)


def test_the_fields_keep_the_spelling_that_was_committed_to() -> None:
    # An optional member given as null is another value than one left out, and another root.
    value = post_value(SUBMITTED)
    value["opening"]["fields"]["code"] |= {"uri": None}
    found = decode_signed(canonical.encode(value))
    assert found.fields is not None
    assert "uri" in found.fields["code"]


@pytest.mark.parametrize("schema", ALL)
def test_a_changed_statement_no_longer_verifies(schema: str) -> None:
    found = parsed(schema)
    key = parse_vkey(signer().vkey).public_key
    for at in range(0, len(found.body), 7):
        spoiled = bytearray(found.body)
        spoiled[at] ^= 1
        with pytest.raises(SignatureError):
            verify_statement(bytes(spoiled), public_key=key, signature=found.signature)
    for at in range(64):
        forged = bytearray(found.signature)
        forged[at] ^= 1
        with pytest.raises(SignatureError):
            verify_statement(found.body, public_key=key, signature=bytes(forged))


def test_a_signature_over_the_bare_statement_does_not_verify() -> None:
    found = parsed("job-egress/1")
    bare = nacl.signing.SigningKey(b"\x07" * 32).sign(found.body).signature
    with pytest.raises(SignatureError):
        verify_statement(
            found.body, public_key=parse_vkey(signer().vkey).public_key, signature=bare
        )


def test_a_statement_outside_of_the_subset_is_not_signed() -> None:
    with pytest.raises(FormatError, match=r"public.gpu_count: a number with a fraction"):
        sign_statement(statement_value(SUBMITTED, public={"gpu_count": 0.5}), signer())


def test_no_repr_shows_a_seed_or_a_sealed_value() -> None:
    found = parsed(SUBMITTED)
    for secret in ("whale-4", "Find out.", repr(SEED), base64.b64encode(SEED).decode()):
        assert secret not in repr(found)
    assert "deepseek" in repr(found)


def test_no_refusal_shows_a_seed_or_a_sealed_value() -> None:
    secret = "hazard_7319"
    for schema, fields in SEALED.items():
        for path in fields:
            for wrong in (secret, [secret], {secret: 1}, {"digest": {"sha256": secret}}, 7319.5):
                value = post_value(schema)
                value["opening"]["fields"][path] = wrong
                try:
                    decode_signed(python_json(value))
                except LedgerError as error:
                    message = str(error)
                else:
                    message = ""  # a text field takes any text
                assert secret not in message.replace(f"{path}.{secret}: unknown field", "")
                assert "7319.5" not in message


def test_every_time_among_the_public_fields_is_held_against_the_calendar() -> None:
    for name, schema in SCHEMAS.items():
        hints = get_type_hints(schema.public, include_extras=True)
        for field, hint in hints.items():
            if Time in (hint, *get_args(hint)):
                public = PUBLIC[name] | {field: "2026-02-31T00:00:00Z"}
                with pytest.raises(ValueRefused, match=f"statement.public.{field}"):
                    parsed(name, public=public)


def test_no_sealed_field_is_a_time_so_none_needs_the_calendar() -> None:
    for schema in SCHEMAS.values():
        if schema.sealed is not None:
            hints = get_type_hints(schema.sealed, include_extras=True)
            assert all(Time not in (hint, *get_args(hint)) for hint in hints.values())


def test_the_sealed_paths_are_the_schemas() -> None:
    assert sealed_paths(SCHEMAS[SUBMITTED]) == SEALED[SUBMITTED].keys()
    assert sealed_paths(SCHEMAS[ENDED]) == SEALED[ENDED].keys()
    assert sealed_paths(SCHEMAS["job-egress/1"]) == frozenset()


def test_a_post_leaves_what_it_was_made_from_alone() -> None:
    value = post_value(SUBMITTED)
    before = copy(value)
    decode_signed(canonical.encode(value))
    assert value == before

"""The bytes of every kind of leaf, written a second time by the standard library alone."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_samples import (
    JOB,
    KIND,
    NO_JOB,
    PUBLIC,
    SEALED,
    SEED,
    SUBMISSION_FIELDS,
    copy,
    field_maps,
    parsed,
    post_value,
    python_json,
)

from ledger.errors import FormatError, TooLarge, ValueRefused
from ledger.records import canonical
from ledger.records.charter import Code, Finding, default_charter
from ledger.records.commitment import check_partial, partial_opening, salt
from ledger.records.deadline import parse_time
from ledger.records.entry import (
    FORMAT,
    MAX_ENTRY,
    Author,
    Reason,
    check_disclosable,
    decision_entry,
    disclosed_entry,
    genesis_entry,
    parse_entry,
    statement_entry,
)
from ledger.records.statement import sealed_paths
from ledger.tlog.merkle import leaf_hash
from schemas.statements import SCHEMAS, Role

LOGGED = parse_time("2026-11-21T19:00:01Z")
DUE = parse_time("2027-02-19T19:00:01Z")
AUTHORS = (
    Author(name="deepseek", role=Role.MEMBER, title="DeepSeek", vkey="l/deepseek+00000000+AAAA"),
    Author(name="council", role=Role.COUNCIL, title="Council", vkey="l/council+00000001+AAAA"),
)


def logged(schema: str, **changed: object) -> bytes:
    found = parsed(schema, **changed)
    return statement_entry(found, logged_at=LOGGED, publish_by=DUE if found.sealed_root else None)


def genesis() -> bytes:
    return genesis_entry(
        origin="ledger.example/log",
        vkey="ledger.example/log+00000000+AAAA",
        authors=AUTHORS,
        charter=default_charter(),
        logged_at=LOGGED,
    )


def admitted() -> bytes:
    return decision_entry(
        "admitted", refers_to=5, job_id=JOB, charter=0, findings=(), logged_at=LOGGED
    )


def rejected() -> bytes:
    findings = (
        Finding(1, Code.R1_FORBIDDEN_WORKLOAD, "The workload sft \u2026 is forbidden."),
        Finding(4, Code.Q_QUOTA, "Too many GPUs."),
    )
    return decision_entry(
        "rejected", refers_to=5, job_id=JOB, charter=0, findings=findings, logged_at=LOGGED
    )


def opened(reason: Reason = Reason.DEADLINE, opened_by: int | None = None) -> bytes:
    return disclosed_entry(
        discloses=5,
        job_id=JOB,
        reason=reason,
        logged_at=LOGGED,
        fields=SUBMISSION_FIELDS,
        seed=SEED,
        opened_by=opened_by,
    )


def partly_opened(reason: Reason = Reason.DEADLINE, opened_by: int | None = None) -> bytes:
    return disclosed_entry(
        discloses=5,
        job_id=JOB,
        reason=reason,
        logged_at=LOGGED,
        partial=partial_opening(SEED, SUBMISSION_FIELDS, ["protocol", "prompts"]),
        opened_by=opened_by,
        withheld_by=7,
    )


# --- golden bytes -------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
def test_the_leaf_of_a_statement(schema: str) -> None:
    value = post_value(schema)
    expected = {
        "format": "apsci-ledger/1",
        "kind": KIND[schema],
        "logged_at": "2026-11-21T19:00:01Z",
        "statement": value["statement"],
        "signature": value["signature"],
    }
    if schema in SEALED:
        expected["publish_by"] = "2027-02-19T19:00:01Z"
    assert logged(schema) == python_json(expected)


def test_the_leaf_of_a_statement_to_the_byte() -> None:
    assert logged("job-egress/1").decode() == (
        '{"format":"apsci-ledger/1","kind":"egress","logged_at":"2026-11-21T19:00:01Z",'
        '"signature":{"key_id":"73136c60","value":"+x3/xMQXD2lsOEMnGwjYYBXd5E3bzIsVVu8JA+5bCv4Y'
        'zQ1055+9UygO3hRkYNiZlXnPA511YvftR2LSu+7ECA=="},"statement":{"author":"deepseek",'
        '"job_id":"01JD9ZK8S3N4W5X6Y7Z8A9B0C1","kind":"egress",'
        '"made_at":"2026-11-21T19:00:00Z","public":{"artifact_count":1,"egress_bytes":1024},'
        '"schema":"job-egress/1"}}'
    )


def test_the_leaf_of_an_admission_to_the_byte() -> None:
    assert admitted() == (
        b'{"charter":0,"findings":[],"format":"apsci-ledger/1",'
        b'"job_id":"01JD9ZK8S3N4W5X6Y7Z8A9B0C1","kind":"admitted",'
        b'"logged_at":"2026-11-21T19:00:01Z","refers_to":5}'
    )


def test_the_leaf_of_a_rejection() -> None:
    assert rejected() == python_json(
        {
            "format": "apsci-ledger/1",
            "kind": "rejected",
            "logged_at": "2026-11-21T19:00:01Z",
            "refers_to": 5,
            "job_id": JOB,
            "charter": 0,
            "findings": [
                {
                    "rule": 1,
                    "code": "R1_forbidden_workload",
                    "finding": "The workload sft \u2026 is forbidden.",
                },
                {"rule": 4, "code": "Q_quota", "finding": "Too many GPUs."},
            ],
        }
    )


def test_the_leaf_of_the_genesis() -> None:
    assert genesis() == python_json(
        {
            "format": "apsci-ledger/1",
            "kind": "genesis",
            "logged_at": "2026-11-21T19:00:01Z",
            "origin": "ledger.example/log",
            "vkey": "ledger.example/log+00000000+AAAA",
            "authors": [
                {
                    "name": "deepseek",
                    "role": "member",
                    "title": "DeepSeek",
                    "vkey": "l/deepseek+00000000+AAAA",
                },
                {
                    "name": "council",
                    "role": "council",
                    "title": "Council",
                    "vkey": "l/council+00000001+AAAA",
                },
            ],
            "charter": default_charter().to_dict(),
        }
    )


DISCLOSED: dict[str, Any] = {
    "format": "apsci-ledger/1",
    "kind": "disclosed",
    "logged_at": "2026-11-21T19:00:01Z",
    "discloses": 5,
    "job_id": JOB,
    "reason": "deadline",
}


def test_the_leaf_of_a_disclosure_in_full_at_the_deadline_and_early() -> None:
    full = DISCLOSED | {
        "fields": SUBMISSION_FIELDS,
        "seed": base64.b64encode(SEED).decode(),
    }
    assert opened() == python_json(full)
    early = full | {"reason": "early", "opened_by": 6}
    assert opened(Reason.EARLY, 6) == python_json(early)


def test_the_leaf_of_a_disclosure_in_part_at_the_deadline_and_early() -> None:
    shown = {p: v for p, v in SUBMISSION_FIELDS.items() if p not in ("protocol", "prompts")}
    salts = {path: base64.b64encode(salt(SEED, path)).decode() for path in shown}

    def leaf(path: str) -> str:
        salted = base64.b64encode(salt(SEED, path)).decode()
        return leaf_hash(python_json([path, salted, SUBMISSION_FIELDS[path]])).hex()

    part = DISCLOSED | {
        "fields": shown,
        "salts": salts,
        "closed": {"protocol": leaf("protocol"), "prompts": leaf("prompts")},
        "withheld_by": 7,
    }
    assert partly_opened() == python_json(part)
    early = part | {"reason": "early", "opened_by": 6}
    assert partly_opened(Reason.EARLY, 6) == python_json(early)
    assert base64.b64encode(SEED) not in partly_opened()


# --- there and back -----------------------------------------------------------------------------


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
def test_a_statement_is_parsed_back_from_its_leaf(schema: str) -> None:
    statement = parsed(schema)
    entry = parse_entry(logged(schema))
    assert (entry.kind, entry.logged_at) == (KIND[schema], LOGGED)
    assert entry.job_id == (None if schema in NO_JOB else JOB)
    assert entry.publish_by == (DUE if schema in SEALED else None)
    assert entry.signed is not None
    for name in ("statement", "public", "schema", "body", "digest", "signature", "key_id"):
        assert getattr(entry.signed, name) == getattr(statement, name)
    assert entry.signed.sealed_root == statement.sealed_root
    assert (entry.signed.seed, entry.signed.fields) == (None, None)
    again = statement_entry(entry.signed, logged_at=entry.logged_at, publish_by=entry.publish_by)
    assert again == logged(schema)


def test_decisions_are_parsed_back_from_their_leaves() -> None:
    entry = parse_entry(rejected())
    assert entry.decision is not None
    assert (entry.kind, entry.job_id, entry.decision.refers_to) == ("rejected", JOB, 5)
    assert [(f.rule, f.code) for f in entry.decision.findings] == [
        (1, Code.R1_FORBIDDEN_WORKLOAD),
        (4, Code.Q_QUOTA),
    ]
    decision = parse_entry(admitted()).decision
    assert decision is not None
    assert (decision.findings, decision.charter) == ((), 0)


def test_a_genesis_is_parsed_back_from_its_leaf() -> None:
    entry = parse_entry(genesis())
    assert entry.genesis is not None
    assert entry.genesis.authors == AUTHORS
    assert entry.genesis.charter == default_charter()
    assert (entry.genesis.origin, entry.job_id) == ("ledger.example/log", None)


def test_disclosures_are_parsed_back_from_their_leaves() -> None:
    full = parse_entry(opened(Reason.EARLY, 6)).disclosed
    assert full is not None
    assert (full.discloses, full.reason, full.opened_by) == (5, "early", 6)
    assert (full.fields, full.seed) == (SUBMISSION_FIELDS, SEED)
    assert (full.partial, full.withheld_by) == (None, None)
    part = parse_entry(partly_opened()).disclosed
    assert part is not None
    assert part.partial == partial_opening(SEED, SUBMISSION_FIELDS, ["protocol", "prompts"])
    assert (part.seed, part.withheld_by, part.opened_by) == (None, 7, None)
    root = parsed("job-submitted/1").sealed_root
    assert root is not None
    check_partial(root, part.partial, sealed_paths(SCHEMAS["job-submitted/1"]))


def test_an_entry_of_an_unknown_kind_is_read_for_its_kind_and_time_alone() -> None:
    value = {"format": FORMAT, "kind": "hearsay", "logged_at": "2026-11-21T19:00:01Z", "x": [1]}
    entry = parse_entry(canonical.encode(value))
    assert (entry.kind, entry.logged_at, entry.value) == ("hearsay", LOGGED, value)
    assert (entry.signed, entry.decision, entry.disclosed, entry.genesis) == (None,) * 4
    assert entry.manifest is None
    for field, wrong in (("format", "apsci-ledger/2"), ("kind", "A"), ("logged_at", "today")):
        with pytest.raises(ValueRefused) as refusal:
            parse_entry(canonical.encode(value | {field: wrong}))
        assert refusal.value.field == field


# --- refusals -----------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]
WRONG: list[tuple[Callable[[], bytes], Change, str]] = [
    (admitted, lambda v: v.pop("format"), "format"),
    (admitted, lambda v: v.update(format="apsci-ledger/2"), "format"),
    (admitted, lambda v: v.pop("kind"), "kind"),
    (admitted, lambda v: v.update(kind=["admitted"]), "kind"),
    (admitted, lambda v: v.pop("logged_at"), "logged_at"),
    (admitted, lambda v: v.update(logged_at="2026-02-30T00:00:00Z"), "logged_at"),
    (admitted, lambda v: v.update(logged_at=LOGGED), "logged_at"),
    (admitted, lambda v: v.update(extra=1), "extra"),
    (admitted, lambda v: v.update(refers_to=-1), "refers_to"),
    (admitted, lambda v: v.update(refers_to="5"), "refers_to"),
    (admitted, lambda v: v.update(job_id="x"), "job_id"),
    (admitted, lambda v: v.update(kind="rejected"), "findings"),
    (admitted, lambda v: v.update(publish_by="2027-02-19T19:00:01Z"), "publish_by"),
    (rejected, lambda v: v.update(kind="admitted"), "findings"),
    (rejected, lambda v: v["findings"][1].update(rule=5), "findings[1].rule"),
    (rejected, lambda v: v["findings"][1].update(code="Q_other"), "findings[1].code"),
    (rejected, lambda v: v["findings"][0].pop("finding"), "findings[0].finding"),
    (genesis, lambda v: v["authors"][0].update(role="king"), "authors[0].role"),
    (genesis, lambda v: v["authors"][1].update(name="deepseek"), "authors"),
    (genesis, lambda v: v["charter"].update(embargo_days=91), "charter.embargo_days"),
    (genesis, lambda v: v.pop("vkey"), "vkey"),
    (genesis, lambda v: v.update(signature={}), "signature"),
    (opened, lambda v: v.pop("seed"), "seed"),
    (opened, lambda v: v.update(seed="A" * 42 + "B="), "seed"),
    (opened, lambda v: v.update(withheld_by=7), "salts"),
    (opened, lambda v: v.update(salts={}), "salts"),
    (opened, lambda v: v.update(closed={}), "closed"),
    (opened, lambda v: v.update(opened_by=6), "opened_by"),
    (opened, lambda v: v.update(reason="early"), "opened_by"),
    (opened, lambda v: v.update(reason="whim"), "reason"),
    (opened, lambda v: v.update(fields=[]), "fields"),
    (partly_opened, lambda v: v.update(seed="A" * 43 + "="), "seed"),
    (partly_opened, lambda v: v.pop("withheld_by"), "salts"),
    (partly_opened, lambda v: v.pop("closed"), "closed"),
    (partly_opened, lambda v: v.update(closed={}), "closed"),
    (partly_opened, lambda v: v["closed"].update(title="00" * 32), "closed"),
    (partly_opened, lambda v: v["closed"].update(protocol="00"), "closed[...]"),
    (partly_opened, lambda v: v["salts"].pop("title"), "salts"),
    (partly_opened, lambda v: v["salts"].update(title="A" * 21 + "B=="), "salts"),
    (partly_opened, lambda v: v["salts"].update(title="A" * 24), "salts[...]"),
    (lambda: logged("job-egress/1"), lambda v: v.update(kind="open"), "kind"),
    (
        lambda: logged("job-egress/1"),
        lambda v: v.update(publish_by="2027-02-19T19:00:01Z"),
        "publish_by",
    ),
    (lambda: logged("job-submitted/1"), lambda v: v.pop("publish_by"), "publish_by"),
    (
        lambda: logged("job-submitted/1"),
        lambda v: v.update(publish_by="2027-02-29T00:00:00Z"),
        "publish_by",
    ),
    (lambda: logged("job-submitted/1"), lambda v: v.pop("signature"), "signature"),
    (lambda: logged("job-submitted/1"), lambda v: v.update(opening={}), "opening"),
    (
        lambda: logged("job-submitted/1"),
        lambda v: v["statement"]["public"].update(gpu_count=0),
        "statement.public.gpu_count",
    ),
    (
        lambda: logged("job-submitted/1"),
        lambda v: v["signature"].update(value="A" * 85 + "B=="),
        "signature.value",
    ),
]


@pytest.mark.parametrize(("make", "change", "field"), WRONG, ids=range(len(WRONG)))
def test_a_leaf_with_something_wrong_is_refused_by_the_fields_name(
    make: Callable[[], bytes], change: Change, field: str
) -> None:
    value = json.loads(make())
    change(value)
    with pytest.raises(ValueRefused) as refusal:
        parse_entry(canonical.encode(value))
    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{field}: ")


MAKERS: Mapping[str, Callable[[], bytes]] = {
    "genesis": genesis,
    "admitted": admitted,
    "rejected": rejected,
    "opened": opened,
    "partly opened": partly_opened,
    "submitted": lambda: logged("job-submitted/1"),
    "egress": lambda: logged("job-egress/1"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_leaf_with_any_bit_flipped_is_refused_or_says_something_else(kind: str) -> None:
    data = MAKERS[kind]()
    whole = parse_entry(data)
    for at in range(len(data)):
        spoiled = bytearray(data)
        spoiled[at] ^= 1 << at % 8
        try:
            other = parse_entry(bytes(spoiled))
        except FormatError:
            continue
        assert other.value != whole.value
        assert canonical.encode(other.value) == spoiled


@pytest.mark.parametrize("kind", MAKERS)
def test_a_leaf_without_any_one_of_its_members_is_refused(kind: str) -> None:
    value = json.loads(MAKERS[kind]())
    for name in value:
        rest = {key: each for key, each in value.items() if key != name}
        with pytest.raises(ValueRefused):
            parse_entry(canonical.encode(rest))


@pytest.mark.parametrize("value", [[], "genesis", 1, None, {}])
def test_what_is_no_entry_is_refused(value: object) -> None:
    with pytest.raises(ValueRefused):
        parse_entry(canonical.encode(value))


# --- sizes --------------------------------------------------------------------------------------


def test_a_leaf_above_60000_bytes_is_neither_built_nor_parsed() -> None:
    fields = {"a": "x" * 60_000}
    with pytest.raises(TooLarge, match=f"at most {MAX_ENTRY}") as refusal:
        disclosed_entry(
            discloses=5,
            job_id=JOB,
            reason=Reason.DEADLINE,
            logged_at=LOGGED,
            fields=fields,
            seed=SEED,
        )
    assert refusal.value.limit == MAX_ENTRY
    assert refusal.value.size > MAX_ENTRY
    with pytest.raises(TooLarge):
        parse_entry(canonical.encode("x" * MAX_ENTRY))


def _largest(value: object) -> dict[str, Any]:
    return {"a": value, "b.c": [1, {"d": None}], "e": "é"}


def _is_disclosable(fields: dict[str, Any]) -> bool:
    try:
        check_disclosable(fields)
    except TooLarge:
        return False
    return True


def _disclosures(fields: dict[str, Any]) -> list[bytes]:
    """Return every disclosure that there can be, with the longest indices."""
    far = 2**53 - 1
    built = [
        disclosed_entry(
            discloses=far,
            job_id=JOB,
            reason=Reason.EARLY,
            logged_at=LOGGED,
            fields=fields,
            seed=SEED,
            opened_by=far,
        )
    ]
    for chosen in range(1, 2 ** len(fields)):
        closed = [path for n, path in enumerate(fields) if chosen >> n & 1]
        for reason, by in ((Reason.EARLY, far), (Reason.DEADLINE, None)):
            built.append(
                disclosed_entry(
                    discloses=far,
                    job_id=JOB,
                    reason=reason,
                    logged_at=LOGGED,
                    partial=partial_opening(SEED, fields, closed),
                    opened_by=by,
                    withheld_by=far,
                )
            )
    return built


def test_fields_that_pass_at_intake_can_be_disclosed_however_many_stay_closed() -> None:
    low, high = 0, MAX_ENTRY
    while low + 1 < high:  # the longest text that passes
        middle = (low + high) // 2
        if _is_disclosable(_largest("x" * middle)):
            low = middle
        else:
            high = middle
    largest = max(map(len, _disclosures(_largest("x" * low))))
    assert MAX_ENTRY - 400 < largest <= MAX_ENTRY


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.text('é\x00"x', max_size=9), min_size=1))
def test_the_size_foreseen_is_never_below_that_of_any_disclosure(fields: dict[str, str]) -> None:
    padding = MAX_ENTRY  # makes the check say what it foresees
    with pytest.raises(TooLarge) as refusal:
        check_disclosable({**fields, "pad": "x" * padding})
    built = max(map(len, _disclosures(dict(fields))))
    named = len('"pad":,"pad":"",') + 24 + len('""')
    assert refusal.value.size - padding - named >= built


@settings(max_examples=50, deadline=None)
@given(field_maps)
def test_ordinary_fields_are_disclosable(fields: dict[str, Any]) -> None:
    check_disclosable(fields)
    assert max(map(len, _disclosures(dict(list(fields.items())[:4])))) <= MAX_ENTRY


def test_no_statement_can_make_an_entry_too_large() -> None:
    # The longest public fields are those of withheld and corrected; \x01 takes six bytes.
    long = "\x01" * 200
    withheld = PUBLIC["job-withheld/1"] | {"paths": [long] * 32}
    corrected = {"corrects": 1, "field": long, "value": long, "reason": "\x01" * 500}
    ended = PUBLIC["job-ended/1"] | {"h200e_basis": long}
    assert 38_400 < len(logged("job-withheld/1", public=withheld)) < MAX_ENTRY
    assert len(logged("job-corrected/1", public=corrected)) < MAX_ENTRY
    assert len(logged("job-ended/1", public=ended)) < MAX_ENTRY


def test_building_leaves_what_it_was_made_from_alone() -> None:
    before = copy(SUBMISSION_FIELDS)
    opened()
    partly_opened()
    assert before == SUBMISSION_FIELDS
    assert msgspec.to_builtins(AUTHORS[0])["name"] == "deepseek"

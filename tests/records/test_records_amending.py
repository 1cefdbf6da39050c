"""Rules that change one by one, and statements that several of a council sign."""

import pytest

from ledger.errors import Conflict, ValueRefused
from ledger.records.amending import NAMES, Change, amended, changes, endorsed, rules_of
from ledger.records.authoring import author_statement
from ledger.records.charter import Charter, default_charter, parse_charter
from ledger.records.charters_shown import (
    Enacted,
    charters_shown,
    coming,
    counts,
    in_force,
)
from ledger.records.statement import decode_signed, verify_statement
from ledger.tlog.note import Signer, generate_key

ORIGIN = "ledger.example/apsci"
DAY = 1_795_305_600  # 2026-11-22T00:00:00Z


def _first() -> Charter:
    rules = default_charter().to_dict()
    names = ("embargo_days", "egress_ceiling_bytes", "gpu_total")
    lists = ("allowed_workloads", "forbidden_workloads")
    first = {name: rules[name] for name in (*names, *lists)}
    return parse_charter({"version": "charter/1", **first})


def _signer(name: str, number: int) -> Signer:
    return generate_key(f"{ORIGIN}/{name}", bytes([number]) * 32)[0]


def _body(signer: Signer) -> bytes:
    public = {
        "charter": default_charter().to_dict(),
        "in_force_from": "2027-01-01T00:00:00Z",
        "replaces": 0,
    }
    return author_statement(
        signer=signer,
        kind="charter",
        schema="charter-version/1",
        public=public,
        made_at="2026-11-22T00:00:00Z",
    )


def test_every_rule_of_the_shape_has_a_name_and_none_stands_twice() -> None:
    written = default_charter().to_dict()
    parts = {
        f"{name}.{part}" if isinstance(value, dict) else name
        for name, value in written.items()
        for part in (value if isinstance(value, dict) else [""])
    }
    assert parts - {"version"} == set(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    assert list(rules_of(default_charter())) == list(NAMES)


def test_only_what_is_written_changes_and_a_group_may_be_written_in_part() -> None:
    base = default_charter()
    after = amended(
        base,
        {"embargo_days": 60, "quotas": {"member_gpus": 4000}, "quotas.job_wall_seconds": 7},
        council=1,
    )
    assert changes(base, after) == (
        Change("embargo_days", 90, 60),
        Change("quotas.job_wall_seconds", None, 7),
        Change("quotas.member_gpus", None, 4000),
    )
    assert changes(after, after) == ()
    assert changes(base, amended(base, {}, council=1)) == ()


def test_a_list_says_what_comes_and_goes_whatever_its_order() -> None:
    base = default_charter()
    allowed = [str(each) for each in reversed(base.allowed_workloads) if each != "reproduction"]
    (change,) = changes(base, amended(base, {"allowed_workloads": allowed}, council=1))
    assert (change.rule, change.added, change.removed) == (
        "allowed_workloads",
        (),
        ("reproduction",),
    )


def test_the_first_shape_becomes_the_second_with_its_majority_spelt_out() -> None:
    after = amended(_first(), {}, council=4)
    assert after.version == "charter/2"
    assert after.council_threshold == 3
    assert [each.rule for each in changes(_first(), after)] == ["council_threshold"]


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ({"embargo_days": 91}, "embargo_days"),
        ({"embargo_hours": 1}, "embargo_hours"),
        ({"quotas": {"members": 1}}, "quotas.members"),
        ({"quotas": 7}, "quotas"),
        ({"version": "charter/1"}, "version"),
        ({"artifact_ceilings.tensor": -1}, "tensor"),
        ({"council_threshold": 0}, "council_threshold"),
    ],
)
def test_what_no_charter_has_is_refused_by_its_name(written: dict[str, object], field: str) -> None:
    with pytest.raises(ValueRefused, match=field):
        amended(default_charter(), written, council=1)


def test_each_endorsement_verifies_over_the_same_bytes_and_stands_in_its_order() -> None:
    signers = [_signer(name, n) for n, name in enumerate(("mid", "zeta", "alpha"), start=1)]
    body = _body(signers[0])
    both = endorsed(endorsed(body, signers[1]), signers[2])
    assert both == endorsed(endorsed(body, signers[2]), signers[1])
    parsed = decode_signed(both)
    assert parsed.digest == decode_signed(body).digest
    assert [each.author for each in parsed.endorsements] == ["alpha", "zeta"]
    for each, signer in zip(parsed.endorsements, (signers[2], signers[1]), strict=True):
        verify_statement(
            parsed.body, public_key=signer.verifier.public_key, signature=each.signature
        )
    for again in signers:
        with pytest.raises(Conflict, match="signed this already"):
            endorsed(both, again)


def _enacted(index: int, begins: int) -> Enacted:
    return Enacted(index, DAY, DAY + begins, index or None, (), None, default_charter())


def test_a_version_counts_until_a_later_one_does_and_one_that_is_overtaken_never() -> None:
    shown = charters_shown([_enacted(0, 0), _enacted(1, 500), _enacted(2, 100), _enacted(3, 900)])
    assert [counts(each) for each in shown] == [True, False, True, True]
    for at, index in ((0, 0), (99, 0), (100, 2), (500, 2), (899, 2), (900, 3)):
        assert in_force(shown, at=DAY + at).index == index
    for at, index in ((0, 2), (99, 2), (100, 3), (899, 3)):
        ahead = coming(shown, at=DAY + at)
        assert ahead is not None
        assert ahead.index == index
    assert coming(shown, at=DAY + 900) is None
    assert [each.in_force_until for each in shown] == [
        "2026-11-22T00:01:40Z",
        "2026-11-22T00:01:40Z",
        "2026-11-22T00:15:00Z",
        None,
    ]

"""How a charter is changed by its council: rule by rule, and signed by several.

Pure arithmetic on rules and signatures. Whether a key is the council's, whether enough of them have
signed and whether the time fits are questions to the log, and asked elsewhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ledger.errors import Conflict, ValueRefused
from ledger.records import canonical
from ledger.records.charter import Charter, parse_charter
from ledger.records.statement import MAX_STATEMENT, decode_signed, pae
from ledger.tlog.note import Signer
from schemas.council import RulesShown

VERSION: Final = "charter/2"
"""The shape that every new version has."""
GROUPS: Final = ("artifact_ceilings", "quotas")
"""Rules that are objects: their parts are rules of their own, ``quotas.member_gpus``."""
NAMES: Final = (
    "embargo_days",
    "gpu_total",
    "egress_ceiling_bytes",
    "artifact_ceilings.document",
    "artifact_ceilings.table",
    "artifact_ceilings.image",
    "artifact_ceilings.opaque",
    "artifact_ceilings.tensor",
    "quotas.job_wall_seconds",
    "quotas.member_gpus",
    "quotas.member_egress_bytes",
    "quotas.member_model_egress_bytes",
    "admission_hours",
    "council_threshold",
    "allowed_workloads",
    "forbidden_workloads",
)
"""Every rule, in the order in which people read them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One rule that two versions have with different values.

    ``added`` and ``removed`` are filled for lists, whose order says nothing.
    """

    rule: str
    before: Any
    after: Any
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def rules_of(charter: Charter | RulesShown) -> dict[str, Any]:
    """Every rule of a version by its name in ``NAMES``, lists as tuples.

    ``council_threshold`` is None in a ``charter/1``: a majority.
    """
    return {name: _value(charter, name) for name in NAMES}


def changes(before: Charter | RulesShown, after: Charter | RulesShown) -> tuple[Change, ...]:
    """The rules that differ, in the order of ``NAMES``; none: both say the same."""
    return tuple(_changes(rules_of(before), rules_of(after)))


def amended(base: Charter, written: Mapping[str, Any], *, council: int) -> Charter:
    """``base`` with what is ``written`` put in, as a ``charter/2``.

    ``written`` has rules by name, parts of a group as ``quotas.member_gpus`` or as an object.
    ``council`` is the number of council authors: what ``base`` leaves to a majority of them is
    spelt out.

    Raises ValueRefused naming the rule.
    """
    whole: dict[str, Any] = {
        name: msgspec.to_builtins(getattr(base, name))
        for name in dict.fromkeys(each.partition(".")[0] for each in NAMES)
    }
    whole["version"] = VERSION
    whole["council_threshold"] = base.signers_needed(council)
    for name, value in _flat(written):
        group, _, part = name.partition(".")
        if part:
            whole[group] = {**whole[group], part: value}
        else:
            whole[group] = value
    return parse_charter(whole)


def endorsed(body: bytes, signer: Signer) -> bytes:
    """The posted ``body`` with one more signature, by ``signer``.

    Raises Conflict where that author has signed already, and what ``decode_signed`` raises.
    """
    parsed = decode_signed(body)
    author = signer.name.rsplit("/", 1)[-1]
    if author == parsed.statement.author or any(e.author == author for e in parsed.endorsements):
        raise Conflict(f"{author} has signed this already")
    value = canonical.decode(body, limit=MAX_STATEMENT)
    own = {
        "author": author,
        "signature": {
            "key_id": f"{signer.key_id:08x}",
            "value": canonical.encode_base64(signer.sign(pae(parsed.body))),
        },
    }
    both = [*value.get("endorsements", ()), own]
    value["endorsements"] = sorted(both, key=lambda each: each["author"])
    whole = canonical.encode(value)
    decode_signed(whole)
    return whole


def _value(charter: Charter | RulesShown, name: str) -> Any:  # noqa: ANN401 - rules are numbers, nulls and lists
    group, _, part = name.partition(".")
    value = getattr(charter, group)
    if part:
        return getattr(value, part)
    return tuple(map(str, value)) if isinstance(value, tuple) else value


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in NAMES:
        old, new = before[name], after[name]
        if isinstance(old, tuple):
            added = tuple(sorted(set(new) - set(old)))
            removed = tuple(sorted(set(old) - set(new)))
            if added or removed:
                yield Change(name, old, new, added, removed)
        elif old != new:
            yield Change(name, old, new)


def _flat(written: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in written.items():
        if name in GROUPS and isinstance(value, Mapping):
            for part, each in value.items():
                yield _known(f"{name}.{part}"), each
        elif name == "version":
            if value != VERSION:
                raise ValueRefused(
                    f"version: {value!a:.40}, where a new charter is {VERSION}", field="version"
                )
        else:
            yield _known(name), value


def _known(name: str) -> str:
    if name not in NAMES:
        raise ValueRefused(
            f"{name[:60]}: the charter has no such rule; it has {', '.join(NAMES)}",
            field=name[:60],
        )
    return name

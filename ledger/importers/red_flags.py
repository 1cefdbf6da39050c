"""What in a job's record speaks of training: named in the report, and seen by the charter.

Keys and texts are searched everywhere in a record, also where nothing is taken from. A finding has
the place down to the first two steps and the flag's own name: what stands there is never repeated.
"""

import re
from collections.abc import Iterator
from typing import Final

from ledger.importers.facts import Facts
from schemas.charter import FORBIDDEN_WORKLOADS, Workload
from schemas.statements import GradientScope, OptimizerTarget

# name in findings -> (pattern of a key, or of an option or a variable in a text, finding)
_FLAGS: Final = (
    ("lora_*", r"lora[_-](?:alpha|r|rank|dropout|target[_-]modules)", "lora_settings"),
    ("peft", r"peft(?:[_-](?:sha|config|path|type|model))?", "peft_loaded"),
    ("delta", r"delta(?:[_-](?:sha|weights|path))?", "delta_loaded"),
    ("opt_*", r"opt_[a-z0-9_]{1,60}|optimizer(?:[_-][a-z0-9_-]{1,60})?|learning[_-]rate",
     "optimizer_settings"),
)  # fmt: skip
_KEYS: Final = tuple(
    (name, re.compile(key, re.ASCII | re.IGNORECASE), code) for name, key, code in _FLAGS
)
# In a text a flag stands as an option or an assignment: --lora_alpha 16, peft=…, "opt_name": …
# A word alone before a colon may be prose; one with an underscore in it is not.
_TEXTS: Final = tuple(
    (
        name,
        re.compile(
            rf"(?:^|[\s,;\"'{{(])(?:--?(?:{key})(?=[\s=:]|$)|(?:{key})(?:[\"']?\s*=|[\"']\s*:)"
            rf"|(?=[a-z]+[_-])(?:{key})\s*:)",
            re.ASCII | re.IGNORECASE | re.MULTILINE,
        ),
        code,
    )
    for name, key, code in _FLAGS
)
MAX_TEXT: Final = 1 << 20
_WORKLOADS: Final = {
    "peft_loaded": Workload.ADAPTER_TRAINING,
    "delta_loaded": Workload.WEIGHT_EDIT,
    "lora_settings": Workload.LORA,
}
_AUXILIARY: Final = frozenset(OptimizerTarget) - {OptimizerTarget.UPLOADED_MODEL}
SHOWN: Final = frozenset(
    {"peft_sha", "delta_sha", "lora_alpha", "peft", "delta", "optimizer", "opt_name"}
)
"""Flags that a place spells out; the others appear as their family."""
STEPS: Final = frozenset(
    {
        "config",
        "eval",
        "plan",
        "metadata",
        "spec",
        "status",
        "submit_line",
        "script",
        "comment",
        "name",
        "extra",
        "wckey",
        "steps",
    }
)
"""Members of records that a place names; a key that a tool does not know may be a secret."""
NAMED: Final = "name"
"""The key whose text is itself a variable's name, in a pod's environment."""


def look_for_flags(facts: Facts, value: object, place: str) -> None:
    """Search a record, and set the facts so that the charter's rules see what is there."""
    for code, where in _flags(value, place, 0):
        if code == "optimizer_settings" and _only_auxiliary(facts):
            continue
        facts.found(code, where)
    codes = {finding.code for finding in facts.findings}
    for code, workload in _WORKLOADS.items():
        if code in codes and facts.workload not in FORBIDDEN_WORKLOADS:
            facts.workload = workload
    if "optimizer_settings" in codes:
        _name_the_model(facts)
    if any(finding.meaning.red for finding in facts.findings):
        facts.weights_in_doubt = True
    if facts.workload in FORBIDDEN_WORKLOADS and codes.isdisjoint(
        {*_WORKLOADS, "gradients_of_weights"}
    ):
        facts.found("forbidden_workload", place)


def take_flags(earlier: Facts, later: Facts) -> None:
    """What a later record of the same job showed, into the earlier; the findings themselves too."""
    if later.workload in FORBIDDEN_WORKLOADS and earlier.workload not in FORBIDDEN_WORKLOADS:
        earlier.workload = later.workload
    if OptimizerTarget.UPLOADED_MODEL in (later.optimizer_targets or ()):
        _name_the_model(earlier)
    earlier.weights_in_doubt |= later.weights_in_doubt


def take_workload(facts: Facts, text: str | None, place: str) -> None:
    """The class of work that a job declares."""
    if text is None:
        return
    try:
        facts.workload = Workload(text)
    except ValueError:
        facts.found("left_out", place, "public.workload_type")


def take_gradients(facts: Facts, text: str | None, place: str) -> None:
    """The gradient scope that a job declares; one that is unknown is taken as of the weights."""
    if text is None:
        return
    try:
        facts.gradient_scope = GradientScope(text)
    except ValueError:
        facts.found("gradients_of_weights", place)
        if facts.workload not in FORBIDDEN_WORKLOADS:
            facts.workload = Workload.OTHER_OPTIMIZER_STEP


def take_targets(facts: Facts, text: str | None, place: str) -> None:
    """What the optimizers update by the job's word, separated by commas; ``none``: nothing."""
    if text is None:
        return
    names = [name.strip() for name in text.split(",") if name.strip() not in ("", "none")]
    targets = set()
    for name in names:
        if name in _AUXILIARY:
            targets.add(OptimizerTarget(name))
        else:
            targets.add(OptimizerTarget.UPLOADED_MODEL)
            facts.found("optimizer_on_model", place)
    facts.optimizer_targets = tuple(sorted(targets))


def _only_auxiliary(facts: Facts) -> bool:
    return bool(facts.optimizer_targets) and set(facts.optimizer_targets or ()) <= _AUXILIARY


def _name_the_model(facts: Facts) -> None:
    targets = set(facts.optimizer_targets or ()) | {OptimizerTarget.UPLOADED_MODEL}
    facts.optimizer_targets = tuple(sorted(targets))


def _flags(value: object, place: str, steps: int) -> Iterator[tuple[str, str]]:
    """(finding, place) of every flag in a value; its depth is bounded by who read it."""
    if isinstance(value, dict):
        for key, below in value.items():
            if not below:
                continue
            yield from _flags_in_name(key, place)
            if key == NAMED and isinstance(below, str):
                yield from _flags_in_name(below, place)
            known = steps < 1 and key in STEPS
            where = f"{place}.{key}".removeprefix(".") if known else place
            yield from _flags(below, where, steps + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _flags(each, place, steps + 1)
    elif isinstance(value, str):
        for name, pattern, code in _TEXTS:
            if pattern.search(value, 0, MAX_TEXT):
                yield code, f"{place}: {name}"


def _flags_in_name(key: str, place: str) -> Iterator[tuple[str, str]]:
    for name, pattern, code in _KEYS:
        if pattern.fullmatch(key):
            shown = key if key in SHOWN else name
            yield code, f"{place}.{shown}".removeprefix(".")

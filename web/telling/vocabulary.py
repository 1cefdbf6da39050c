"""The codes of the records, by the field that has them, with their words in every language.

Made from the enumerations of ``schemas`` and ``ledger.records``: a code that is added there is here
and in the dictionary at once, and a test refuses one that has no words.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from ledger.records.charter import Code
from ledger.records.entry import (
    DECISION_KINDS,
    FINDING_KIND,
    LOG_KEY_KIND,
    MANIFEST_KIND,
    STATEMENT_KINDS,
    Reason,
)
from ledger.records.lifecycle import State
from schemas import charter, statements, values
from schemas.reference import Vocabulary, Word
from web.i18n import LANGUAGES, gettext, speaking
from web.telling import meanings
from web.telling.field_words import words_of
from web.telling.labels import kind_label, label

_ENUMS: Final[Mapping[str, type[StrEnum]]] = {
    "workload_type": charter.Workload,
    "state": State,
    "rejection_code": Code,
    "gradient_scope": statements.GradientScope,
    "optimizer_targets": statements.OptimizerTarget,
    "exit_status": statements.ExitStatus,
    "weights_check": statements.WeightsCheck,
    "role": statements.Role,
    "basis": statements.WithholdBasis,
    "action": statements.RegistryAction,
    "reason": Reason,
    "content_access": values.ContentAccess,
    "output_type": values.OutputType,
    "artifact_class": values.ArtifactClass,
}
KINDS: Final = (
    "genesis",
    *sorted(STATEMENT_KINDS),
    *DECISION_KINDS,
    FINDING_KIND,
    "disclosed",
    MANIFEST_KIND,
    LOG_KEY_KIND,
)
"""Every kind of entry that the log can hold."""
NAMES: Final = (*_ENUMS, "kind")
_OF: Final[Mapping[type[StrEnum], str]] = {codes: name for name, codes in _ENUMS.items()}
_MEANINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "workload_type": meanings.WORKLOADS,
    "state": meanings.STATES,
    "rejection_code": meanings.FINDINGS,
    "weights_check": meanings.CHECKS,
    "role": meanings.ROLES,
}
_RECORDS: Final[Mapping[str, str]] = {"role": "registry/1", "reason": "disclosed"}
"""Which record's words a field has, where several records have a field of its name."""


def codes_of(name: str) -> tuple[str, ...]:
    """The codes of a vocabulary, in the order of their definition. Raises KeyError."""
    return KINDS if name == "kind" else tuple(str(code) for code in _ENUMS[name])


def name_of(codes: type[StrEnum]) -> str:
    """The vocabulary of an enumeration. Raises KeyError for one that no field has."""
    return _OF[codes]


def code_label(name: str, code: str) -> str:
    """The words for a code of a vocabulary, in the language in use."""
    return kind_label(code) if name == "kind" else label(code)


def code_meaning(name: str, code: str) -> str:
    """What a code means, in the language in use; empty where its words say it all."""
    text = _MEANINGS.get(name, {}).get(code)
    return gettext(text) if text else ""


def title_of(name: str) -> str:
    """What the field is called that has these codes, in the language in use."""
    return words_of(_RECORDS.get(name, ""), name)[0] or label(name)


def vocabulary(name: str) -> Vocabulary:
    """The codes of a field, with their words in every language. Raises KeyError."""
    return Vocabulary(
        name=name,
        title=in_all(lambda: title_of(name)),
        codes=tuple(
            Word(
                code=code,
                label=in_all(lambda code=code: code_label(name, code)),  # type: ignore[misc] # bound now
                meaning=in_all(lambda code=code: code_meaning(name, code)),  # type: ignore[misc] # the same
            )
            for code in codes_of(name)
        ),
    )


def in_all(words: Callable[[], str]) -> dict[str, str]:
    """What ``words`` returns in every language, by its tag; without those that have nothing."""
    found = {}
    for tag in LANGUAGES:
        with speaking(tag):
            found[tag] = words()
    return {tag: text for tag, text in found.items() if text}

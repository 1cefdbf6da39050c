"""The dictionary: every field of every record, read off the schemas, with its words.

Types, limits and codes come from the types themselves (``msgspec.inspect``), so the dictionary says
what the ledger accepts. Made once a process and language; it depends on no entry of the log.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final, get_args

from msgspec import inspect

from schemas import statements, values
from schemas.answers import JobShown
from schemas.reference import FieldShown
from schemas.statements import SCHEMAS
from web.i18n import gettext, noted
from web.telling import vocabulary
from web.telling.field_words import words_of
from web.telling.vocabulary import in_all

AT_ONCE: Final = "at_once"
SEALED: Final = "sealed"
DERIVED: Final = "derived"

WHOLE_NUMBER: Final = noted("whole number")
ENTRY_NUMBER: Final = noted("number of an entry")
LIST: Final = noted("list")
BY_PATH: Final = noted("by path")
TEXT: Final = noted("text")
OBJECT: Final = noted("object")
CODE: Final = noted("code")
TRUTH: Final = noted("true or false")
TIME: Final = noted("time (RFC 3339, UTC)")
SHA256: Final = noted("SHA-256 in hex")
DIGEST: Final = noted("object with sha256 in hex")
JOB_ID: Final = noted("job number (ULID)")
VKEY: Final = noted("key of a signed note")
_PATTERNS: Final = {
    get_args(values.Time)[1].pattern: TIME,
    get_args(values.Ulid)[1].pattern: JOB_ID,
    get_args(values.Sha256Hex)[1].pattern: SHA256,
    get_args(values.Slug)[1].pattern: noted("short name"),
    get_args(values.AuthorName)[1].pattern: noted("short name"),
    get_args(values.KeyId)[1].pattern: noted("8 hexadecimal digits"),
    get_args(values.Base64Signature)[1].pattern: noted("64 bytes in base64"),
    get_args(values.Base64Seed)[1].pattern: noted("32 bytes in base64"),
    get_args(values.Decimal)[1].pattern: noted("decimal number as text"),
}
_UNITS: Final = {
    "gpu_seconds": noted("GPU-seconds"),
    "h200e_seconds": noted("H200-seconds"),
    "gpu_count": noted("GPUs"),
    "tokens.input": noted("tokens"),
    "charter.gpu_total": noted("GPUs"),
    "charter.quotas.member_gpus": noted("GPUs"),
    "charter.embargo_days": noted("days"),
    "charter.admission_hours": noted("hours"),
    "tokens.output": noted("tokens"),
    "samples.completed": noted("samples"),
    "samples.total": noted("samples"),
}
_ENDINGS: Final = {
    "seconds": noted("seconds"),
    "bytes": noted("bytes"),
    "joules": noted("joules"),
}
_ENTRY_NUMBERS: Final = ("discloses", "withholds", "corrects", "replaces")

RECORDS: Final = {
    "entry": noted("Every entry"),
    "statement": noted("What an author signs"),
    "sealed": noted("The commitment in a statement"),
    "signature": noted("The signature of a statement"),
    "job-submitted/1": noted("Submission of a job"),
    "admitted": noted("Decision: admitted or rejected"),
    "job-started/1": noted("A run begins"),
    "job-interrupted/1": noted("A run is interrupted"),
    "job-egress/1": noted("Something leaves the cluster"),
    "job-ended/1": noted("A run ends"),
    "job-ended/2": noted("A run ends, with evidence"),
    "artifact-write/1": noted("An artifact goes out"),
    "artifact-read/1": noted("A member reads an artifact of its own"),
    "finding": noted("Something was found about a run"),
    "start-refused/1": noted("Something was not started"),
    "job-open/1": noted("An author opens early"),
    "disclosed": noted("A sealed part is opened"),
    "job-withheld/1": noted("The committee keeps fields closed"),
    "job-corrected/1": noted("A correction"),
    "registry/1": noted("A key is added or retired"),
    "charter-version/1": noted("A version of the charter"),
    "manifest": noted("A list of bulk files"),
    "genesis": noted("The beginning of the log"),
    "job": noted("A job in lists, in the API and in CSV"),
}
"""Every kind of record in the order of the page, and what it is called."""


COLUMNS: Final = (
    "record",
    "field",
    "when",
    "type",
    "unit",
    "optional",
    "codes",
    "label",
    "meaning",
)
"""The columns of the dictionary as CSV."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field as its type says; ``type`` are words to translate, the outermost first."""

    record: str
    name: str
    when: str
    type: tuple[str, ...]
    optional: bool
    vocabulary: str | None = None


@cache
def fields() -> tuple[Field, ...]:
    """Every field of every record, in the order of ``RECORDS``."""
    return tuple(field for record in RECORDS for field in _fields_of(record))


def shown(field: Field) -> FieldShown:
    """A field with its words in every language."""
    name, codes = _codes(field)
    unit = unit_of(field)
    return FieldShown(
        record=field.record,
        field=field.name,
        when=field.when,
        type=in_all(lambda: type_of(field)),
        unit=in_all(lambda: gettext(unit)) if unit else None,
        optional=field.optional,
        vocabulary=name,
        codes=codes,
        label=in_all(lambda: words_of(field.record, field.name)[0]),
        meaning=in_all(lambda: words_of(field.record, field.name)[1].replace("`", "")),
    )


@cache
def all_shown() -> tuple[FieldShown, ...]:
    """The whole dictionary."""
    return tuple(map(shown, fields()))


def rows(tag: str) -> Iterator[tuple[str | bool, ...]]:
    """The whole dictionary in one language, as rows under ``COLUMNS``."""
    for each in all_shown():
        yield (
            each.record,
            each.field,
            each.when,
            each.type[tag],
            each.unit[tag] if each.unit else "",
            each.optional,
            " ".join(each.codes),
            each.label.get(tag, ""),
            each.meaning.get(tag, ""),
        )


def type_of(field: Field) -> str:
    """The type in words, in the language in use."""
    *around, inner = map(gettext, field.type)
    for each in reversed(around):
        inner = gettext("%(outer)s: %(inner)s") % {"outer": each, "inner": inner}
    return inner


def unit_of(field: Field) -> str | None:
    """The unit of an amount, to translate; None where it has none."""
    if field.type[-1] != WHOLE_NUMBER:
        return None
    if field.name in _UNITS:
        return _UNITS[field.name]
    return next((unit for end, unit in _ENDINGS.items() if field.name.endswith(end)), None)


def _codes(field: Field) -> tuple[str | None, tuple[str, ...]]:
    name = field.vocabulary
    return name, vocabulary.codes_of(name) if name else ()


def _fields_of(record: str) -> Iterator[Field]:
    if record in SCHEMAS:
        schema = SCHEMAS[record]
        yield from _of_type(record, schema.public, AT_ONCE)
        if schema.sealed:
            yield from _of_type(record, schema.sealed, SEALED)
    elif record in _SIGNED:
        yield from _of_type(record, _SIGNED[record], AT_ONCE)
    elif record == "job":
        yield from _of_type(record, JobShown, DERIVED)
    else:
        for name, type_words, optional in _WRITTEN[record]:
            yield Field(record, name, AT_ONCE, type_words, optional, _CODED.get(name))


_SIGNED: Final[Mapping[str, type[Any]]] = {
    "statement": statements.Statement,
    "sealed": statements.Sealed,
    "signature": statements.Signature,
}
_ALONE: Final = (*_SIGNED.values(), values.DigestSet)
"""What is not taken apart where it is part of something else."""
_JUDGED: Final = (
    ("refers_to", (ENTRY_NUMBER,), False),
    ("job_id", (JOB_ID,), False),
    ("charter", (ENTRY_NUMBER,), False),
    ("findings", (LIST, OBJECT), False),
    ("findings[].rule", (WHOLE_NUMBER,), False),
    ("findings[].code", (CODE,), False),
    ("findings[].finding", (TEXT,), False),
)
"""What the ledger says when it judges, of a submission or of a run."""
_WRITTEN: Final[Mapping[str, tuple[tuple[str, tuple[str, ...], bool], ...]]] = {
    "entry": (
        ("format", (TEXT,), False),
        ("kind", (CODE,), False),
        ("logged_at", (TIME,), False),
        ("publish_by", (TIME,), True),
        ("statement", (OBJECT,), True),
        ("signature", (OBJECT,), True),
        ("endorsements", (LIST, OBJECT), True),
    ),
    "finding": _JUDGED,
    "admitted": _JUDGED,
    "disclosed": (
        ("discloses", (ENTRY_NUMBER,), False),
        ("job_id", (JOB_ID,), False),
        ("reason", (CODE,), False),
        ("fields", (BY_PATH, TEXT), False),
        ("seed", (noted("32 bytes in base64"),), True),
        ("salts", (BY_PATH, noted("16 bytes in base64")), True),
        ("closed", (BY_PATH, SHA256), True),
        ("opened_by", (ENTRY_NUMBER,), True),
        ("withheld_by", (ENTRY_NUMBER,), True),
    ),
    "manifest": (
        ("name", (TEXT,), False),
        ("digest", (DIGEST,), False),
        ("tree_size", (WHOLE_NUMBER,), False),
    ),
    "genesis": (
        ("origin", (TEXT,), False),
        ("vkey", (VKEY,), False),
        ("authors", (LIST, OBJECT), False),
        ("charter", (OBJECT,), False),
    ),
}
"""What the ledger itself writes has no public type; a test holds this to the entries of a log."""
_CODED: Final = {
    "kind": "kind",
    "reason": "reason",
    "findings[].code": "rejection_code",
    "state": "state",
    "workload_type": "workload_type",
    "gradient_scope": "gradient_scope",
    "optimizer_targets": "optimizer_targets",
    "rejection_code": "rejection_code",
    "finding_code": "rejection_code",
    "exit_status": "exit_status",
    "weights_check": "weights_check",
}
"""Fields of codes whose type is plain text, in answers and in what the ledger writes."""


def _of_type(record: str, shape: type[Any], when: str, prefix: str = "") -> Iterator[Field]:
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)
    for each in info.fields:
        name = prefix + each.encode_name
        yield from _of_field(record, name, when, each.type, optional=not each.required)


def _of_field(
    record: str, name: str, when: str, info: inspect.Type, *, optional: bool
) -> Iterator[Field]:
    around: tuple[str, ...] = ()
    if isinstance(info, inspect.UnionType):
        rest = [each for each in info.types if not isinstance(each, _NOTHING)]
        optional = optional or len(rest) < len(info.types)
        [info] = rest
    path = name
    if isinstance(info, inspect.VarTupleType):
        around, info, path = (LIST,), info.item_type, f"{name}[]"
    words, codes = _type(name, info)
    if codes is None and record == "job" and name in _CODED:
        words, codes = CODE, _CODED[name]
    yield Field(record, name, when, (*around, words), optional, codes)
    if isinstance(info, inspect.StructType) and info.cls not in _ALONE:
        yield from _of_type(record, info.cls, when, f"{path}.")


_NOTHING: Final = (inspect.NoneType, inspect.CustomType)


def _type(name: str, info: inspect.Type) -> tuple[str, str | None]:
    if isinstance(info, inspect.EnumType):
        assert issubclass(info.cls, StrEnum)
        return CODE, vocabulary.name_of(info.cls)
    words = OBJECT
    if isinstance(info, inspect.IntType):
        is_index = name in _ENTRY_NUMBERS or name.endswith("_index")
        words = ENTRY_NUMBER if is_index else WHOLE_NUMBER
    elif isinstance(info, inspect.BoolType):
        words = TRUTH
    elif isinstance(info, inspect.StructType) and info.cls is values.DigestSet:
        words = DIGEST
    elif isinstance(info, inspect.StrType):
        words = _named(name) or _PATTERNS.get(info.pattern or "", TEXT)
    return words, None


def _named(name: str) -> str | None:
    """The type of a text that its name tells, where its type does not."""
    if name == "vkey":
        return VKEY
    return TIME if name.endswith("_at") or name == "publish_by" else None

"""Payloads, and statements of every schema with one of them in every text that an author chooses.

The statements are built from the schemas themselves: a field that is added tomorrow is tried
tomorrow, and one whose form nobody has taught this module fails the test.
"""

import hashlib
from typing import Any, Final

import msgspec
from ledger_world import ORIGIN, PLAN, World
from msgspec import inspect

from ledger.records.deadline import format_time
from ledger.tlog.note import generate_key
from schemas.statements import SCHEMAS

TRAP: Final = "document.body.dataset.trapped=1"
"""What a script does that runs."""
ELEMENT: Final = "hostile-element"
"""No page has such an element, unless a payload became one."""
PAYLOADS: Final[dict[str, str]] = {
    "script": f"<{ELEMENT}></{ELEMENT}><script>{TRAP}</script>",
    "attribute": f'"\' autofocus onfocus={TRAP} onmouseover={TRAP} hostile-attribute=1 x="',
    "image": f"<img src=x onerror={TRAP}><svg/onload={TRAP}>",
    "breakout": f"</title></script></style></textarea>--><{ELEMENT}>",
    "javascript": f"javascript:{TRAP}//%0a{TRAP}",
    "template": "{{ 7*191 }}${7*191}<%= 7*191 %>{% print(7*191) %}%(title)s%s{0}",
    "formula": '=HYPERLINK("https://evil.example","x");+1+1\t@SUM(1)\r-2',
    "quotes": "\",\"=1+1\",'=1+1'\n=cmd|' /C calc'!A0",
    "direction": "safe\u202eexe.\u2066\u200fgnp\u2069 \u202a\u061c",
    "unseen": "a\u200b\u200c\u200d\ufeff\u00ad\u2060b\u3164\u115f",
    "terminal": "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1A\x08\x7f",
    "lines": "one\r\nSet-Cookie: a=b\r\n\r\n\u2028two\u2029\x0bthree\x0c",
    "nul": "before\x00after\x00",
    "xml": f"]]><!ENTITY x SYSTEM 'file:///etc/passwd'>&x;<!--<{ELEMENT}/>&#x3c;",
    "long": "W" * 4_000,
    "marks": "Z" + "\u0301\u0489" * 900,
    "blank": "\u3000 \u2003\u00a0",
}
NO_CHOICE: Final[dict[str, str]] = {
    "job-withheld/1 public.paths": "a path of the schema, or the statement is refused",
    "registry/1 public.vkey": "a key in its one spelling, or the statement is refused",
}
"""Texts in which an author has no choice of words, and why."""
_FORMS: Final[dict[str, str]] = {
    "^[a-z][a-z0-9_]": "a_slug",
    "^[a-z][a-z0-9-]": "alpha",
    "^[0-7]": "01JD9ZZZZZZZZZZZZZZZZZZZZZ",
    "^20[0-9]": "2026-09-21T15:00:00Z",
    "^[0-9a-f]{64}": "ab" * 32,
    "^[0-9a-f]{16}": "00" * 7 + "01",
    "^-?(0|": "0.5",
}
"""What is said where a pattern leaves no choice of words, by how the pattern begins."""


class Reached:
    """Which texts of which schema a payload went into."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    def value(  # noqa: PLR0911 - one form of value a line
        self, kind: inspect.Type, payload: str, at: str
    ) -> Any:
        """A value of this type, with the payload in every text."""
        match kind:
            case inspect.StrType(pattern=str() as pattern):
                known = [form for begins, form in _FORMS.items() if pattern.startswith(begins)]
                assert known, f"{at}: nobody knows what fits {pattern}"
                return known[0]
            case inspect.StrType(max_length=longest):
                self.texts.add(at)
                return payload[: longest or 500]
            case inspect.IntType():
                return kind.ge or 0
            case inspect.BoolType():
                return True
            case inspect.EnumType():
                return next(iter(kind.cls)).value
            case inspect.LiteralType():
                return kind.values[0]
            case inspect.UnionType():
                some = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
                return self.value(some[0], payload, at)
            case inspect.VarTupleType():
                return [self.value(kind.item_type, payload, at)]
            case inspect.StructType():
                return {
                    field.encode_name: self.value(field.type, payload, f"{at}.{field.encode_name}")
                    for field in kind.fields
                }
        raise AssertionError(f"{at}: nobody knows what to say as {kind}")

    def fields(self, shape: type[msgspec.Struct], payload: str, at: str) -> dict[str, Any]:
        """The fields of a schema's public or sealed part."""
        found: dict[str, Any] = self.value(inspect.type_info(shape), payload, at)
        return found


def texts_of_all_schemas() -> set[str]:
    """Every text in every schema in which an author chooses the words."""
    reached = Reached()
    for name, schema in SCHEMAS.items():
        # Charters have numbers and codes alone; what ended before evidence says the same texts.
        if name not in {"charter-version/1", "job-ended/1"}:
            reached.fields(schema.public, "", f"{name} public")
        if schema.sealed is not None and name != "job-ended/1":
            reached.fields(schema.sealed, "", f"{name} sealed")
    return reached.texts


class HostileWorld(World):
    """A ledger whose authors put payloads wherever they can."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.reached = Reached()

    def said(self, schema: str, part: str, payload: str) -> dict[str, Any]:
        """The fields of a part of a schema, with the payload in every text."""
        shape = getattr(SCHEMAS[schema], part)
        return self.reached.fields(shape, payload, f"{schema} {part}")

    def registration(self, number: int, payload: str) -> bytes:
        """The council adds an author whose title is the payload."""
        name = f"hostile-{number}"
        _, vkey = generate_key(f"{ORIGIN}/{name}", hashlib.sha256(name.encode()).digest())
        said = self.said("registry/1", "public", payload)
        said |= {"action": "add", "name": name, "role": "member", "vkey": vkey}
        return self.statement("council", "registry", "registry/1", said)

    def bodies(self, name: str, payload: str, *, at: int) -> list[bytes]:
        """The life of one job, told with one payload; ``at`` is the index of the first entry."""
        begun = format_time(self.clock.now)
        sealed = self.said("job-submitted/1", "sealed", payload)
        sealed["code"]["digest"] = {"sha256": hashlib.sha256(name.encode()).hexdigest()}
        sealed["model.weights_digest"] = {"sha256": "cd" * 32}
        submission = self.statement(
            "alpha", "submitted", "job-submitted/1", PLAN, job=name, sealed=sealed
        )
        started = {"started_at": begun, "gpu_count": 8}
        egress = {"egress_bytes": 10, "artifact_count": 1}
        ended = self.said("job-ended/2", "public", payload) | {
            "started_at": begun,
            "ended_at": begun,
            "wall_seconds": 0,
            "gpu_seconds": 0,
            "h200e_seconds": 0,
            "exit_status": "completed",
            "weights_check": "oms_root",
        }
        outcome = self.said("job-ended/2", "sealed", payload)
        outcome["model.weights_evidence"] = None
        outcome["model.weights_digest_after"] = {"sha256": "cd" * 32}
        outcome["prompts.sketch"] = None
        outcome["completions"] = None
        correction = self.said("job-corrected/1", "public", payload) | {"corrects": at}
        refusal = self.said("start-refused/1", "public", payload) | {"member": "beta"}
        return [
            submission,
            self.statement("orchestrator", "started", "job-started/1", started, job=name),
            self.statement("gateway", "egress", "job-egress/1", egress, job=name),
            self.statement(
                "orchestrator", "completed", "job-ended/2", ended, job=name, sealed=outcome
            ),
            self.statement("alpha", "corrected", "job-corrected/1", correction, job=name),
            self.statement("orchestrator", "refused", "start-refused/1", refusal),
        ]

import json
import re
from typing import Any

import msgspec
import pytest
from browser import Browser
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from ledger_world import World

from ledger.records import entry_parser
from ledger.records.entry_parts import Author
from ledger.tlog.tiles import decode_bundle
from schemas import entries
from schemas.json_schemas import ADDRESS, DIALECT, documents, read_documents, shapes
from web.i18n import LANGUAGES

FILES = read_documents()


def _validator(name: str) -> Any:
    return Draft202012Validator(json.loads(FILES[name]), format_checker=FormatChecker())


def test_the_files_are_what_the_shapes_say() -> None:
    stale = [name for name, body in documents().items() if FILES.get(name) != body]
    assert stale == [], "run scripts/json_schemas"
    assert FILES.keys() == documents().keys()


@pytest.mark.parametrize("name", [name for name in FILES if name != "index"])
def test_a_file_is_a_json_schema_that_stands_alone(name: str) -> None:
    document = json.loads(FILES[name])
    assert document["$schema"] == DIALECT
    assert document["$id"] == f"{ADDRESS}{name}.json"
    assert document["description"]
    Draft202012Validator.check_schema(document)
    references = [each.partition('"')[0] for each in FILES[name].decode().split('"$ref": "')[1:]]
    defined = {f"#/$defs/{part}" for part in document.get("$defs", {})}
    assert set(references) <= {*defined, "#"}


def test_the_site_sends_the_files_and_lists_them(site: Browser) -> None:
    listed = site.get("/schemas/index.json").json()["schemas"]
    assert [each["name"] for each in listed] == list(shapes())
    for each in listed:
        reply = site.get(each["schema"])
        assert (reply.status, reply.body) == (200, FILES[each["name"]])
        assert reply.headers["content-type"] == "application/schema+json"
        assert reply.headers["access-control-allow-origin"] == "*"
        assert site.get(each["schema"], if_none_match=reply.headers["etag"]).status == 304
    assert site.get("/schemas/nothing.json").status == 404
    assert site.get("/schemas/index.json?x=1").status == 400


def test_every_entry_of_a_log_is_what_the_schema_of_its_kind_says(
    site: Browser, world: World
) -> None:
    names = {
        "genesis": "genesis-entry",
        "admitted": "decision-entry",
        "rejected": "decision-entry",
        "disclosed": "disclosed-entry",
        "finding": "finding-entry",
    }
    seen = set()
    for leaf in decode_bundle(site.get("/log/tile/entries/000").body):
        entry = json.loads(leaf)
        _validator(names.get(entry["kind"], "statement-entry")).validate(entry)
        seen.add(entry["kind"])
    assert {*names, "submitted", "completed", "egress", "refused", "charter"} <= seen


def test_the_shapes_of_entries_have_the_fields_that_the_ledger_checks() -> None:
    for shown, checked in (
        (entries.GenesisEntry, entry_parser._OfGenesis),
        (entries.StatementEntry, entry_parser._OfStatement),
        (entries.DecisionEntry, entry_parser._OfDecision),
        (entries.DisclosedEntry, entry_parser._OfDisclosure),
        (entries.EntryFinding, entry_parser._Finding),
        (entries.LogKeyEntry, entry_parser._OfLogKey),
        (entries.BothKeysSignatures, entry_parser._BothSignatures),
        (entries.FirstAuthor, Author),
    ):
        here, there = msgspec.structs.fields(shown), msgspec.structs.fields(checked)
        assert [(each.name, each.default) for each in here] == [
            (each.name, each.default) for each in there
        ]


def test_a_signed_statement_is_held_to_the_schema_that_it_names(fresh: World) -> None:
    good = json.loads(fresh.submission("one"))
    validator = _validator("signed-statement")
    validator.validate(good)
    for change in (
        {"public": {**good["statement"]["public"], "gpu_count": 0}},
        {"public": {"started_at": "2026-11-21T19:00:00Z", "gpu_count": 1}},
        {"kind": "completed"},
        {"schema": "job-submitted/2"},
    ):
        with pytest.raises(ValidationError):
            validator.validate({**good, "statement": {**good["statement"], **change}})
    opening = {**good["opening"], "fields": {**good["opening"]["fields"], "nothing": 1}}
    with pytest.raises(ValidationError):
        validator.validate({**good, "opening": opening})


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_example_of_the_api_page_is_what_its_schema_says(site: Browser, tag: str) -> None:
    texts = site.get("/api/v1/words/docs/api").json()["data"]["texts"]
    (markdown,) = [each["markdown"] for each in texts if each["language"] == tag]
    document = site.get("/api/v1/openapi.json").json()
    listed = document["paths"]["/api/v1/jobs"]["get"]["responses"]["200"]["content"]
    by_field = {
        "page": {**listed["application/json"]["schema"], "components": document["components"]},
        "timestamp": json.loads(FILES["webhook-event"]),
        "detail": json.loads(FILES["problem"]),
        "signature": json.loads(FILES["signed-statement"]),
        "receipt": json.loads(FILES["accepted"]),
    }
    seen = []
    for block in re.findall(r"```json\n(.*?)```", markdown, re.DOTALL):
        example = json.loads(block)
        (field,) = by_field.keys() & example.keys()
        Draft202012Validator(by_field[field]).validate(example)
        seen.append(field)
    assert seen == list(by_field)

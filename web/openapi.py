"""The OpenAPI 3.1 document of ``/api/v1`` and of the bulk files.

Made from ``web.contract`` and from the shapes. Nothing in it is written by hand twice: addresses
and parameters come from the table, what answers look like from the types that answer. It names no
entry and depends on none.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from schemas import answers, posting
from schemas.json_schemas import components
from web import problems
from web.api import BASE
from web.contract import (
    ANY,
    DOOR,
    FILES,
    GROUPS,
    JSON,
    NDJSON,
    OPERATIONS,
    PROBES,
    Operation,
    all_parameters,
)
from web.contract_parameters import FIELDS, Json, Parameter
from web.i18n import DEFAULT
from web.rows import names_of

VERSION: Final = "3.1.1"
ADDRESS: Final = f"{BASE}/openapi.json"
MEDIA_TYPE: Final = "application/vnd.oai.openapi+json; version=3.1"
REF: Final = "#/components/schemas/{name}"
LICENCE: Final = "https://creativecommons.org/licenses/by/4.0/"
READING: Final = (400, 404, 429)
OF_FILES: Final[dict[str, tuple[int, ...]]] = {
    "listBulkFiles": (200, 304, 400),
    "findBulkFile": (302, 404),
    "readBulkFile": (200, 206, 304, 404, 416),
}
AT_THE_DOOR: Final[dict[str, tuple[int, ...]]] = {
    "readArtifact": (200, 206, 304, 400, 403, 404, 409, 413, 416, 422, 429, 503),
    "bringArtifact": (201, 400, 403, 404, 409, 413, 422, 429, 503),
}
WRITING: Final[dict[str, tuple[int, ...]]] = {
    "submitStatement": (400, 403, 408, 409, 413, 422, 429, 503),
    "submitBatch": (400, 408, 413, 429, 503),
    "checkSubmission": (400, 403, 408, 413, 422, 429, 503),
}
OF_PROBES: Final[dict[str, tuple[int, ...]]] = {
    "showHealth": (200, 400),
    "showReadiness": (200, 400, 503),
}
ENTERS: Final = frozenset({"submitStatement", "submitBatch"})
"""What is posted there becomes an entry."""
_HEADERS: Final[Json] = {
    "Ledger-Tree-Size": {
        "description": "The tree size that the answer was made from.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "ETag": {
        "description": "Send it back as If-None-Match: 304 as long as nothing has changed.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[^"]+"$'},
    },
    "Link": {
        "description": "RFC 8288: `self`, `first`, and `next` as long as there is more.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where the entry is, or the file.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Content-Range": {
        "description": "Which bytes these are, and of how many.",
        "required": True,
        "schema": {"type": "string", "pattern": "^bytes "},
    },
    "Accept-Ranges": {
        "description": "Parts of it can be had with `Range`.",
        "required": True,
        "schema": {"type": "string", "enum": ["bytes"]},
    },
    "Retry-After": {
        "description": "Seconds after which to send the same again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit": {
        "description": "What is left, where the server limits requests.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "What the limit is, where the server has one.",
        "schema": {"type": "string"},
    },
}
_MEANINGS: Final = {
    200: "What was asked for.",
    201: "The statement is durable in a signed tree; this request made the entry.",
    206: "The bytes that `Range` asked for; one range is answered.",
    302: "The address of the file, in a set that never changes.",
    304: "Nothing has changed since the answer with this entity tag.",
    400: "The address, or what was sent, cannot be read; a parameter is refused.",
    403: "The signature does not verify, or the author may not say this.",
    404: "There is no such thing in the log at that tree size.",
    408: "The body came too slowly.",
    409: "The log already says something that excludes this.",
    413: "Larger than the limit.",
    416: "The range begins behind the end of the file.",
    422: "Well-formed, and a value is not allowed.",
    429: "Too many requests from one address, or too many statements by one key.",
    503: "Nothing was written; send the same again.",
}


_NOT_READY: Final = "The process should get no requests now; `detail` says why."
_TEXT: Final[Json] = {"type": "string"}
# OpenAPI 3.1: bytes as they are have a media type, and no schema that could say more.
_BYTES: Final[Json] = {}


def encoded(public_url: str) -> bytes:
    """The document as JSON; ``public_url`` is where the API is."""
    return msgspec.json.encode(document(public_url))


def document(public_url: str) -> Json:
    """The document; every reference in it leads to its own components."""
    every = (*OPERATIONS, *DOOR, *FILES, *PROBES)
    types = [each.gives for each in every if each.gives not in {None, str}]
    types += [each.asks for each in every if each.method == "post"]
    types += [posting.LineAnswer, posting.LineProblem]
    types += [answers.Page, answers.LedgerState, posting.Problem]
    _, parts = components(dict.fromkeys(types), ref_template=REF, by_schema=False)
    paths: dict[str, Json] = {}
    for each in every:
        paths.setdefault(each.address, {})[each.method] = _operation(each)
    return {
        "openapi": VERSION,
        "info": {
            "title": "APSCI ledger",
            "version": "1",
            "summary": "The public record of every job on the shared safety cluster.",
            "description": (
                "Reading needs no key and no account. Every address that is read with GET answers"
                " HEAD too, and OPTIONS for web pages of other sites. Unknown parameters are"
                " refused, and empty ones count as not given. Explained at"
                f" {public_url}/{DEFAULT}/docs/api."
            ),
            "license": {"name": "CC BY 4.0", "url": LICENCE},
        },
        "servers": [{"url": public_url}],
        "externalDocs": {"url": f"{public_url}/{DEFAULT}/docs/api"},
        "tags": [{"name": name, "description": text} for name, text in GROUPS.items()],
        "paths": paths,
        "components": {"schemas": dict(sorted(parts.items())), "headers": _HEADERS},
    }


def statuses(operation: Operation) -> tuple[int, ...]:
    """Every status that an operation answers with."""
    if operation.is_file:
        return OF_FILES[operation.name]
    if operation.is_probe:
        return OF_PROBES[operation.name]
    if operation.heads:
        return AT_THE_DOOR[operation.name]
    if operation.method == "get":
        return (200, 304, *READING)
    made = (200, 201) if operation.gives and operation.name in ENTERS else (200,)
    return (*made, *WRITING[operation.name])


def _operation(each: Operation) -> Json:
    made: Json = {
        "operationId": each.name,
        "tags": [each.group],
        "summary": each.meaning,
        "parameters": [
            _parameter(parameter, place, each) for place, parameter in all_parameters(each)
        ],
        "responses": {str(status): _response(each, status) for status in statuses(each)},
    }
    if each.method == "put":
        made["requestBody"] = {"required": True, "content": {ANY: {"schema": _BYTES}}}
    if each.method == "post":
        content: Json = (
            {NDJSON: {"schema": {"type": "string"}}}
            if each.media == NDJSON
            else {JSON: {"schema": _ref(each.asks.__name__)}}
        )
        if each.name in ENTERS:
            made["externalDocs"] = {
                "description": "What a statement says under each schema that it can name.",
                "url": "/schemas/signed-statement.json",
            }
        made["requestBody"] = {"required": True, "content": content}
    return made


def _parameter(parameter: Parameter, place: str, operation: Operation) -> Json:
    made: Json = {
        "name": parameter.name,
        "in": place,
        "description": parameter.meaning,
        "required": parameter.required or place == "path",
        "schema": parameter.schema,
    }
    if place == "header":
        # Without it the artifact is read as everybody reads it.
        made["required"] = operation.method == "put"
    if place == "query":
        made["allowEmptyValue"] = True
    if parameter is FIELDS:
        row = operation.gives
        assert row is not None
        assert row is not str
        made["schema"] = {
            "type": "array",
            "items": {"type": "string", "enum": list(names_of(row))},
            "minItems": 1,
            "uniqueItems": True,
        }
        made |= {"style": "form", "explode": False}
    return made


def _response(each: Operation, status: int) -> Json:
    meaning = _NOT_READY if each.is_probe and status == 503 else _MEANINGS[status]
    made: Json = {"description": meaning, "headers": _header_refs(_headers(each, status))}
    if status in {302, 304, 416}:
        return made
    if status >= 400:
        made["content"] = {problems.MEDIA_TYPE: {"schema": _ref("Problem")}}
    elif each.media == JSON:
        made["content"] = {JSON: {"schema": _body(each)}}
    else:
        made["content"] = {each.media: {"schema": _TEXT if each.media != ANY else _BYTES}}
        if each.media == NDJSON:
            made["content"][NDJSON]["x-each-line"] = {
                "oneOf": [_ref("LineAnswer"), _ref("LineProblem")]
            }
    return made


def _headers_of_file(each: Operation, status: int) -> Iterable[str]:
    if status == 302:
        yield "Location"
    if status in {200, 206, 304, 416}:
        yield "ETag"
    if each.media != JSON and status in {200, 206, 304, 416}:
        yield "Ledger-Tree-Size"
    if each.media != JSON and status in {200, 206}:
        yield "Accept-Ranges"
    if status in {206, 416}:
        yield "Content-Range"


def _headers_at_the_door(each: Operation, status: int) -> Iterable[str]:
    if each.method == "put":
        if status == 201:
            yield "Location"
        return
    if status in {206, 416}:
        yield "Content-Range"
    if status in {304, 416}:
        yield "ETag"


def _headers(each: Operation, status: int) -> Iterable[str]:
    if each.is_file:
        yield from _headers_of_file(each, status)
        return
    yield "Ledger-Tree-Size"
    if status in {429, 503}:
        yield "Retry-After"
    if each.is_probe:
        return
    if each.heads:
        yield from _headers_at_the_door(each, status)
    elif each.method == "post":
        if status in {200, 201} and each.gives and each.name in ENTERS:
            yield "Location"
    elif status in {200, 304}:
        yield "ETag"
        if status == 200 and each.rows:
            yield "Link"
    yield "RateLimit"
    yield "RateLimit-Policy"


def _header_refs(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _body(each: Operation) -> Json:
    if each.method in {"post", "put"}:
        assert each.gives is not None
        return _ref(each.gives.__name__)
    if each.rows:
        return _envelope(_rows(each.gives), is_list=True)
    assert each.gives is not None
    one = _ref(each.gives.__name__)
    if each.is_file:
        return one
    if each.whole:
        return _envelope({"type": "array", "items": one}, is_list=False)
    return _envelope(one, is_list=False)


def _envelope(data: Json, *, is_list: bool) -> Json:
    parts: Json = {"data": data}
    if is_list:
        parts["page"] = _ref("Page")
    parts["ledger"] = _ref("LedgerState")
    return {"type": "object", "properties": parts, "required": list(parts)}


def _rows(row: Any) -> Json:  # noqa: ANN401 - a shape, or text
    if row is str:
        return {"type": "array", "items": {"type": "string"}}
    chosen = {
        "description": "A row of which `fields` chose a part.",
        "type": "object",
        "properties": {
            name: {"$ref": f"{_ref(row.__name__)['$ref']}/properties/{name}"}
            for name in names_of(row)
        },
        "additionalProperties": False,
    }
    return {"type": "array", "items": {"anyOf": [_ref(row.__name__), chosen]}}


def _ref(name: str) -> Json:
    return {"$ref": REF.format(name=name)}

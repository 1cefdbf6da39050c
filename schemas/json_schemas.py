"""JSON Schema (2020-12) of every shape of this room, made from the types themselves.

``documents()`` is what ``scripts/json_schemas`` writes into ``schemas/json``, and what a test holds
those files to. Each file is whole: what it refers to stands in its ``$defs``. ``$id`` is a path, so
that the same bytes are right on every site that serves them. What goes out may gain fields, so only
the shapes that come in refuse unknown ones.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from re import sub
from typing import Any, Final

import msgspec
from msgspec import Struct

import schemas
from schemas.answers import Shape
from schemas.statements import SCHEMAS, Schema
from schemas.values import Wire

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ADDRESS: Final = "/schemas/"
FOLDER: Final = Path(__file__).parent / "json"
INDEX: Final = "index"
_NOT_SHOWN: Final = (Shape, Wire, Schema)

Json = dict[str, Any]


def shapes() -> dict[str, type[Struct]]:
    """Every shape by the name of its file: ``JobShown`` is ``job-shown``."""
    found: dict[str, type[Struct]] = {}
    for module in sorted(each.name for each in pkgutil.iter_modules(schemas.__path__)):
        inside = vars(import_module(f"schemas.{module}"))
        for each in inside.values():
            is_shape = isinstance(each, type) and issubclass(each, Struct)
            if is_shape and each.__module__ == f"schemas.{module}" and each not in _NOT_SHOWN:
                found[file_name(each)] = each
    return dict(sorted(found.items()))


def file_name(shape: type[Struct]) -> str:
    """The name of a shape in lower case, its words apart, without a suffix."""
    return sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", shape.__name__).lower()


def components(
    types: Iterable[Any], *, ref_template: str, by_schema: bool = True
) -> tuple[list[Json], dict[str, Json]]:
    """The schema of each type, and by its name that of every shape that they refer to.

    Beyond what msgspec says: a statement's fields follow from the schema that it names (with
    ``by_schema``; not every reader of OpenAPI understands it), patterns are ECMA-262's, where a
    dollar sign is the very end, and descriptions have no indent.
    """
    given = list(types)
    found, parts = msgspec.json.schema_components(given, ref_template=ref_template)
    if by_schema and "Statement" in parts:
        public = [each.public for each in SCHEMAS.values()]
        sealed = [each.sealed for each in SCHEMAS.values() if each.sealed]
        more = [*given, *public, *sealed]
        found, parts = msgspec.json.schema_components(more, ref_template=ref_template)
        _follow_the_schema(parts, ref_template)
    return [_tidy(each) for each in found[: len(given)]], {
        name: _tidy(part) for name, part in parts.items()
    }


def document(shape: type[Struct]) -> Json:
    """The JSON Schema of one shape, whole."""
    (root,), parts = components([shape], ref_template="#/$defs/{name}")
    own = root["$ref"].removeprefix("#/$defs/")
    head = {"$schema": DIALECT, "$id": f"{ADDRESS}{file_name(shape)}.json"}
    rest = {name: part for name, part in sorted(parts.items()) if name != own}
    body = {**parts[own], "title": shape.__name__}
    return {**head, **body, "$defs": rest} if rest else {**head, **body}


def documents() -> dict[str, bytes]:
    """Every file by its name without suffix, with a list of them all as ``index``."""
    made = {name: document(shape) for name, shape in shapes().items()}
    listed = [
        {"name": name, "schema": each["$id"], "description": each["description"].split("\n\n")[0]}
        for name, each in made.items()
    ]
    files: Mapping[str, Json] = {**made, INDEX: {"dialect": DIALECT, "schemas": listed}}
    return {name: encode(each) for name, each in files.items()}


def encode(value: Json) -> bytes:
    """JSON for people and for ``diff``: two spaces, one line at the end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def read_documents(folder: Path = FOLDER) -> dict[str, bytes]:
    """The files as they were written, by their names without suffix."""
    return {file.stem: file.read_bytes() for file in sorted(folder.glob("*.json"))}


def _follow_the_schema(parts: dict[str, Json], ref_template: str) -> None:
    """Say what ``public``, ``kind`` and the opening's fields are under each schema of statement."""

    def ref(shape: type[Struct]) -> Json:
        return {"$ref": ref_template.format(name=shape.__name__)}

    def named(name: str) -> Json:
        return {"properties": {"schema": {"const": name}}, "required": ["schema"]}

    parts["Statement"]["properties"]["schema"]["enum"] = list(SCHEMAS)
    parts["Statement"]["allOf"] = [
        {
            "if": named(name),
            "then": {
                "properties": {"kind": {"enum": list(each.kinds)}, "public": ref(each.public)}
            },
        }
        for name, each in SCHEMAS.items()
    ]
    if "SignedStatement" in parts:
        parts["SignedStatement"]["allOf"] = [
            {
                "if": {"properties": {"statement": named(name)}},
                "then": {"properties": {"opening": {"properties": {"fields": ref(each.sealed)}}}},
            }
            for name, each in SCHEMAS.items()
            if each.sealed
        ]


def _tidy(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if not isinstance(value, dict):
        return value
    tidied = {name: _tidy(each) for name, each in value.items()}
    if isinstance(tidied.get("pattern"), str):
        tidied["pattern"] = tidied["pattern"].replace(r"\Z", "$")
    if isinstance(tidied.get("description"), str):
        tidied["description"] = cleandoc(tidied["description"]).replace("``", "`")
    return tidied

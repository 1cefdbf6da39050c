"""The page of ``/api/v1``: the OpenAPI document as people read it, made from the same table."""

from dataclasses import dataclass
from typing import Any, Final

from litestar import Response, get
from msgspec import Struct

from schemas.json_schemas import ADDRESS, file_name
from web import openapi, query
from web.contract import GROUPS, Operation, all_parameters, operations_of
from web.contract_parameters import Parameter
from web.doors import asked
from web.i18n import noted
from web.pages.page import Asking, page
from web.rows import names_of

_TYPES: Final = {
    "integer": noted("whole number"),
    "string": noted("text"),
}
SHOWN_CODES: Final = 12
"""A longer list of codes is one that a page of its own explains."""


@dataclass(frozen=True, slots=True)
class ParameterShown:
    """A parameter as a row: ``kind`` are words in the language in use, ``codes`` are not."""

    name: str
    place: str
    meaning: str
    kind: str
    bounds: tuple[int, int] | None
    codes: tuple[str, ...]
    required: bool


@dataclass(frozen=True, slots=True)
class OperationShown:
    """An operation; ``schemas`` are the names and addresses of what its data looks like."""

    operation: Operation
    parameters: tuple[ParameterShown, ...]
    schemas: tuple[tuple[str, str], ...]
    statuses: tuple[int, ...]


@get("/docs/api/reference", sync_to_thread=True)
def show_reference(request: Asking) -> Response[Any]:
    """Every address of the API with its parameters and its answers."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        return page(
            request,
            "api_reference.html",
            asking,
            view,
            document=openapi.ADDRESS,
            schemas=f"{ADDRESS}index.json",
            groups=[(name, GROUPS[name], _shown(name)) for name in GROUPS],
        )


def _shown(group: str) -> list[OperationShown]:
    return [
        OperationShown(
            operation=each,
            parameters=tuple(_parameter(*found, each) for found in all_parameters(each)),
            schemas=tuple(
                (shape.__name__, f"{ADDRESS}{file_name(shape)}.json")
                for shape in (each.gives,)
                if shape is not None and issubclass(shape, Struct)
            ),
            statuses=openapi.statuses(each),
        )
        for each in operations_of(group)
    ]


def _parameter(place: str, parameter: Parameter, operation: Operation) -> ParameterShown:
    schema = parameter.schema
    codes = tuple(schema.get("enum", ()))
    row = operation.gives
    if parameter.listed and row is not None:
        codes = names_of(row)
    bounds = (schema["minimum"], schema["maximum"]) if "maximum" in schema else None
    return ParameterShown(
        name=parameter.name,
        place=place,
        meaning=parameter.meaning,
        kind=noted("code") if codes else _TYPES[schema["type"]],
        bounds=bounds,
        codes=codes if len(codes) <= SHOWN_CODES or parameter.listed else (),
        required=parameter.required or place == "path",
    )


HANDLERS: Final = [show_reference]

import re
from typing import Any
from urllib.parse import quote

import pytest
from browser import Browser
from jsonschema import Draft202012Validator
from ledger_world import World
from openapi_spec_validator import validate
from site_map import answers

from web import api, api_browse, api_council, openapi
from web.contract import OPERATIONS, Operation, all_parameters
from web.contract_parameters import FIELDS, FILTERS
from web.figures import stats
from web.search.filters import JOB_FILTERS
from web.words import answers as words_api
from web.writing import ADDRESSES


def _document(site: Browser) -> dict[str, Any]:
    found: dict[str, Any] = site.get(openapi.ADDRESS).json()
    return found


def _filled(operation: Operation, world: World) -> str:
    """The address of something that is there."""
    with world.reader.at() as view:
        model, artifact = view.models(limit=1)[0].digest, view.artifacts(limit=1)[0].digest
    values = {
        "job_id": world.job_id("opened"),
        "index": "3",
        "name": "alpha",
        "model": f"sha256:{model}",
        "artifact": f"sha256:{artifact}",
        "series": "jobs-by-state",
        "list": "state",
        "slug": "about",
    }
    for parameter in operation.places:
        if "enum" in parameter.schema and values[parameter.name] not in parameter.schema["enum"]:
            values[parameter.name] = parameter.schema["enum"][0]
    return operation.address.format(**values)


def test_the_document_is_valid_openapi_and_stays_what_it_is(site: Browser) -> None:
    reply = site.get(openapi.ADDRESS)
    assert reply.headers["content-type"].startswith("application/vnd.oai.openapi+json")
    assert reply.headers["access-control-allow-origin"] == "*"
    document = reply.json()
    assert document["openapi"].startswith("3.1")
    validate(document)
    again = site.get(openapi.ADDRESS, if_none_match=reply.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert site.get(f"{openapi.ADDRESS}?x=1").status == 400


def test_the_document_has_every_address_that_the_server_answers_and_no_other() -> None:
    routes = set(ADDRESSES)
    for router in (
        api.ROUTER,
        api_browse.ROUTER,
        api_council.ROUTER,
        stats.ROUTER,
        words_api.ROUTER,
    ):
        routes |= {route.path.rstrip("/") for route in router.routes}
    plain = {re.sub(r"\{[^}]*\}", "{}", path) for path in routes}
    named = {re.sub(r"\{[^}]*\}", "{}", each.address) for each in OPERATIONS}
    # These have the handlers of the addresses that they are special cases of.
    own = {"/api/v1/stats/{}.csv", "/api/v1/vocab/fields", "/api/v1/words/glossary"}
    assert named == plain | own
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS)


def test_the_filters_of_the_document_are_those_of_the_list() -> None:
    assert tuple(each.name for each in FILTERS) == JOB_FILTERS


@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if each.method == "get"], ids=lambda each: each.name
)
def test_an_address_takes_exactly_the_parameters_that_the_document_names(
    site: Browser, world: World, operation: Operation
) -> None:
    target = _filled(operation, world)
    reply = site.get(f"{target}?no_such_parameter=1")
    assert reply.status == 400
    named = {each.name for place, each in all_parameters(operation) if place == "query"}
    assert set(reply.json()["allowed"]) == named
    for place, parameter in all_parameters(operation):
        if place == "query" and "maximum" in parameter.schema and parameter.name != "at":
            beyond = parameter.schema["maximum"] + 1
            reply = site.get(f"{target}?{parameter.name}={beyond}")
            assert (reply.status, reply.json()["field"]) == (400, parameter.name)
        if place == "query" and "enum" in parameter.schema:
            reply = site.get(f"{target}?{parameter.name}=nonsense")
            assert (reply.status, reply.json()["field"]) == (400, parameter.name)


def test_every_answer_of_the_site_is_what_the_document_says(site: Browser, world: World) -> None:
    document = _document(site)
    patterns = {
        re.compile(re.sub(r"\\\{[^}]*\\\}", "[^?]+", re.escape(each.address))): each
        for each in sorted(OPERATIONS, key=lambda each: "{" in each.address)
        if each.method == "get"
    }
    seen = set()
    more = [
        _filled(each, world) + "".join(f"?{one.name}=1" for one in each.takes if one.required)
        for each in OPERATIONS
        if each.method == "get"
    ]
    for target in (*answers(world), *more):
        path = target.partition("?")[0]
        if not path.startswith("/api/v1/") or path == openapi.ADDRESS:
            continue
        fitting = [each for pattern, each in patterns.items() if pattern.fullmatch(path)]
        operation = max(fitting, key=lambda each: len(re.sub(r"\{[^}]*\}", "", each.address)))
        seen.add(operation.name)
        reply = site.get(target)
        said = document["paths"][operation.address]["get"]["responses"]["200"]
        (media,) = said["content"]
        assert (target, reply.headers["content-type"].partition(";")[0]) == (target, media)
        for name, header in document["components"]["headers"].items():
            if header.get("required") and name in said["headers"]:
                assert name.lower() in reply.headers, (target, name)
        if media == "application/json":
            schema = {**said["content"][media]["schema"], "components": document["components"]}
            Draft202012Validator(schema).validate(reply.json())
    assert seen == {each.name for each in OPERATIONS if each.method == "get"}


def test_problems_are_what_the_document_says(site: Browser) -> None:
    document = _document(site)
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    for target in ("/api/v1/jobs?x=1", "/api/v1/jobs/none", "/api/v1/members?at=999999"):
        Draft202012Validator(schema).validate(site.get(target).json())


# --- lists ------------------------------------------------------------------------------------

LISTS = [each for each in OPERATIONS if each.rows]


@pytest.mark.parametrize("operation", LISTS, ids=lambda each: each.name)
def test_every_list_pages_counts_and_names_itself(
    site: Browser, world: World, operation: Operation
) -> None:
    target = _filled(operation, world)
    whole = site.get(f"{target}?limit=1000").json()
    rows, count = whole["data"], whole["page"]["count"]
    assert count == len(rows)
    assert site.get(f"{target}?count=none").json()["page"]["count"] is None
    found: list[Any] = []
    following: str | None = f"{target}?limit=7&at={world.reader.tree_size()}"
    steps = max(1, -(-len(rows) // 7))
    for step in range(min(steps, 4)):
        assert following is not None
        reply = site.get(following)
        link = reply.headers["link"]
        assert f'<{following}>; rel="self"' in link
        assert ('rel="first"' in link) == (step > 0)
        answer = reply.json()
        found += answer["data"]
        following = answer["page"]["next"]
        assert (following is None) == (step == steps - 1)
        if following:
            assert f'<{following}>; rel="next"' in link
    assert found == rows[: len(found)]
    assert len(found) == min(len(rows), 28)


@pytest.mark.parametrize(
    "operation", [each for each in LISTS if each.gives is not str], ids=lambda each: each.name
)
def test_the_fields_of_a_list_can_be_chosen(
    site: Browser, world: World, operation: Operation
) -> None:
    target = _filled(operation, world)
    document = _document(site)
    parameters = document["paths"][operation.address]["get"]["parameters"]
    (fields,) = [each for each in parameters if each["name"] == FIELDS.name]
    names = fields["schema"]["items"]["enum"]
    whole = site.get(f"{target}?limit=9").json()["data"]
    for chosen in (names[:1], names[-2:], names):
        answer = site.get(f"{target}?limit=9&fields={quote(','.join(chosen))}").json()
        assert answer["data"] == [
            {name: row[name] for name in names if name in chosen and name in row} for row in whole
        ]
    for wrong in ("nothing", f"{names[0]},", f"{names[0]},{names[0]}", names[0].upper()):
        reply = site.get(f"{target}?fields={wrong}")
        assert (reply.status, reply.json()["field"]) == (400, "fields")
        assert reply.json()["allowed"] == names


def test_a_start_is_checked_beside_a_cursor_too(site: Browser) -> None:
    first = site.get("/api/v1/entries?start=3&limit=2").json()
    second = site.get(first["page"]["next"]).json()
    assert [each["index"] for each in (*first["data"], *second["data"])] == [3, 4, 5, 6]
    reply = site.get(first["page"]["next"].replace("start=3", f"start={2**53}"))
    assert (reply.status, reply.json()["field"]) == (400, "start")


def test_a_list_that_is_empty_refuses_an_unknown_field_too(site: Browser) -> None:
    assert site.get("/api/v1/jobs?at=1&fields=job_id").json()["data"] == []
    assert site.get("/api/v1/jobs?at=1&fields=jobid").status == 400


def test_the_next_page_keeps_the_chosen_fields(site: Browser) -> None:
    first = site.get("/api/v1/jobs?limit=2&fields=job_id,state").json()
    second = site.get(first["page"]["next"]).json()
    assert {tuple(sorted(row)) for row in (*first["data"], *second["data"])} == {
        ("job_id", "state")
    }

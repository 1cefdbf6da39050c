import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser
from jsonschema import Draft202012Validator
from ledger_world import World
from site_map import bulk

from web import openapi
from web.app import create_app
from web.contract import FILES, Operation
from web.headers import policy_of

PUBLIC = "https://ledger.example"


@pytest.fixture(scope="module")
def name(world: World) -> str:
    """The set that was made of the shared world."""
    return world.ledger.bulk.make()


@pytest.fixture(scope="module")
def folder(world: World, name: str) -> Path:
    return world.ledger.bulk_dir / name


@pytest.fixture(scope="module")
def shelf(world: World, name: str) -> Iterator[Browser]:
    with Browser(create_app(world.ledger, public_url=PUBLIC)) as browser:
        yield browser


def test_the_newest_set_is_found_under_latest(shelf: Browser, name: str) -> None:
    reply = shelf.get("/bulk/latest/jobs.csv")
    assert reply.status == 302
    assert reply.headers["location"] == f"/bulk/{name}/jobs.csv"
    assert reply.headers["cache-control"] == "no-cache"
    assert shelf.get("/bulk/latest/").headers["location"] == f"/bulk/{name}/datapackage.json"


def test_every_file_is_served_whole_with_its_digest_as_its_tag(
    shelf: Browser, folder: Path, name: str
) -> None:
    listed = json.loads(shelf.get("/bulk/index.json").body)
    assert listed["latest"] == name
    [made] = listed["sets"]
    assert {each["name"] for each in made["files"]} == {path.name for path in folder.iterdir()}
    for each in made["files"]:
        reply = shelf.get(each["path"])
        assert reply.status == 200
        assert hashlib.sha256(reply.body).hexdigest() == each["sha256"]
        assert len(reply.body) == each["bytes"] == int(reply.headers["content-length"])
        assert reply.headers["etag"] == f'"{each["sha256"]}"'
        assert "immutable" in reply.headers["cache-control"]
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["ledger-tree-size"] == str(made["tree_size"])
        assert reply.headers["content-type"].startswith(each["media_type"])
        again = shelf.get(each["path"], if_none_match=reply.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        head = shelf.request("HEAD", each["path"])
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == reply.headers["content-length"]


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=10-99999999", slice(10, None)),
    ],
)
def test_a_part_of_a_file_can_be_had(
    shelf: Browser, folder: Path, name: str, asked: str, part: slice
) -> None:
    data = folder.joinpath("jobs.csv").read_bytes()
    reply = shelf.get(f"/bulk/{name}/jobs.csv", range=asked)
    assert (reply.status, reply.body) == (206, data[part])
    start = range(len(data))[part][0]
    said = f"bytes {start}-{start + len(reply.body) - 1}/{len(data)}"
    assert reply.headers["content-range"] == said


@pytest.mark.parametrize(
    "asked", ["bytes=9-3", "bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=a-b"]
)
def test_what_is_no_range_counts_for_nothing(
    shelf: Browser, folder: Path, name: str, asked: str
) -> None:
    reply = shelf.get(f"/bulk/{name}/jobs.csv", range=asked)
    assert (reply.status, reply.body) == (200, folder.joinpath("jobs.csv").read_bytes())


def test_a_range_behind_the_end_is_refused_and_one_of_another_file_ignored(
    shelf: Browser, folder: Path, name: str
) -> None:
    size = folder.joinpath("jobs.csv").stat().st_size
    for asked in (f"bytes={size}-", "bytes=-0"):
        reply = shelf.get(f"/bulk/{name}/jobs.csv", range=asked)
        assert (reply.status, reply.headers["content-range"]) == (416, f"bytes */{size}")
    other = {"range": "bytes=0-3", "if_range": '"another"'}
    assert shelf.get(f"/bulk/{name}/jobs.csv", **other).status == 200


@pytest.mark.parametrize(
    "place",
    ["", "nothing", "latest/nothing", "{name}/nothing", "{name}/../latest", "../ledger.db",
     "{name}/../../ledger.db", "{name}/..%2f..%2fledger.db", ".lock", "latest/../.lock",
     "2026-01-01-1/jobs.csv", "{name}/.finished", "%2e%2e/keys", "{name}//jobs.csv",
     "2026-01-01-0/jobs.csv", "{name}\0/jobs.csv"],
)  # fmt: skip
def test_nothing_else_is_served(shelf: Browser, name: str, place: str) -> None:
    reply = shelf.get("/bulk/" + place.format(name=name))
    assert reply.status == 404, reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    assert b"/ledger.db" not in reply.body or "ledger.db" in place


def test_the_data_page_shows_each_file_with_its_size_rows_and_digest(
    shelf: Browser, name: str
) -> None:
    [made] = json.loads(shelf.get("/bulk/index.json").body)["sets"]
    for tag in ("en", "zh-Hans"):
        text = shelf.get(f"/{tag}/data").text
        for each in made["files"]:
            assert each["path"] in text
            assert each["sha256"] in text
    pinned = shelf.get(f"/en/data?at={made['tree_size']}").text
    assert name not in pinned
    assert "/bulk/index.json" in pinned


def test_the_entry_of_a_manifest_says_what_it_is(shelf: Browser, world: World, name: str) -> None:
    [made] = json.loads(shelf.get("/bulk/index.json").body)["sets"]
    index = made["tree_size"]
    assert "Bulk files" in shelf.get(f"/en/entries/{index}").text
    assert "批量文件" in shelf.get(f"/zh-Hans/entries/{index}").text
    entry = json.loads(shelf.get(f"/api/v1/entries/{index}").body)["data"]
    assert entry["entry"]["digest"] == {"sha256": made["manifest"]}


def test_every_address_of_the_bulk_files_has_the_headers_that_all_have(
    shelf: Browser, world: World, name: str
) -> None:
    size = name.rpartition("-")[2]
    for target in bulk(world):
        reply = shelf.get(target)
        assert (target, reply.status) == (target, 200)
        assert reply.headers["content-security-policy"] == policy_of(target)
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["ledger-tree-size"] == size
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert "set-cookie" not in reply.headers
        assert "ratelimit" not in reply.headers
        assert reply.repeated == ()
        head = shelf.request("HEAD", target)
        assert (head.status, head.body) == (200, b"")
        assert head.headers == reply.headers
        before = shelf.request("OPTIONS", target)
        assert (before.status, before.headers["access-control-allow-origin"]) == (204, "*")
        assert "Range" in before.headers["access-control-allow-headers"]


def test_what_the_client_has_of_them_is_not_sent_again_in_any_coding(
    shelf: Browser, world: World
) -> None:
    for target in bulk(world):
        for coding in ("identity", "gzip", "br"):
            tag = shelf.get(target, accept_encoding=coding).headers["etag"]
            for given in (tag, f"W/{tag}", f'"other", {tag}'):
                reply = shelf.get(target, accept_encoding=coding, if_none_match=given)
                assert (target, reply.status, reply.body) == (target, 304, b"")
                assert reply.headers["etag"] == tag
                assert "content-length" not in reply.headers
            other = shelf.get(target, accept_encoding=coding, if_none_match='"other"')
            assert other.status == 200
    # A condition comes before a range (RFC 9110, section 13.2.2).
    tag = shelf.get(target).headers["etag"]
    assert shelf.get(target, if_none_match=tag, range="bytes=0-3").status == 304


def test_no_other_method_is_taken(shelf: Browser, world: World) -> None:
    for target in ("/bulk/index.json", bulk(world)[1], "/bulk/latest/jobs.csv"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            reply = shelf.request(method, target)
            assert (target, method, reply.status) == (target, method, 405)
            assert "GET" in reply.headers["allow"]
            assert reply.headers["content-type"] == "application/problem+json"


def test_the_document_says_what_the_addresses_of_the_bulk_files_answer(
    shelf: Browser, name: str
) -> None:
    document = shelf.get(openapi.ADDRESS).json()
    named = {path for path in document["paths"] if path.startswith("/bulk/")}
    assert named == {each.address for each in FILES}
    seen: set[tuple[str, int]] = set()

    def ask(target: str, operation: Operation, **headers: str) -> None:
        reply = shelf.get(target, **headers)
        responses = document["paths"][operation.address]["get"]["responses"]
        assert str(reply.status) in responses, (target, reply.status)
        said = responses[str(reply.status)]
        seen.add((operation.name, reply.status))
        for header, each in document["components"]["headers"].items():
            if each.get("required") and header in said["headers"]:
                assert header.lower() in reply.headers, (target, header)
        media = reply.headers.get("content-type", "").partition(";")[0]
        for form, content in said.get("content", {}).items():
            if form.endswith("json"):
                assert media == form
                schema = {**content["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(reply.json())

    index, latest, file = FILES
    tag = shelf.get("/bulk/index.json").headers["etag"]
    ask("/bulk/index.json", index)
    ask("/bulk/index.json", index, if_none_match=tag)
    ask("/bulk/index.json?x=1", index)
    ask("/bulk/latest/jobs.csv", latest)
    ask("/bulk/latest/nothing", latest)
    jobs = f"/bulk/{name}/jobs.csv"
    ask(jobs, file)
    ask(jobs, file, range="bytes=0-9")
    ask(jobs, file, range="bytes=999999999-")
    ask(jobs, file, if_none_match=shelf.get(jobs).headers["etag"])
    ask(f"/bulk/{name}/nothing", file)
    assert seen == {(each.name, status) for each in FILES for status in openapi.statuses(each)}


def test_before_the_first_set_there_is_an_empty_list(shop: Browser) -> None:
    assert json.loads(shop.get("/bulk/index.json").body) == {"latest": None, "sets": []}
    assert shop.get("/bulk/latest/jobs.csv").status == 404
    assert shop.get("/en/data").status == 200

"""HEAD, OPTIONS and methods that no address takes, on every address of the contract."""

import pytest
from browser import Browser
from ledger_world import World
from test_web_contract import _filled

from web import openapi
from web.contract import OPERATIONS, Operation


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_an_address_answers_head_options_and_refuses_other_methods(
    site: Browser, world: World, operation: Operation
) -> None:
    target = _filled(operation, world)
    target += "".join(f"?{one.name}=1" for one in operation.takes if one.required)
    before = site.request("OPTIONS", target)
    assert (before.status, before.headers["access-control-allow-origin"]) == (204, "*")
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
        reply = site.request(method, target)
        assert (method, reply.status) == (method, 405)
        assert reply.headers["content-type"] == "application/problem+json"
        allowed = {each.strip() for each in reply.headers["allow"].split(",")}
        if operation.method == "post":
            assert "POST" in allowed
        else:
            assert {"GET", "HEAD"} <= allowed
    if operation.method == "get":
        assert site.request("HEAD", target).status == 200
        assert site.request("POST", target, chunks=[b"{}"]).status == 405
    else:
        assert site.get(target).status == 405


def test_the_document_and_the_schemas_take_no_other_method_either(site: Browser) -> None:
    for target in (openapi.ADDRESS, "/schemas/job-shown.json"):
        assert site.request("HEAD", target).body == b""
        assert site.request("OPTIONS", target).status == 204
        for method in ("POST", "PUT", "DELETE"):
            reply = site.request(method, target)
            assert (target, method, reply.status) == (target, method, 405)
            assert "GET" in reply.headers["allow"]

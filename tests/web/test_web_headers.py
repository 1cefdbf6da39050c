import pytest
from browser import Browser
from ledger_world import World
from site_map import answers, files, pages, probes

from ledger.reader import Reader
from web.headers import policy_of


def test_every_address_answers_with_the_headers_that_all_have(site: Browser, world: World) -> None:
    size = world.reader.tree_size()
    for target in (*pages(world), *answers(world), *files(world)):
        reply = site.get(target)
        assert (target, reply.status) == (target, 200)
        assert reply.headers["content-security-policy"] == policy_of(target)
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["ledger-tree-size"] == str(size)
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert "set-cookie" not in reply.headers
        assert reply.repeated == ()
        machine = target.startswith(("/api/", "/feeds/", "/log/", "/oembed"))
        # The feed attaches the permalinks with these endings.
        machine = machine or target.partition("?")[0].endswith((".json", ".proof", ".csv", ".bib"))
        assert reply.headers.get("access-control-allow-origin") == ("*" if machine else None)


def test_head_has_the_headers_of_get_and_no_body(site: Browser, world: World) -> None:
    for target in (
        *pages(world),
        *answers(world),
        *files(world),
        *probes(),
        "/",
        "/en/nothing",
        "/api/v1/x",
    ):
        get, head = site.get(target), site.request("HEAD", target)
        assert head.status == get.status
        assert head.body == b""
        different = {"date"}
        assert {k: v for k, v in head.headers.items() if k not in different} == {
            k: v for k, v in get.headers.items() if k not in different
        }


def test_what_the_client_has_is_not_sent_again(
    site: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {target: site.get(target).headers["etag"] for target in (*pages(world), *answers(world))}

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a view was opened for a page that the client has")

    monkeypatch.setattr(Reader, "at", refuse)
    for target, tag in tags.items():
        for given in (tag, f"W/{tag}", f'"other", {tag}'):
            reply = site.get(target, if_none_match=given)
            assert (target, reply.status, reply.body) == (target, 304, b"")
            assert reply.headers["etag"] == tag
            assert "content-length" not in reply.headers


def test_an_answer_names_the_tree_that_it_was_made_from(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    for target in ("/en/jobs?at=2", "/api/v1/jobs?at=2"):
        first = shop.get(target)
        assert first.headers["ledger-tree-size"] == "2"
        again = shop.get(target, if_none_match=first.headers["etag"])
        assert (again.status, again.headers["ledger-tree-size"]) == (304, "2")
    assert shop.get("/api/v1/jobs").headers["ledger-tree-size"] == "3"


def test_addresses_that_differ_have_different_tags(site: Browser, world: World) -> None:
    targets = [*pages(world), *answers(world)]
    assert len({site.get(target).headers["etag"] for target in targets}) == len(targets)


def test_a_page_changes_its_tag_when_the_log_grows(fresh: World, shop: Browser) -> None:
    before = shop.get("/en/jobs")
    fresh.log(fresh.submission("one"))
    after = shop.get("/en/jobs", if_none_match=before.headers["etag"])
    assert after.status == 200
    assert after.headers["ledger-tree-size"] == "3"
    assert fresh.job_id("one") in after.text


def test_a_page_that_speaks_of_time_changes_with_it(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    job = f"/en/jobs/{fresh.job_id('one')}"
    pages = ("/en/embargo", "/en/", job, "/en/jobs", "/api/v1/embargo")
    before = {target: shop.get(target) for target in pages}
    still = shop.get("/en/log").headers["etag"]
    fresh.days(95)
    for target, old in before.items():
        new = shop.get(target, if_none_match=old.headers["etag"])
        assert new.status == 200
        assert new.body != old.body
    assert "6 days late" in shop.get(job).text
    assert "Overdue since" in shop.get("/en/jobs").text
    assert shop.get("/en/log").headers["etag"] == still


def test_an_earlier_size_looks_the_same_for_ever(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    fresh.run("one")
    size = fresh.reader.tree_size()
    job = fresh.job_id("one")
    targets = [
        f"{path}{'&' if '?' in path else '?'}at={size}"
        for path in (
            "/en/",
            "/en/jobs",
            "/en/embargo",
            "/en/log",
            "/en/about",
            f"/en/jobs/{job}",
            f"/en/jobs/{job}/proof",
            "/en/entries/1",
            "/api/v1/jobs",
            "/api/v1/embargo",
            "/api/v1/entries",
            "/api/v1/members",
            f"/api/v1/jobs/{job}/events",
            "/api/v1/consistency?from=2",
            "/feeds/published.json",
            f"/jobs/{job}.proof",
        )
    ]
    before = {target: shop.get(target) for target in targets}
    fresh.log(*[fresh.submission(f"more{n}") for n in range(20)])
    fresh.days(100)
    fresh.sweep()
    for target, old in before.items():
        assert old.status == 200
        new = shop.get(target)
        assert (target, new.body) == (target, old.body)
        assert new.headers["etag"] == old.headers["etag"]
        assert "immutable" in new.headers["cache-control"]


def test_who_was_told_of_an_entry_finds_it_at_once(fresh: World, shop: Browser) -> None:
    for number in range(5):
        accepted = fresh.log(fresh.submission(f"job{number}"))[0]
        reply = shop.get(f"/api/v1/entries/{accepted.index}")
        assert reply.status == 200
        assert int(reply.headers["ledger-tree-size"]) > accepted.index


def test_requests_that_come_together_share_one_look_up(
    site: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    real = Reader.newest

    def counted(self: Reader) -> object:
        nonlocal looked
        looked += 1
        return real(self)

    monkeypatch.setattr(Reader, "newest", counted)
    replies = site.together(*["/en/jobs"] * 40)
    assert {reply.status for reply in replies} == {200}
    assert looked <= 3


@pytest.mark.parametrize(
    "target", ["//en/jobs", "/en//embargo", "//api/v1/jobs", "/api//v1/jobs", "/en/jobs//", "//"]
)
def test_an_address_with_an_empty_part_is_none(site: Browser, target: str) -> None:
    for method in ("GET", "HEAD"):
        assert (target, site.request(method, target).status) == (target, 404)


def test_a_question_mark_in_a_path_begins_no_query(site: Browser, world: World) -> None:
    tag = site.get("/en/jobs?q=what?").headers["etag"]
    assert site.get("/en/jobs?q=what%3F", if_none_match=tag).status == 200
    assert site.get("/en/jobs%3Fq=what?", if_none_match=tag).status == 404


def test_browsers_of_other_sites_may_read_and_post(site: Browser) -> None:
    reply = site.request("OPTIONS", "/api/v1/statements")
    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "Content-Type" in reply.headers["access-control-allow-headers"]


def test_log_files_have_the_types_and_lifetimes_of_tlog_tiles(site: Browser, world: World) -> None:
    for target in files(world):
        headers = site.get(target).headers
        if target in {"/log/checkpoint", "/log/vkey"}:
            assert headers["content-type"] == "text/plain; charset=utf-8"
            assert "immutable" not in headers["cache-control"]
        else:
            assert headers["content-type"] == "application/octet-stream"
            assert headers["cache-control"] == "public, max-age=31536000, immutable"


def test_static_files_are_named_by_their_digest(site: Browser) -> None:
    page = site.get("/en/").text
    start = page.index("/static/")
    address = page[start : page.index('"', start)]
    reply = site.get(address)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/css")
    assert "immutable" in reply.headers["cache-control"]
    assert site.get("/static/../app.py").status == 404
    assert site.get("/static/site.css").status == 404

"""The charter as data, and what was refused and found, on pages, in the API and in feeds."""

import csv
import re

import pytest
from browser import Browser
from ledger_world import HOSTILE, World

LANGUAGES = ("en", "zh-Hans")


def _versions(site: Browser) -> list[dict[str, object]]:
    found: list[dict[str, object]] = site.get("/api/v1/charters").json()["data"]
    return found


def test_the_version_in_force_is_the_newest_whose_time_has_come(
    site: Browser, world: World
) -> None:
    coming, now, first = _versions(site)
    assert (first["index"], first["signed_by"], first["signatures_needed"]) == (0, [], None)
    assert (now["replaces"], now["signed_by"], now["signatures_needed"]) == (0, ["council"], 1)
    assert coming["replaces"] == now["index"]
    assert first["in_force_until"] == now["in_force_from"]
    assert now["in_force_until"] == coming["in_force_from"]
    assert coming["in_force_until"] is None
    answer = site.get("/api/v1/charter").json()["data"]
    assert (answer["in_force"], answer["coming"]) == (now, coming)
    assert answer["in_force"]["rules"]["admission_hours"] == 100
    for limit in (1, 2):
        page = site.get(f"/api/v1/charters?limit={limit}").json()
        assert page["data"] == [coming, now, first][:limit]
        rest = site.get(page["page"]["next"].removeprefix("https://ledger.example")).json()
        assert rest["data"] == [coming, now, first][limit : 2 * limit]


def test_an_older_tree_knows_no_later_version(site: Browser) -> None:
    coming, now, _first = _versions(site)
    for later, known in ((coming, now), (now, None)):
        at = later["index"]
        answer = site.get(f"/api/v1/charter?at={at}").json()["data"]
        assert answer["coming"] is None
        assert answer["in_force"]["index"] == (known["index"] if known else 0)
        for tag in LANGUAGES:
            page = site.get(f"/{tag}/charter?at={at}").text
            assert f'id="version-{at}"' not in page
            assert 'id="coming"' not in page


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_page_shows_rules_signers_changes_and_what_is_to_come(site: Browser, tag: str) -> None:
    coming, now, first = _versions(site)
    page = site.get(f"/{tag}/charter").text
    for version in (coming, now, first):
        assert f'id="version-{version["index"]}"' in page
    assert f'href="/{tag}/members/council"' in page
    assert f"/entries/{now['index']}.proof?at=" in page
    announced = page[page.index('id="coming"') : page.index('id="rules"')]
    assert '<code class="quiet">embargo_days</code>' in announced
    assert '<code class="quiet">gpu_total</code>' not in announced
    assert re.search(r"90\D+→\D+60", announced)
    # Whoever comes to the front page sees that rules are about to change.
    assert 'id="coming"' in site.get(f"/{tag}/").text
    assert 'id="coming"' not in site.get(f"/{tag}/?at=3").text
    assert f'href="/{tag}/charter"' in page  # the directory at its foot


@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_job_in_quarantine_says_so_first_and_one_that_is_not_never(
    site: Browser, world: World, tag: str
) -> None:
    page = site.get(f"/{tag}/jobs/{world.jobs['changed']}").text
    assert page.index('id="quarantine"') < page.index('class="figures"')
    assert "R1_digest_mismatch" in page[page.index('id="findings"') :]
    assert "The receipt was used before." in page[page.index('id="refused"') :]
    other = site.get(f"/{tag}/jobs/{world.jobs['sealed']}").text
    assert 'id="quarantine"' not in other
    assert 'id="findings"' not in other
    assert 'id="refused"' not in other


def test_what_was_found_is_listed_counted_and_filtered_as_of_every_tree(
    site: Browser, world: World
) -> None:
    job = world.jobs["changed"]
    (finding,) = site.get("/api/v1/findings").json()["data"]
    assert (finding["job_id"], finding["quarantines"]) == (job, True)
    used, unknown = site.get("/api/v1/refusals").json()["data"]
    assert (used["job_id"], unknown["job_id"]) == (job, None)
    assert unknown["finding"] == f"No receipt for {HOSTILE}."
    codes = {each["code"]: each for each in site.get("/api/v1/rejections/codes").json()["data"]}
    assert (codes["R3_missing_record"]["starts"], codes["R3_missing_record"]["runs"]) == (2, 0)
    assert (codes["R1_digest_mismatch"]["starts"], codes["R1_digest_mismatch"]["runs"]) == (0, 1)

    def chosen(query: str) -> list[str]:
        found = site.get(f"/api/v1/jobs?finding=R1_digest_mismatch{query}").json()["data"]
        assert all(each["quarantined"] for each in found)
        return [each["job_id"] for each in found]

    assert chosen("") == [job]
    assert chosen("&state=failed") == []
    at = finding["index"]
    assert chosen(f"&at={at}") == []
    assert chosen(f"&at={at + 1}") == [job]
    assert site.get(f"/api/v1/findings?at={at}").json()["data"] == []
    assert site.get(f"/api/v1/jobs/{job}?at={at}").json()["data"]["job"]["finding_code"] is None
    items = site.get("/feeds/jobs.json?finding=R1_digest_mismatch").json()["items"]
    assert [item["_apsci"]["index"] for item in items] == [at]
    rows = csv.DictReader(site.get("/jobs.csv").text.splitlines())
    marked = [row for row in rows if row["finding_code"]]
    assert [(row["job_id"], row["quarantined"]) for row in marked] == [(job, "true")]


def test_the_feed_of_findings_has_refused_starts_too_and_no_markup_of_theirs(
    site: Browser, world: World
) -> None:
    items = site.get("/feeds/findings.json").json()["items"]
    assert [item["_apsci"]["kind"] for item in items] == ["refused", "refused", "finding"]
    assert items[0]["url"].endswith(f"/jobs/{world.jobs['changed']}")
    assert items[1]["url"] == items[1]["id"]
    assert [item["_apsci"]["codes"] for item in items] == [
        ["R3_missing_record"],
        ["R3_missing_record"],
        ["R1_digest_mismatch"],
    ]
    assert "<script>" not in site.get("/en/rejections").text
    assert site.get("/feeds/findings.atom").status == 200

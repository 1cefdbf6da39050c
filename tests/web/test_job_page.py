"""The page of one job and its files: what is said about it, and how it is cited."""

import csv
import io
import json
import re

import msgspec
import pytest
from browser import Browser
from ledger_world import HOSTILE, World

from ledger.records.deadline import format_time
from schemas.answers import JobShown, LedgerState
from web.files import citations, csv_text, qr
from web.files.citations import Cited
from web.i18n import LANGUAGES, speaking
from web.telling import amounts, meanings, vocabulary
from web.telling.sentences import calling

BRACES = "}, author = {Mallory} \\input{x} $a_b^c~d% # & @misc{"


def _job(world: World, name: str) -> JobShown:
    with world.reader.at() as view:
        return view.job(world.job_id(name)).job


def _cited(world: World, name: str, title: str | None = None) -> Cited:
    with world.reader.at() as view:
        job = view.job(world.job_id(name)).job
        state: LedgerState = view.state()
    if title is not None:
        job = msgspec.structs.replace(job, title=title)
    return Cited(job=job, state=state, origin="log.example/x", url="https://l.example/jobs/J")


def _bibtex_fields(text: str) -> dict[str, str]:
    """The fields of one entry, read as BibTeX does: by counting braces, backslashes or not."""
    found: dict[str, str] = {}
    head = re.match(r"@misc\{([A-Za-z0-9-]+),\n", text)
    assert head
    at = head.end()
    while text[at] != "}":
        name = re.compile(r"\s*([a-z]+) = ").match(text, at)
        assert name
        at = begin = name.end()
        depth = 0
        while depth or text[at] not in ",\n":
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        found[name[1]] = text[begin:at]
        at = re.compile(r",?\n").match(text, at).end()  # type: ignore[union-attr]
    assert text[at:] == "}\n"
    return found


def test_a_corrected_field_says_so_where_it_stands_and_in_a_list(
    site: Browser, world: World
) -> None:
    text = site.get(f"/en/jobs/{world.job_id('early')}").text
    assert "What was corrected" in text
    assert "a typing mistake" in text
    assert re.search(r"should have been 16 \(entry <a", text)
    row = text[text.index("What was corrected") :]
    assert row.index("nvidia") > row.index("<strong>16</strong>")


def test_a_job_that_was_corrected_without_end_has_a_page_all_the_same(
    fresh: World, shop: Browser
) -> None:
    index = fresh.log(fresh.submission("one"))[0].index
    said = {"corrects": index, "field": "gpu_count", "reason": "A slip."}
    given = [said | {"value": str(number)} for number in range(1_000, 1_220)]
    fresh.log(
        *(
            fresh.statement("alpha", "corrected", "job-corrected/1", each, job="one")
            for each in given
        )
    )
    page = shop.get(f"/en/jobs/{fresh.job_id('one')}").text
    assert page.count('<li class="t-') == page.count("</strong></td>") == 200
    assert page.count("The 200 latest are shown.") == 2
    assert page.count('<p class="correction">') == 5
    assert "<strong>1,219</strong>" in page
    assert shop.get(f"/jobs/{fresh.job_id('one')}.csv").text.count("\n") == 223


def test_a_correction_is_not_known_before_it_was_logged(site: Browser, world: World) -> None:
    with world.reader.at() as view:
        found = [e for e in view.events(world.job_id("early")) if e.kind == "corrected"]
    address = f"/en/jobs/{world.job_id('early')}?at={found[0].index}"
    assert "What was corrected" not in site.get(address).text


def test_a_page_says_how_the_weights_were_checked(site: Browser, world: World) -> None:
    text = site.get(f"/en/jobs/{world.job_id('opened')}").text
    assert meanings.CHECKS["oms_root"] in text
    sealed = site.get(f"/en/jobs/{world.job_id('many3')}").text
    assert "That is said when the run has ended." in sealed


def test_changed_weights_are_said_in_the_first_sentences(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("changed"))
    begun = format_time(fresh.clock.now)
    started = {"started_at": begun, "gpu_count": 8}
    fresh.log(fresh.statement("orchestrator", "started", "job-started/1", started, job="changed"))
    ended = {
        "started_at": begun,
        "ended_at": begun,
        "wall_seconds": 0,
        "gpu_seconds": 0,
        "h200e_seconds": 0,
        "h200e_basis": "<basis>",
        "exit_status": "policy",
        "weights_unchanged": False,
        "weights_check": "tee_attestation",
    }
    kind = "terminated_by_policy"
    fresh.log(fresh.statement("orchestrator", kind, "job-ended/1", ended, job="changed", sealed={}))
    text = shop.get(f"/en/jobs/{fresh.job_id('changed')}").text
    assert "The weights of the model were found to have changed: it is in quarantine." in text
    assert '<section id="weights" class="box box-rejected">' in text
    assert "&lt;basis&gt;" in text


def test_a_rejected_job_has_its_rule_explained(site: Browser, world: World) -> None:
    text = site.get(f"/en/jobs/{world.job_id('rejected')}").text
    assert meanings.FINDINGS["R1_forbidden_workload"] in text
    assert "The job never ran" in text


def test_what_is_withheld_says_why_and_until_when(site: Browser, world: World) -> None:
    text = site.get(f"/en/jobs/{world.job_id('withheld')}").text
    assert "It could help to attack computers" in text
    assert "Until a review by" in text


def test_every_check_and_finding_is_explained_in_every_language() -> None:
    for tag in LANGUAGES:
        with speaking(tag):
            texts = [vocabulary.code_meaning("weights_check", code) for code in meanings.CHECKS]
            texts += [vocabulary.code_meaning("rejection_code", code) for code in meanings.FINDINGS]
        assert all(texts)
        assert len(set(texts)) == len(texts)


def test_the_pinned_address_is_on_the_page_and_in_its_qr_code(site: Browser, world: World) -> None:
    job, size = world.job_id("opened"), world.reader.tree_size()
    address = f"https://ledger.example/jobs/{job}?at={size}"
    for target in (f"/en/jobs/{job}", f"/en/jobs/{job}?at={size}"):
        text = site.get(target).text
        assert f">{address}</pre>" in text
        assert qr.encode(address).path in text


def test_a_qr_code_has_its_three_corners_and_a_white_border() -> None:
    code = qr.encode("https://ledger.example/jobs/01J?at=3")
    dark = set()
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", code.path):
        dark |= {(int(x) + n, int(y)) for n in range(int(width))}
    first, last = qr.QUIET, code.size - qr.QUIET - 1
    assert {min(x for x, _ in dark), min(y for _, y in dark)} == {first}
    assert {max(x for x, _ in dark), max(y for _, y in dark)} == {last}
    for corner_x, corner_y in ((first, first), (last - 6, first), (first, last - 6)):
        edge = {(corner_x + n, corner_y) for n in range(7)}
        assert edge <= dark
        assert (corner_x + 1, corner_y + 1) not in dark


def test_the_citation_files_name_the_size_the_root_and_the_day(site: Browser, world: World) -> None:
    job = world.job_id("opened")
    with world.reader.at() as view:
        state = view.state()
    bib = site.get(f"/jobs/{job}.bib")
    fields = _bibtex_fields(bib.text)
    assert fields["title"] == "{{How refusals generalise}}"
    assert fields["author"] == "{{Alpha Lab}}"
    assert state.root in fields["note"]
    assert fields["url"] == f"{{https://ledger.example/jobs/{job}?at={state.tree_size}}}"
    assert fields["urldate"] == f"{{{state.logged_at[:10]}}}"
    (item,) = site.get(f"/jobs/{job}.csl.json").json()
    assert item["title"] == "How refusals generalise"
    assert item["accessed"]["date-parts"] == [[int(n) for n in state.logged_at[:10].split("-")]]
    assert f"tree size {state.tree_size}, root {state.root}" in item["note"]


@pytest.mark.parametrize("title", [BRACES, HOSTILE, "a\nb", "{{{", "\\", "安全评测 100 %"])
def test_no_title_breaks_out_of_a_citation(world: World, title: str) -> None:
    cited = _cited(world, "opened", title)
    with speaking("en"), calling({}):
        text = citations.bibtex(cited)
        (item,) = json.loads(citations.csl_text(cited))
        shown = cited.title
    fields = _bibtex_fields(text)
    assert set(fields) == {
        *("author", "title", "howpublished", "year", "month", "note", "url", "urldate")
    }
    assert fields["title"] == f"{{{{{citations.tex(shown)}}}}}"
    assert fields["author"] == "{{alpha}}"
    assert item["title"] == shown


def test_tex_gets_every_sign_as_itself() -> None:
    assert citations.tex("50% of {A_1} & $x^2$ ~ #3 \\n") == (
        r"50\% of \textbraceleft{}A\_1\textbraceright{} \& \$x\textasciicircum{}2\$"
        r" \textasciitilde{} \#3 \textbackslash{}n"
    )


def test_the_history_is_a_csv_of_every_entry(site: Browser, world: World) -> None:
    job = world.job_id("early")
    reply = site.get(f"/jobs/{job}.csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    with world.reader.at() as view:
        events = view.events(job)
    assert [int(row["index"]) for row in rows] == [event.index for event in events]
    assert [row["kind"] for row in rows][-1] == "corrected"
    assert json.loads(rows[-1]["public_json"])["value"] == "16"
    assert rows[-1]["about_index"] == str(events[0].index)


def test_a_spreadsheet_finds_no_formula_in_a_cell() -> None:
    cells = ["=1+1", "+1", "-1", "@x", "\t=1", "\uff1d1", "a\0b", "plain", 5, -5, None, True]
    text = csv_text.encode(["a"], [[cell] for cell in cells], bom=True)
    assert text.startswith(csv_text.BOM)
    rows = list(csv.reader(io.StringIO(text.removeprefix(csv_text.BOM).decode())))
    found = [row[0] if row else "" for row in rows[1:]]
    assert found[:7] == ["'=1+1", "'+1", "'-1", "'@x", "'\t'=1", "'\uff1d1", "a\ufffdb"]
    assert found[7:] == ["plain", "5", "-5", "", "true"]


def test_a_spreadsheet_finds_no_formula_where_it_parts_a_cell() -> None:
    cells = ["a;=1", 'a;"=1', "a\n=1", "a\r\n@x", "a\t+1", "a;\uff1d1", "a; b", "a=b;c-d", "a,b"]
    rows = csv.reader(io.StringIO(csv_text.encode(["a"], [[cell] for cell in cells]).decode(), ""))
    assert [row[0] for row in rows][1:] == [
        *("a;'=1", "a;\"'=1", "a\n'=1", "a\r\n'@x", "a\t'+1", "a;'\uff1d1"),
        *("a; b", "a=b;c-d", "a,b"),
    ]


def test_files_of_a_job_that_is_not_there_are_not_there(site: Browser) -> None:
    for suffix in (".csv", ".bib", ".csl.json"):
        reply = site.get(f"/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV{suffix}")
        assert reply.status == 404
        assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("value", "field", "shown"),
    [
        (7_200, "gpu_seconds", "2.0"),
        ("7200", "gpu_seconds", "2.0"),
        ("1000000", "egress_bytes", "1 MB"),
        ("16", "gpu_count", "16"),
        ("oms_root", "weights_check", "digest of the weights before and after"),
        ("<b>", "anything", "&lt;b&gt;"),
        (["auxiliary_sae"], "optimizer_targets", "A separate sparse autoencoder"),
        ("soon", "ended_at", "soon"),
        ("soon\u202e", "ended_at", "soon\ufffd"),
        ("<b>\u202e\0", "exit_status", "&lt;b&gt;\ufffd\u2400"),
        ("9" * 30, "gpu_seconds", "9" * 30),
    ],
)
def test_a_value_is_shown_in_the_unit_that_its_field_is_shown_in(
    value: object, field: str, shown: str
) -> None:
    with speaking("en"):
        assert str(amounts.amount(value, field)).replace("\u00a0", " ").startswith(shown)

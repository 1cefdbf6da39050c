"""The questions on the site: the bytes of the bulk file, as of a size, and nothing before."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from ledger_world import PLAN, World

from ledger.__main__ import run
from ledger.assembly.questions import EXTRAS, SIGNALS
from ledger.exports import export
from ledger.records.deadline import format_time
from ledger.records.sketch import format_sketch, sketch_prompts
from ledger.signals.report import QUESTIONS
from ledger.signals.words import WORDS as FILE_WORDS
from schemas.signals import Signal, SignalMeasure
from web.app import create_app
from web.i18n import speaking
from web.telling.signal_words import (
    MEASURES,
    WORDS,
    cell,
    columns_of,
    measure_label,
    times,
    words_of,
)

HARVEST = "preference_harvest"


def ended(world: World, job: str, *, prompts: int, name: str) -> None:
    """Let a job run that ranks two answers to each of ``prompts`` prompts."""
    begun = format_time(world.clock.now)
    world.log(
        world.statement(
            "orchestrator",
            "started",
            "job-started/1",
            {"started_at": begun, "gpu_count": 8},
            job=job,
        )
    )
    world.clock.now += 60
    public = {
        "started_at": begun,
        "ended_at": format_time(world.clock.now),
        "wall_seconds": 60,
        "gpu_seconds": 480,
        "h200e_seconds": 480,
        "h200e_basis": "table/1",
        "exit_status": "completed",
        "weights_unchanged": True,
        "weights_check": "oms_root",
    }
    sketch = format_sketch(sketch_prompts(f"{name} {n}" for n in range(50)))
    sealed = {
        "completions": {
            "count": 2 * prompts,
            "output_type": "pairwise",
            "per_prompt_histogram": [{"completions": 2, "prompts": prompts}],
        },
        "prompts.sketch": {"scale": sketch.scale, "hashes": list(sketch.hashes)},
    }
    world.log(
        world.statement("orchestrator", "completed", "job-ended/2", public, job=job, sealed=sealed)
    )


def submitted(world: World, job: str, *, title: str, weights: str = "ab") -> None:
    """A plan that tells its model."""
    sealed = {
        "title": title,
        "model.name": "whale",
        "model.weights_digest": {"sha256": weights * 32},
        "model.parameter_count": 8_030_000_000,
        "model.dtype": "bf16",
    }
    body = world.statement("beta", "submitted", "job-submitted/1", PLAN, job=job, sealed=sealed)
    world.log(body)


def history(world: World, *, prompts: int = 3_000, name: str = "question") -> World:
    """Two jobs that together rank answers to 6,000 prompts; both still sealed."""
    for job in ("one", "two"):
        submitted(world, job, title=f"canary-title-{name}")
        ended(world, job, prompts=prompts, name=name)
    return world


def answer(shop: Browser, path: str = "/api/v1/signals") -> dict[str, Any]:
    """What the API says, without its envelope."""
    reply = shop.get(path)
    assert reply.status == 200, reply.text
    data: dict[str, Any] = json.loads(reply.body)["data"]
    return data


def document(shop: Browser, path: str = "/api/v1/signals") -> bytes:
    """The bytes of the document in the API's answer."""
    found = re.search(rb'"document":(\{.*\})\},"ledger":', shop.get(path).body)
    assert found is not None
    return found[1]


def test_before_anything_was_computed_page_and_answer_say_so(shop: Browser, fresh: World) -> None:
    history(fresh)
    empty = {"path": None, "sha256": None, "manifest_index": None, "document": None}
    assert answer(shop) == empty
    assert "Nothing has been computed yet" in shop.get("/en/signals").text
    assert "还没有算出任何结果" in shop.get("/zh-Hans/signals").text


def test_the_command_gives_the_bytes_of_the_answer_from_files_and_from_the_database(
    shop: Browser, fresh: World, capfdbinary: pytest.CaptureFixture[bytes], database_url: str
) -> None:
    history(fresh)
    fresh.days(91)
    fresh.sweep()
    name = fresh.ledger.bulk.make()
    size = int(name.rpartition("-")[2])
    folder = fresh.ledger.bulk_dir / name
    served = document(shop)
    file = (folder / SIGNALS).read_bytes()
    assert file == served + b"\n"
    assert shop.get(answer(shop)["path"]).body == file
    capfdbinary.readouterr()
    for arguments in (
        ["signals", "--bulk", str(folder)],
        ["signals", "--bulk", str(fresh.ledger.bulk_dir)],
        ["signals", "--database", database_url, "--at", str(size)],
    ):
        assert run(arguments) == 0
        assert capfdbinary.readouterr().out == file
    [harvest] = [each for each in json.loads(served)["signals"] if each["code"] == HARVEST]
    [row] = harvest["evidence"]
    assert (row["member"], row["score"], row["job_count"]) == ("beta", 120, 2)


def test_what_is_sealed_raises_no_question_and_is_not_even_counted(
    shop: Browser, fresh: World
) -> None:
    history(fresh, name="canary-prompt")
    fresh.ledger.bulk.make()
    before = document(shop)
    assert b"canary" not in before
    sketch = format_sketch(sketch_prompts(f"canary-prompt {n}" for n in range(50)))
    everything = b"".join(
        shop.get(path).body for path in ("/en/signals", "/zh-Hans/signals", "/api/v1/signals")
    )
    for secret in (*sketch.hashes, "ab" * 32, "8030000000", "pairwise", "6,000", "6000"):
        assert secret.encode() not in everything.replace(FILE_WORDS[HARVEST].method.encode(), b"")
    [harvest] = [each for each in json.loads(before)["signals"] if each["code"] == HARVEST]
    assert (harvest["tested"], harvest["count"], harvest["evidence"]) == (0, 0, [])
    fresh.days(91)
    fresh.sweep()
    fresh.ledger.bulk.make()
    [harvest] = [each for each in json.loads(document(shop))["signals"] if each["code"] == HARVEST]
    assert (harvest["tested"], harvest["count"]) == (2, 1)


def test_ledgers_that_differ_in_what_is_sealed_alone_have_the_same_answers(tmp_path: Path) -> None:
    said = []
    for number, prompts in enumerate((3_000, 17)):
        with World(tmp_path / str(number)) as world:
            history(world, prompts=prompts, name=f"set {number}")
            name = world.ledger.bulk.make()
            made = json.loads((world.ledger.bulk_dir / name / SIGNALS).read_bytes())
            said.append((made["root"], made["signals"], made["tree_size"]))
    (one_root, *one), (other_root, *other) = said
    assert one == other
    assert one_root != other_root


def test_as_of_a_size_the_answer_is_that_of_the_files_which_were_logged_by_then(
    shop: Browser, fresh: World
) -> None:
    history(fresh)
    fresh.ledger.bulk.make()
    index = answer(shop)["manifest_index"]
    assert answer(shop, f"/api/v1/signals?at={index}")["document"] is None
    pinned = f"/api/v1/signals?at={index + 1}"
    first = document(shop, pinned)
    page = shop.get(f"/en/signals?at={index + 1}").body
    fresh.days(91)
    fresh.sweep()
    fresh.ledger.bulk.make()
    assert document(shop) != first
    with Browser(create_app(fresh.ledger, public_url="https://ledger.example")) as another:
        assert document(another, pinned) == first
        assert another.get(f"/en/signals?at={index + 1}").body == page
        assert answer(another, f"/api/v1/signals?at={index}")["document"] is None


def test_every_row_leads_to_its_jobs_and_every_text_is_there_in_both_languages(
    shop: Browser, fresh: World
) -> None:
    history(fresh)
    fresh.days(91)
    fresh.sweep()
    fresh.ledger.bulk.make()
    for tag, words in (
        ("en", "Ranked answers to many prompts"),
        ("zh-Hans", "对大量提示词的回答作了排序"),
    ):
        text = shop.get(f"/{tag}/signals").text
        assert words in text
        assert text.count("<details>") == len(WORDS) + 1
        for job in fresh.jobs.values():
            assert f'href="/{tag}/jobs/{job}"' in text
        links = re.findall(rf'href="(/{tag}/(?:jobs|entries)/[^"?#]+)"', text)
        assert len(links) >= 10
        assert {shop.get(link).status for link in links} == {200}


def test_files_of_an_older_tree_that_are_logged_later_change_nothing(
    shop: Browser, fresh: World
) -> None:
    history(fresh)
    older = fresh.reader.tree_size()
    fresh.days(91)
    fresh.sweep()
    bulk = fresh.ledger.bulk
    bulk.make()
    newest = answer(shop)
    export(fresh.ledger.store, bulk.folder, public_url="x", size=older, extras=EXTRAS)
    assert bulk.log_manifests() == 1
    assert answer(shop) == newest
    assert newest["document"]["tree_size"] > older


def test_what_a_later_version_asks_is_shown_in_its_own_words() -> None:
    measure = SignalMeasure("moons", "count")
    asked = Signal("later", "Title", "Why?", "So.", "No.", (), (measure,), (), 1, 1, ())
    assert words_of(asked) == ("Title", "Why?", "So.", "No.")
    assert columns_of(asked) == []
    with speaking("zh-Hans"):
        assert measure_label(measure) == "moons"
        assert cell(measure, 1_234) == "1,234"
        assert cell(SignalMeasure("moon", "phase"), "<new>") == "<new>"
        assert cell(SignalMeasure("workload_type", "code"), "eval_suite") == "评测套件"
        assert cell(SignalMeasure("month", "code"), "2026-10") == "2026年10月"
    assert times(155) == "1.6 \N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize("damage", ["gone", "changed", "replaced"])
def test_files_that_are_not_those_of_the_log_are_not_shown(
    shop: Browser, fresh: World, damage: str
) -> None:
    history(fresh)
    folder = fresh.ledger.bulk_dir / fresh.ledger.bulk.make()
    file, sums = folder / SIGNALS, folder / "SHA256SUMS"
    kept = file.read_bytes(), sums.read_bytes()
    if damage == "gone":
        sums.unlink()
    elif damage == "changed":
        file.write_bytes(kept[0].replace(b'"count":0', b'"count":9', 1))
    else:
        sums.write_bytes(kept[1].replace(b"0", b"1", 1))
    for path in ("/en/signals", "/api/v1/signals"):
        assert shop.get(path).status == 503
    file.write_bytes(kept[0])
    sums.write_bytes(kept[1])
    assert shop.get("/api/v1/signals").status == 200


def test_the_words_of_the_site_are_those_of_the_file_and_every_column_has_some() -> None:
    assert {code: tuple(words) for code, words in WORDS.items()} == {
        code: tuple(words) for code, words in FILE_WORDS.items()
    }
    columns = {
        name
        for each in QUESTIONS.values()
        for measures in (each.measures, each.job_measures)
        for name in measures
    }
    assert columns == MEASURES.keys()
    assert QUESTIONS.keys() == WORDS.keys()

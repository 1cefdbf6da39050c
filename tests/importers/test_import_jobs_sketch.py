"""The sketch of an evaluation's prompts: made where they are at hand, and never a word of them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jobs_world import FIXTURES, Imported, Importer
from kit import MADE_AT, SIGNERS
from msgspec import to_builtins

from ledger.importers import json_pieces
from ledger.records.authoring import author_statement
from ledger.records.sketch import format_sketch, sketch_prompts

PROMPTS = ["canary: what is 1+1?", "canary: what is 2+2?", "Canary:  what is 1+1?"]


@pytest.fixture
def importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    return Importer(tmp_path, capsys)


def log_of(importer: Importer, *inputs: object) -> Path:
    """An inspect_ai log with these inputs, and everything else of its samples full of canaries."""

    def change(value: Any) -> None:
        value["samples"] = [
            {"id": n, "epoch": 1, "input": each, "target": "canary", "messages": [{"x": "canary"}]}
            for n, each in enumerate(inputs)
        ]

    return importer.changed("inspect_log.json", change)


def sketch_of(found: Imported) -> Any:
    ended = found.drafts()[-1]
    assert ended["schema"] == "job-ended/2"
    return ended["sealed"]["prompts.sketch"]


def expected(*prompts: str) -> Any:
    return json.loads(json.dumps(to_builtins(format_sketch(sketch_prompts(prompts)))))


def test_a_sketch_is_made_of_the_distinct_prompts_and_nothing_else_is_kept(
    importer: Importer,
) -> None:
    found = importer.ok(log_of(importer, *PROMPTS), "--sketch-prompts")
    assert sketch_of(found) == expected(*PROMPTS)
    assert len(sketch_of(found)["hashes"]) == 2
    assert "canary" not in found.written().lower()
    ended = found.drafts()[-1]
    author_statement(
        signer=SIGNERS["orchestrator"],
        kind=ended["kind"],
        schema=ended["schema"],
        public=ended["public"],
        made_at=MADE_AT,
        job_id=ended["job_id"],
        sealed=ended["sealed"],
        seed=bytes(32),
    )


def test_without_being_asked_no_sample_is_read(importer: Importer) -> None:
    plain = importer.ok(log_of(importer, *PROMPTS, {"not": "a prompt"}))
    assert plain.drafts()[-1]["schema"] == "job-ended/1"
    assert "prompts.sketch" not in plain.drafts()[-1]["sealed"]


def test_of_messages_those_of_the_user_are_the_prompt(importer: Importer) -> None:
    messages = [
        {"role": "system", "content": "You are a canary."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "canary"},
        {"role": "user", "content": [
            {"type": "text", "text": "two"}, {"type": "image", "image": "attachment://0"},
        ]},
    ]  # fmt: skip
    found = importer.ok(log_of(importer, messages), "--sketch-prompts")
    assert sketch_of(found) == expected("one\ntwo")


@pytest.mark.parametrize(
    "odd",
    [
        "",
        " \n",
        [],
        None,
        "attachment://0a1b",
        [{"role": "assistant", "content": "hello"}],
        [{"role": "user", "content": [{"type": "image", "image": "data:"}]}],
        [{"role": "user", "content": "attachment://0a1b"}],
    ],
)
def test_where_one_prompt_has_no_text_there_is_no_sketch_and_the_report_says_so(
    importer: Importer, odd: object
) -> None:
    found = importer.ok(log_of(importer, PROMPTS[0], odd), "--sketch-prompts")
    assert found.drafts()[-1]["schema"] == "job-ended/1"
    assert "prompts.sketch" not in found.drafts()[-1]["sealed"]
    (left_out,) = [
        each for each in found.report["findings"] if each["field"] == "sealed.prompts.sketch"
    ]
    assert left_out["code"] == "left_out"
    assert left_out["where"][0]["place"] == "samples[1].input"


def test_a_log_without_samples_has_no_sketch_and_the_report_says_so(importer: Importer) -> None:
    for file in (
        log_of(importer),
        importer.changed("inspect_log.json", lambda value: value.update(samples=None)),
        importer.changed("inspect_log.json", lambda value: value.pop("samples", None)),
    ):
        found = importer.ok(file, "--sketch-prompts")
        assert "missing (sealed.prompts.sketch)" in found.out
        assert found.drafts()[-1]["schema"] == "job-ended/1"


@pytest.mark.parametrize("name", ["slurm_v0041.json", "kueue_v1beta1.json", "lm_eval_results.json"])
def test_what_holds_no_prompts_is_refused_a_sketch(importer: Importer, name: str) -> None:
    assert "holds no prompts" in importer.refused(FIXTURES / name, "--sketch-prompts")


@pytest.mark.parametrize(
    "odd", [7, {"text": "canary"}, [7], [{"role": 7}], [{"role": "user", "content": 7}]]
)
def test_a_prompt_of_another_shape_is_refused_without_a_word_of_it(
    importer: Importer, odd: object
) -> None:
    said = importer.refused(log_of(importer, odd), "--sketch-prompts")
    assert "samples[0].input" in said
    assert "canary" not in said


def test_a_sample_of_any_length_is_bounded(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_pieces, "_CHUNK", 512)
    monkeypatch.setattr(json_pieces, "MAX_PIECE_BYTES", 8192)
    file = log_of(importer, "x" * 10_000)
    assert "samples[0]: over 8192 bytes" in importer.refused(file, "--sketch-prompts")


class Dumped:
    """Something of inspect_ai's that dumps itself as its models do."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value

    def model_dump_json(
        self, *, include: set[str] | None = None, exclude: set[str] | None = None
    ) -> str:
        kept = {
            key: each
            for key, each in self.value.items()
            if (include is None or key in include) and key not in (exclude or ())
        }
        return json.dumps(kept)


def test_of_an_archive_the_samples_prompts_are_read_one_by_one(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = json.loads((FIXTURES / "inspect_log.json").read_text("utf-8")) | {"samples": None}
    archive = importer.folder / "log.eval"
    archive.write_bytes(b"PK\x03\x04 and more")
    asked: list[object] = []

    def read_eval_log(path: str, *, header_only: bool) -> Dumped:
        asked.append((path, header_only))
        return Dumped(header)

    def read_eval_log_samples(path: str, *, all_samples_required: bool) -> Iterator[Dumped]:
        asked.append((path, all_samples_required))
        yield from (Dumped({"input": each, "target": "canary"}) for each in PROMPTS)

    for name in ("inspect_ai", "inspect_ai.log"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    module = sys.modules["inspect_ai.log"]
    monkeypatch.setattr(module, "read_eval_log", read_eval_log, raising=False)
    monkeypatch.setattr(module, "read_eval_log_samples", read_eval_log_samples, raising=False)
    found = importer.ok(archive, "--sketch-prompts")
    assert sketch_of(found) == expected(*PROMPTS)
    assert asked == [(str(archive), True), (str(archive), False)]
    assert "canary" not in found.written().lower()
    assert len(list(found.folder.iterdir())) == 4

"""What is no such file, too large or malformed: one line with the place, nothing left behind."""

import json
import random
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from jobs_world import FIXTURES, Importer

from ledger.importers import jobs_file, json_pieces
from ledger.importers.json_pieces import LONG_LISTS, read_pieces
from ledger.importers.mapping import ImportRefused


@pytest.fixture
def importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    return Importer(tmp_path, capsys)


def set_in(value: Any, path: str, new: object) -> None:
    *steps, last = path.split(".")
    for step in steps:
        value = value[int(step)] if step.isdigit() else value[step]
    value[last] = new


WRONG: list[tuple[str, str, object, str]] = [
    ("slurm_v0041.json", "jobs.0.tres.allocated", "gres/gpu=8", r"jobs[0].tres.allocated: a list"),
    ("slurm_v0041.json", "jobs.0.time", [1], "jobs[0].time: an object is needed; this is a list"),
    ("slurm_v0041.json", "jobs.0.time.start", -1, "jobs[0].time.start: a number from 0"),
    ("slurm_v0041.json", "jobs.0.time.start", 12, "jobs[0].time.start: a time of this century"),
    ("slurm_v0041.json", "jobs.0.job_id", None, "jobs[0].job_id: the job's number is needed"),
    ("slurm_v0041.json", "jobs.0.time.limit", True, "jobs[0].time.limit: a whole number"),
    ("slurm_v0041.json", "jobs", {"job_id": 1}, "jobs: a list is needed"),
    ("kubernetes_job.json", "apiVersion", "batch/v2", "kind: a Job of batch/v1 or a Workload"),
    ("kubernetes_job.json", "status.startTime", "soon", "status.startTime: an RFC 3339 time"),
    ("kubernetes_job.json", "spec.parallelism", "2", "spec.parallelism: a whole number"),
    ("inspect_log.json", "stats.started_at", "2026-11-22T04:00:15", "stats.started_at: an RFC"),
    ("inspect_log.json", "results.total_samples", 1.5, "results.total_samples: a whole number"),
    ("lm_eval_results.json", "results.sums", 7, "results.*: an object is needed"),
]


@pytest.mark.parametrize("case", WRONG, ids=range(len(WRONG)))
def test_a_value_of_another_form_is_refused_with_its_place(
    importer: Importer, case: tuple[str, str, object, str]
) -> None:
    name, path, new, expected = case
    said = importer.refused(importer.changed(name, lambda value: set_in(value, path, new)))
    assert expected in said


TEXTS = {
    "": "the file ends within the beginning",
    "[]": "nothing but one object is read",
    "{}": "no jobs of a kind that is read",
    '{"jobs": []}': "no jobs of a kind that is read",
    '{"jobs": [{"job_id": 1}': "the file ends within jobs[0]",
    '{"jobs": [{"job_id": 1]}': "jobs[0]: not JSON: closed by the wrong bracket",
    '{"jobs": [{"job_id": 1, "job_id": 2}]}': "jobs[0]: not JSON: a key stands twice",
    '{"jobs": [{"job_id": %s}]}' % ("9" * 5000): "jobs[0]: not JSON: a number of too many digits",
    '{"jobs": [{"job_id" 1}]}': "jobs[0]: not JSON: Expecting ':'",
    '{"jobs": [1,]}': "jobs[0]: an object is needed",
    '{"jobs": null} more': "more after the object's end",
    '{"jobs" []}': "a colon is needed",
    '{"eval": {}, "eval": {}}': "stands twice",
    '{{"jobs": [{}1{}]}}'.format("[" * 70, "]" * 70): "jobs[0]: nested deeper than 64",
    '{{"eval": {}1{}}}'.format('{"a":' * 70, "}" * 70): "eval: nested deeper than 64",
    '{"items": [{"apiVersion": "v1", "kind": "Pod"}]}': "items[0].kind: a Job of batch/v1",
}


@pytest.mark.parametrize("text", list(TEXTS), ids=range(len(TEXTS)))
def test_what_is_no_such_file_is_refused_in_a_line(importer: Importer, text: str) -> None:
    assert TEXTS[text] in importer.refused(importer.text(text))


def test_a_file_that_is_not_there_or_of_another_format_is_refused(importer: Importer) -> None:
    assert "No such file" in importer.refused(importer.folder / "none.json")
    said = importer.refused(FIXTURES / "slurm_v0041.json", "--format", "kueue")
    assert "this is slurm, and --format says kueue" in said
    said = importer.refused(FIXTURES / "slurm_v0041.json", defaults="gpu_cuont = 1")
    assert "unknown field `gpu_cuont`" in said
    said = importer.refused(FIXTURES / "slurm_v0041.json", defaults="gpu_count = [")
    assert "defaults.toml: not TOML" in said


def test_two_formats_in_one_list_are_refused(importer: Importer) -> None:
    def add(value: Any) -> None:
        value["items"].append(json.loads((FIXTURES / "kueue_v1beta1.json").read_text()))

    said = importer.refused(importer.changed("kubernetes_job_list.json", add))
    assert "k8s-job and kueue in one file" in said


def test_an_existing_folder_is_not_written_to(importer: Importer) -> None:
    taken = importer.folder / "drafts-1"
    taken.mkdir()
    found = importer(FIXTURES / "slurm_v0041.json")
    assert (found.status, list(taken.iterdir())) == (2, [])
    assert "exists already" in found.err


def test_pieces_jobs_and_files_are_bounded_before_they_are_parsed(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_pieces, "_CHUNK", 512)
    with monkeypatch.context() as patch:
        patch.setattr(json_pieces, "MAX_PIECE_BYTES", 1024)
        assert "jobs[0]: over 1024 bytes" in importer.refused(FIXTURES / "slurm_v0041.json")
    with monkeypatch.context() as patch:
        patch.setattr(json_pieces, "MAX_FILE_BYTES", 2048)
        assert "over 2048 bytes" in importer.refused(FIXTURES / "slurm_v0045.json")
    with monkeypatch.context() as patch:
        patch.setattr(json_pieces, "MAX_ELEMENTS", 2)
        assert "at most 2 elements" in importer.refused(FIXTURES / "slurm_v0045.json")
    monkeypatch.setattr(jobs_file, "MAX_JOBS", 2)
    assert "more than 2 jobs" in importer.refused(FIXTURES / "slurm_v0045.json")


def test_samples_of_any_length_are_passed_over(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def many(file: Any) -> None:
        file["samples"] = [{"input": "x" * 300, "events": [{}] * 50}] * 200

    monkeypatch.setattr(json_pieces, "_CHUNK", 512)
    monkeypatch.setattr(json_pieces, "MAX_PIECE_BYTES", 8192)
    assert len(importer.ok(importer.changed("inspect_log.json", many)).drafts()) == 3


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1 << 18])
def test_a_file_is_cut_the_same_however_it_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    value = {
        "a": 'quotes " \\ and { [ , ] } in a text',
        "jobs": [{"x": [1, {"y": "\\"}]}, [], "text, ]", 7, None, {}],
        "b": [[], {"c": "d"}],
        "items": [],
        "e": -1.5e3,
        "读": "红队",
    }
    path = tmp_path / "file.json"
    monkeypatch.setattr(json_pieces, "_CHUNK", chunk)
    for text in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False) + "\n \n"):
        path.write_text(text, "utf-8")
        found = [(each.key, each.index, each.value()) for each in read_pieces(path)]
        jobs = [("jobs", index, each) for index, each in enumerate(value["jobs"])]  # type: ignore[arg-type]
        assert found == [("a", None, value["a"]), *jobs, ("b", None, value["b"]),
                         ("e", None, -1500), ("读", None, "红队")]  # fmt: skip


def test_a_damaged_file_is_cut_into_what_it_says_or_refused(tmp_path: Path) -> None:
    data = (FIXTURES / "slurm_v0041.json").read_bytes()
    path = tmp_path / "file.json"
    draw = random.Random(5)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(damaged))
            damaged[at : at + draw.randint(0, 2)] = draw.choice(
                (b"", b'"', b"{", b"]", b",", b"\\")
            )
        path.write_bytes(damaged)
        try:
            found = [each.value() for each in read_pieces(path)]
        except ImportRefused:
            refused += 1
        else:
            expected = []
            for key, value in json.loads(damaged).items():
                expected += value if key in LONG_LISTS and isinstance(value, list) else [value]
            assert found == expected
    assert refused > 200


def test_an_archive_of_inspect_is_read_by_inspect_or_said_to_need_it(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = importer.folder / "log.eval"
    archive.write_bytes(b"PK\x03\x04 and more")
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    assert "`inspect log dump`" in importer.refused(archive)

    def read_eval_log(path: str, *, header_only: bool) -> SimpleNamespace:
        assert (path, header_only) == (str(archive), True)
        text = (FIXTURES / "inspect_log.json").read_text("utf-8")
        return SimpleNamespace(model_dump_json=lambda exclude: text)

    for name in ("inspect_ai", "inspect_ai.log"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(
        sys.modules["inspect_ai.log"], "read_eval_log", read_eval_log, raising=False
    )
    found = importer.ok(archive)
    assert found.drafts()[0]["sealed"]["model.name"] == "mockllm/model"
    source = found.drafts()[0]["sealed"]["source"]
    assert source["record_digest"] == {"sha256": sha256(archive.read_bytes()).hexdigest()}
    assert len(list(found.folder.iterdir())) == 4

"""Files of other tools, changed and imported as a stranger would import them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.__main__ import run

FIXTURES = Path(__file__).parent / "fixtures"
FILES = sorted(each.name for each in FIXTURES.glob("*.json"))
DEFAULTS = """
workload_type = "sae_analysis"
gradient_scope = "none"
optimizer_targets = []
accelerator = "nvidia_h100"
gpu_count = 4
wall_limit_seconds = 3600
egress_ceiling_bytes = 1000000
weights_unchanged = true
weights_check = "readonly_mount"
[h200e]
basis = "h200e/1: dense FP16 peak"
[milli_h200]
nvidia_h100 = 1000
nvidia_h200 = 1500
"""


@dataclass(frozen=True)
class Imported:
    """What an import left behind."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        found = json.loads((self.folder / "report.json").read_text("utf-8"))
        assert isinstance(found, dict)
        return found

    def drafts(self, job: int = 1) -> list[dict[str, Any]]:
        """The drafts of one job in the order of its life."""
        return [json.loads(each.read_text("utf-8")) for each in self.files(job)]

    def files(self, job: int = 1) -> list[Path]:
        return sorted(self.folder.glob(f"{job:06}-*.json"))

    def codes(self) -> set[str]:
        return {each["code"] for each in self.report["findings"]}

    def place(self, code: str) -> str:
        """The first place of a finding."""
        (found, *_) = [each for each in self.report["findings"] if each["code"] == code]
        return str(found["where"][0]["place"])

    def written(self) -> str:
        """Everything that can be seen of the import."""
        texts = [each.read_text("utf-8") for each in self.folder.glob("*")]
        names = [each.name for each in self.folder.glob("*")]
        return "\n".join([self.out, self.err, *names, *texts])


@dataclass
class Importer:
    """Imports into new folders below one."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    runs: int = 0

    def __call__(self, file: Path, *options: str, defaults: str | None = DEFAULTS) -> Imported:
        self.runs += 1
        out = self.folder / f"drafts-{self.runs}"
        arguments = ["import-jobs", str(file), "--out", str(out), *options]
        if defaults is not None:
            known = self.folder / "defaults.toml"
            known.write_text(defaults, "utf-8")
            arguments += ["--defaults", str(known)]
        self.capture.readouterr()
        status = run(arguments)
        said = self.capture.readouterr()
        return Imported(status, said.out, said.err, out)

    def ok(self, file: Path, *options: str, defaults: str | None = DEFAULTS) -> Imported:
        found = self(file, *options, defaults=defaults)
        assert found.status == 0, found
        return found

    def refused(self, file: Path, *options: str, defaults: str | None = DEFAULTS) -> str:
        """One line on standard error, exit status 2, and no folder left."""
        found = self(file, *options, defaults=defaults)
        assert (found.status, found.out) == (2, "")
        assert found.err.startswith("ledger: ")
        assert found.err.count("\n") == 1
        assert "Traceback" not in found.err
        assert not list(self.folder.glob("drafts-*"))
        return found.err

    def changed(self, name: str, change: Callable[[Any], object]) -> Path:
        """A fixture after ``change`` has had its way with it."""
        value = json.loads((FIXTURES / name).read_text("utf-8"))
        change(value)
        return self.text(json.dumps(value))

    def text(self, text: str) -> Path:
        path = self.folder / "file.json"
        path.write_text(text, "utf-8")
        return path


def leaves(value: object, path: str = "") -> Iterator[tuple[dict[str, Any], str, str]]:
    """(object, key, path) of every value below an object's key that is no container."""
    if isinstance(value, dict):
        for key, below in value.items():
            where = f"{path}.{key}".removeprefix(".")
            if isinstance(below, dict | list) and below:
                yield from leaves(below, where)
            else:
                yield value, key, where
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, f"{path}[]")


def objects(value: object, path: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """(object, path) of every object."""
    if isinstance(value, dict):
        yield value, path
        for key, below in value.items():
            yield from objects(below, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for each in value:
            yield from objects(each, f"{path}[]")

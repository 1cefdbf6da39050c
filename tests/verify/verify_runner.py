"""Runs ``scripts/verify.py`` in this process and hands back what it said."""

import importlib.util
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "verify.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("verify_script", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Its reader processes find its functions by this name.
    sys.modules["verify_script"] = module
    spec.loader.exec_module(module)
    return module


script = _load()


@dataclass
class Verdict:
    """One run: the exit status, the JSON report, and what was printed beside it."""

    status: int
    report: dict[str, Any]
    stderr: str

    @property
    def codes(self) -> set[str]:
        return set(self.report["finding_counts"])

    @property
    def warnings(self) -> set[str]:
        return set(self.report["warning_counts"])

    def entries(self, code: str) -> list[int | None]:
        return [found["index"] for found in self.report["findings"] if found["code"] == code]


def run(*arguments: str | Path) -> Verdict:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = script.main([*map(str, arguments), "--json"])
    return Verdict(status, json.loads(out.getvalue()), err.getvalue())


def run_text(*arguments: str | Path) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = script.main([*map(str, arguments)])
    return status, out.getvalue(), err.getvalue()

"""What the verifier says: every check in one table, in two languages, and as JSON by a schema."""

import ast
import json
import string
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from log_builder import ORIGIN, History, put, resign, vkey_of
from verify_runner import SCRIPT, run, run_text, script

KEY = vkey_of(ORIGIN)
TREE = ast.parse(SCRIPT.read_text())
FUNCTIONS = {
    each.name: {word.value for word in ast.walk(each) if isinstance(word, ast.Constant)}
    for each in ast.walk(TREE)
    if isinstance(each, ast.FunctionDef)
}


def _patterns() -> set[str]:
    """Every pattern that is given to ``say``, or to a function that ``speaker`` returned."""
    calls = [each for each in ast.walk(TREE) if isinstance(each, ast.Call) and each.args]
    names = {"say", "word"}
    return {
        each.args[0].value
        for each in calls
        if isinstance(each.args[0], ast.Constant)
        and isinstance(each.args[0].value, str)
        and (isinstance(each.func, ast.Call) or getattr(each.func, "id", None) in names)
    }


@pytest.mark.parametrize("code", script.CHECKS)
def test_every_check_is_made_where_the_table_says(code: str) -> None:
    check = script.CHECKS[code]
    assert check.group in script.GROUPS
    assert check.severity in ("finding", "note")
    assert check.proof in ("tree", "entry", "now", "here")
    assert code in FUNCTIONS[check.found_by]


@pytest.mark.parametrize("lang", script.LANGUAGES)
def test_every_check_is_explained(lang: str) -> None:
    explained = script.EXPLANATIONS[lang]
    assert explained.keys() == script.CHECKS.keys()
    for line, paragraph in explained.values():
        assert len(line) > 8
        assert len(paragraph) > 20


def test_every_sentence_has_its_chinese_with_the_same_places() -> None:
    patterns = _patterns()
    assert len(patterns) > 120
    assert patterns <= script.CHINESE.keys()
    names = string.Formatter()
    for english, chinese in script.CHINESE.items():
        places = [
            sorted({(name, spec) for _, name, spec, _ in names.parse(text) if name})
            for text in (english, chinese)
        ]
        assert places[0] == places[1], english


def test_explain_lists_all_and_tells_one() -> None:
    for lang in script.LANGUAGES:
        status, out, _ = run_text("explain", "--lang", lang)
        assert status == 0
        assert all(f" {code} " in out for code in script.CHECKS)
        for code in script.CHECKS:
            status, out, _ = run_text("explain", code, "--lang", lang)
            line, paragraph = script.EXPLANATIONS[lang][code]
            assert (status, line in out, paragraph in out) == (0, True, True)
    status, out, err = run_text("explain", "nonsense")
    assert (status, out) == (2, "")
    assert "verify.py explain" in err


def test_the_language_is_that_of_the_environment(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert "Verified: all 717 entries" in run_text("--offline", mirror, "--vkey", KEY)[1]
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    status, out, _ = run_text("--offline", mirror, "--vkey", KEY)
    assert status == 0
    assert "全部717个条目" in out
    assert "Verified" not in out
    assert "Verified" in run_text("--offline", mirror, "--vkey", KEY, "--lang", "en")[1]


def test_findings_are_told_in_chinese_too(log: History, tmp_path: Path) -> None:
    entry = log.entries[log.labels["egress 40"]]
    entry["statement"]["public"]["egress_bytes"] = 10**9 + 1
    resign(entry)
    mirror, evidence = log.write(tmp_path / "mirror"), tmp_path / "evidence"
    arguments = ("--offline", mirror, "--vkey", KEY, "--evidence", evidence, "--lang", "zh-Hans")
    (found,) = run(*arguments).report["findings"]
    assert found["sentence"].startswith("至此共1,000,000,001字节")
    assert found["sentence"] in run_text(*arguments)[1]


@pytest.fixture(scope="module")
def valid() -> Any:
    status, out, err = run_text("schema")
    assert (status, err) == (0, "")
    schema = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_every_report_is_of_the_printed_schema(
    valid: Any, log: History, mirror: Path, tmp_path: Path
) -> None:
    evidence, state = tmp_path / "evidence", tmp_path / "state"
    put(tmp_path, "receipt", log.receipt(5).encode())
    put(tmp_path, "note", log.checkpoint().encode())
    base = ("--vkey", KEY, "--evidence", evidence)
    reports = [
        run("--offline", mirror, *base, "--state", state),
        run("--offline", mirror, *base, "--state", state),
        run("--offline", mirror, *base, "--clock", "own"),
        run("--offline", mirror, *base, "--only-hashes"),
        run("--offline", "/nonexistent"),
        run("proof", tmp_path / "receipt", "--vkey", KEY),
    ]
    log.entries[9] = b"{}"
    reports += [
        run("--offline", log.write(tmp_path / "other"), *base),
        run("--offline", tmp_path / "other", *base, "--against", tmp_path / "note"),
        run("evidence", evidence / "split-view.json"),
    ]
    put(mirror, "checkpoint", (mirror / "checkpoint").read_bytes().replace(b"\n717\n", b"\n7\n"))
    reports.append(run("--offline", mirror, *base))
    for verdict in reports:
        valid.validate(verdict.report)
    assert [verdict.status for verdict in reports] == [0, 0, 1, 0, 2, 0, 1, 1, 0, 1]


def test_the_schema_refuses_what_is_no_report(valid: Any, mirror: Path) -> None:
    report = run("--offline", mirror, "--vkey", KEY).report
    for spoilt in (
        {**report, "x": 1},
        {**report, "size": "717"},
        {**report, "verdict": "fine"},
        {},
    ):
        assert not valid.is_valid(spoilt)

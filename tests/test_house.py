"""The house rules that no compiler holds: what stands where, and that it is said."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import _setup

from ledger.settings import describe_settings

ROOT = Path(__file__).resolve().parent.parent
KEPT = {
    ".ci", ".gitattributes", ".gitignore", ".python-version",
    "LICENSE", "README.md", "alembic.ini", "pyproject.toml",
    "ledger", "schemas", "scripts", "tests", "web",
}  # fmt: skip
# Never committed: .gitignore names each of them.
MADE_BY_TOOLS = {
    ".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache",
    ".venv", "__pycache__", "dist",
}  # fmt: skip

# By what is imported: the package that brings it, and could not do without.
COMES_WITH = {
    "PIL": "pillow",
    "markdown_it": "markdown-it-py",
    "markupsafe": "jinja2",
    "nacl": "pynacl",
    "pydantic": "pydantic-settings",
    "pydantic_core": "pydantic-settings",
    "pydantic_settings": "pydantic-settings",
    "sqlalchemy": "sqlmodel",
}
OPTIONAL = ("merkletools",)


def readme() -> str:
    return ROOT.joinpath("README.md").read_text("utf-8")


def test_nothing_stands_at_the_top_but_what_belongs_there() -> None:
    assert {path.name for path in ROOT.iterdir()} - MADE_BY_TOOLS - {".git"} <= KEPT


def test_what_tools_make_is_ignored_by_git() -> None:
    lines = ROOT.joinpath(".gitignore").read_text("utf-8").split("\n")
    ignored = {line.strip("/") for line in lines}
    assert ignored >= MADE_BY_TOOLS


def test_the_stairs_only_go_down() -> None:
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_readme_names_first_the_two_commands_that_need_nothing_before_them() -> None:
    commands = re.findall(r"(?<![\w/])scripts/[a-z_]+", readme())
    assert list(dict.fromkeys(commands))[:2] == ["scripts/demo", "scripts/test"]


@pytest.mark.parametrize("name", ["bench", "check", "demo", "json_schemas", "lock", "test"])
def test_every_script_can_be_started_by_its_name(name: str) -> None:
    script = ROOT / "scripts" / name
    assert script.stat().st_mode & 0o111
    assert script.read_text("utf-8").startswith("#!/usr/bin/env python3\n")


@pytest.mark.parametrize("lock", ["build", "run", "test"])
def test_every_locked_version_has_hashes_and_names_no_place_to_get_it_from(lock: str) -> None:
    text = ROOT.joinpath("scripts", "locks", f"{lock}.txt").read_text("utf-8")
    pins = [pin for pin in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if pin.strip()]
    assert len(pins) > 5
    for pin in pins:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==[^ ]+ ", pin)
        assert "--hash=sha256:" in pin
    assert "://" not in text


def test_what_serves_another_group_holds_all_that_it_holds() -> None:
    def pins(group: str) -> set[tuple[str, str]]:
        text = ROOT.joinpath("scripts", "locks", f"{group}.txt").read_text("utf-8")
        return set(re.findall(r"^([a-z0-9.-]+)(?:\[[a-z,]+\])?==([^ ;\\]+)", text, re.MULTILINE))

    for group, serving in _setup.SERVES.items():
        for other in serving:
            assert pins(group) - pins(other) == set(), (group, other)
    assert pins("test") - pins("run")


def test_every_dependency_of_the_project_is_locked_and_explained_in_the_readme() -> None:
    project = ROOT.joinpath("pyproject.toml").read_text("utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert block is not None
    names = re.findall(r'^ *"([a-z0-9-]+)', block[1], re.MULTILINE)
    assert len(names) > 5
    for name in names:
        for lock in ("run", "test"):
            pins = ROOT.joinpath("scripts", "locks", f"{lock}.txt").read_text("utf-8")
            assert re.search(rf"^{name}(\[[a-z,]+\])?==", pins, re.MULTILINE), (name, lock)
        assert name in readme().lower()


def test_nothing_runs_on_a_package_that_the_project_does_not_ask_for() -> None:
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    asked = {re.split(r"[^a-z0-9-]", name)[0] for name in project["dependencies"]}
    imported: dict[str, str] = {}
    for folder in ("ledger", "schemas", "web"):
        for module in ROOT.joinpath(folder).rglob("*.py"):
            for node in ast.walk(ast.parse(module.read_text("utf-8"))):
                match node:
                    case ast.Import(names=names):
                        found = [each.name for each in names]
                    case ast.ImportFrom(module=str(name), level=0):
                        found = [name]
                    case _:
                        continue
                imported |= {name.split(".")[0]: str(module) for name in found}
    for name in (*sys.stdlib_module_names, "ledger", "schemas", "web", *OPTIONAL):
        imported.pop(name, None)
    unasked = {name: at for name, at in imported.items() if COMES_WITH.get(name, name) not in asked}
    assert unasked == {}


def test_every_setting_stands_in_the_readme_or_is_listed_by_a_command_that_does() -> None:
    assert "ledger settings" in readme()
    assert "LEDGER_DATABASE_URL" in readme()
    assert all(setting.doc and setting.allowed for setting in describe_settings())


def test_ci_runs_what_a_developer_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "exec python3 scripts/test" in script.read_text("utf-8")


def test_no_two_modules_of_the_tests_have_one_name() -> None:
    # They are imported by name alone, so the second one would silently be the first.
    names = [path.name for path in ROOT.joinpath("tests").rglob("*.py")]
    assert {name for name in names if names.count(name) > 1} == {"conftest.py"}

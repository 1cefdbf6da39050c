"""What `ledger deploy` prints: units, image, alerts, and the runbook that the alerts lead to."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import promql_parser
import pytest
import yaml
from cli_world import Shell

from ledger import keys
from ledger.__main__ import cli
from ledger.cli.deploying import HERE, PROGRAM, names
from ledger.metering.families import FAMILIES, ROUTES, STATUSES
from ledger.metering.tasks import TASKS
from ledger.storage.replica import Source
from web.words.library import LIBRARY

ALERTS = yaml.safe_load((HERE / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
UNITS = sorted((HERE / "systemd").glob("ledger*.service"))
TIMERS = sorted((HERE / "systemd").glob("*.timer"))
HARDENED = {
    "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes",
    "PrivateTmp=yes", "PrivateDevices=yes", "MemoryDenyWriteExecute=yes", "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes", "SystemCallFilter=@system-service",
}  # fmt: skip
SECTIONS = {
    "Unit": {
        "After", "Description", "Documentation", "StartLimitBurst", "StartLimitIntervalSec",
        "Wants",
    },
    "Service": {
        "AmbientCapabilities", "CapabilityBoundingSet", "DynamicUser", "Environment",
        "EnvironmentFile", "ExecStart", "ExecStartPost", "ExecStartPre",
        "Group", "IOSchedulingClass",
        "KeyringMode", "KillMode", "LimitNOFILE", "LoadCredential", "LockPersonality",
        "MemoryDenyWriteExecute", "Nice", "NoNewPrivileges", "PrivateDevices", "PrivateTmp",
        "PrivateUsers", "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname",
        "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc",
        "ProtectSystem", "ReadWritePaths",
        "RemoveIPC", "Restart", "RestartSec", "RestrictAddressFamilies",
        "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "StateDirectory",
        "StateDirectoryMode", "SystemCallArchitectures", "SystemCallErrorNumber",
        "SystemCallFilter", "TimeoutStopSec", "Type", "UMask", "User", "WorkingDirectory",
    },
    "Timer": {"OnCalendar", "Persistent", "RandomizedDelaySec"},
    "Install": {"WantedBy"},
}  # fmt: skip
"""Directives that systemd 252 knows, of those that stand here: it reads past all others."""


def _parse(words: list[str]) -> None:
    """Hold a command against the command line, as far as its options and arguments go."""
    command: click.Command = cli
    context = click.Context(cli, info_name="ledger")
    while isinstance(command, click.Group) and words:
        name = words[0]
        found = command.get_command(context, name)
        if found is None:
            assert name.startswith("-"), name
            break
        command, words = found, words[1:]
        context = click.Context(command, info_name=name, parent=context)
    assert command is not cli, words
    # Placeholders are no files that exist.
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    command.make_context(command.name, list(words), resilient_parsing=False)


def _directives(file: Path) -> list[tuple[str, str, str]]:
    section, found = "", []
    for line in file.read_text("utf-8").splitlines():
        if re.fullmatch(r"\[[A-Z][a-z]+\]", line):
            section = line[1:-1]
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.append((section, name, value))
    return found


def test_deploy_lists_its_files_and_prints_one_with_this_site_in_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.ok("deploy").splitlines() == sorted(names(), key=list(names()).index)
    monkeypatch.setenv("LEDGER_PUBLIC_URL", "https://our.example")
    printed = yaml.safe_load(shell.ok("deploy", "alerts.yaml"))
    url = printed["groups"][0]["rules"][0]["annotations"]["runbook_url"]
    assert url == "https://our.example/en/docs/runbook#down"
    assert "ExecStart=" in shell.ok("deploy", "ledger.service")
    shell("deploy", "none").refused("there is no file 'none'")


@pytest.mark.parametrize("file", [*UNITS, *TIMERS], ids=lambda path: path.name)
def test_units_hold_nothing_that_systemd_would_read_past(file: Path) -> None:
    found = _directives(file)
    assert [each for each in found if each[1] not in SECTIONS[each[0]]] == []
    assert {section for section, _, _ in found} >= {"Unit"}


@pytest.mark.parametrize("file", UNITS, ids=lambda path: path.name)
def test_services_are_hardened_and_run_commands_that_there_are(file: Path) -> None:
    lines = set(file.read_text("utf-8").splitlines())
    assert set() == HARDENED - lines
    commands = [value for _, name, value in _directives(file) if name == "ExecStart"]
    (started,) = commands
    words = shlex.split(started)
    if words[0] == "/bin/sh":
        words = shlex.split(words[2])[1:]
    assert words[0] == PROGRAM
    _parse(words[1:])


def test_only_what_signs_gets_the_key_of_the_log() -> None:
    got = {
        unit.stem: {value.partition(":")[0] for _, name, value in found if name == "LoadCredential"}
        for unit in UNITS
        for found in [_directives(unit)]
    }
    assert {name for name, keys in got.items() if "log.key" in keys} == {"ledger", "ledger-worker"}
    assert {name for name, keys in got.items() if "openings.key" in keys} == {
        "ledger", "ledger-worker", "ledger-backup", "ledger-fsck",
    }  # fmt: skip


def test_nginx_may_read_the_mirror_where_it_looks_for_it_and_nobody_anything_else() -> None:
    modes = {unit.stem: dict(pair[1:] for pair in _directives(unit))["UMask"] for unit in UNITS}
    assert modes.pop("ledger-mirror") == "0022"
    assert set(modes.values()) == {"0077"}
    (root,) = re.findall(r"\n    root (.+);\n", (HERE / "nginx/mirror.conf").read_text("utf-8"))
    unit = {name: value for _, name, value in _directives(HERE / "systemd/ledger-mirror.service")}
    assert shlex.split(unit["ExecStart"])[-2:] == ["--to", root]
    assert unit["ReadWritePaths"] == f"-{root}"
    made = shlex.split(unit["ExecStartPre"])
    assert made[-1] == root
    assert made[made.index("-m") + 1] == "0755"
    assert made[made.index("-o") + 1] == unit["User"]
    # The database lies in the other one.
    assert (unit["StateDirectory"], unit["StateDirectoryMode"]) == ("ledger", "0700")


def test_every_timer_starts_a_service_and_metrics_know_it() -> None:
    assert {timer.stem for timer in TIMERS} == {f"ledger-{task}" for task in TASKS}
    assert {timer.stem for timer in TIMERS} <= {unit.stem for unit in UNITS}


def test_a_unit_gives_a_task_no_more_time_to_end_than_a_server_may_want() -> None:
    found = {name: value for _, name, value in _directives(HERE / "systemd" / "ledger.service")}
    assert found["KillMode"] == "mixed"
    assert int(found["TimeoutStopSec"]) > 30


def test_the_image_runs_as_nobody_and_holds_no_secret() -> None:
    text = (HERE / "Containerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    last = "\n".join(lines).split("FROM ${BASE}")[-1]
    assert "USER 65532:65532" in last
    assert "/readyz" in last
    assert "ARG BASE\n" in text
    copied = {part for line in lines if line.startswith("COPY") for part in line.split()[1:-1]}
    sources = {part for part in copied if not part.startswith(("-", "/"))}
    root = HERE.parents[1]
    assert all((root / each).exists() for each in sources)
    assert sources == {
        "scripts/locks/run.txt", "scripts/locks/build.txt", "pyproject.toml", "README.md",
        "LICENSE", "schemas", "ledger", "web",
    }  # fmt: skip


def _selectors(expression: object) -> list[Any]:
    """Every selector of a parsed expression."""
    found: list[Any] = []
    waiting = [expression]
    while waiting:
        each = waiting.pop()
        if isinstance(each, promql_parser.VectorSelector):
            found.append(each)
        for name in ("lhs", "rhs", "expr", "vector_selector", "args", "param"):
            inner = getattr(each, name, None)
            waiting += inner if isinstance(inner, list) else [inner] if inner is not None else []
    return found


def _told() -> set[str]:
    """Every name of a sample that the program can expose."""
    source = (HERE.parent / "assembly" / "metrics.py").read_text("utf-8")
    looked_up = set(re.findall(r'"(ledger_[a-z0-9_]+)"', source))
    counted = {family.name + end for family in FAMILIES for end in ("", "_bucket", "_count")}
    return looked_up | counted | {"up"}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_asks_for_what_is_told_and_leads_to_the_runbook(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Ledger[A-Z][A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert rule["labels"]["severity"] in {"page", "warn"}
    selectors = _selectors(promql_parser.parse(rule["expr"]))
    asked = {each.name for each in selectors}
    assert asked == set(re.findall(r"\b(?:up|ledger_[a-z0-9_]+)\b", rule["expr"]))
    possible = {
        "task": set(TASKS),
        "route": set(ROUTES),
        "status": set(STATUSES),
        "job": {"ledger"},
        "source": set(Source),
    }
    for each in selectors:
        assert each.name in _told()
        for matcher in each.matchers.matchers:
            assert matcher.value in possible[matcher.name]
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == "https://ledger.example/en/docs/runbook"
    for document in LIBRARY.documents["docs/runbook"].values():
        assert anchor in document.places
        assert (
            f"`{rule['alert']}`" in document.source.partition(f"{{#{anchor}}}")[2].split("## ")[0]
        )


def test_every_part_of_the_runbook_belongs_to_an_alert() -> None:
    led_to = {rule["annotations"]["runbook_url"].partition("#")[2] for rule in ALERTS}
    for document in LIBRARY.documents["docs/runbook"].values():
        assert set(re.findall(r"\{#([a-z-]+)\}", document.source)) == led_to
        alerts = {rule["alert"] for rule in ALERTS}
        assert set(re.findall(r"`(Ledger[A-Za-z]+)`", document.source)) == alerts


@pytest.mark.parametrize("said", ["fsk", "fsck --slow", "charter sho", "mirror --watch x", ""])
def test_what_is_no_command_does_not_pass_for_one(said: str) -> None:
    with pytest.raises((AssertionError, click.ClickException)):
        _parse(shlex.split(said))


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
def test_every_command_of_the_runbook_is_one(tag: str) -> None:
    source = LIBRARY.documents["docs/runbook"][tag].source
    commands = re.findall(r"`ledger ([a-z][^`]*)`", source)
    assert len(commands) > 15
    for each in commands:
        _parse(shlex.split(each))
    units = {f"{unit.stem}" for unit in UNITS}
    for named in re.findall(r"(?:systemctl \w+|journalctl -u) (ledger[a-z-]*)", source):
        assert named in units


def test_a_key_that_systemd_hands_over_is_read_where_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed, own = tmp_path / "handed", tmp_path / "own"
    keys.write_secret(handed / "log.key", "handed-over")
    (handed / "log.key").chmod(0o440)
    with pytest.raises(keys.KeyFileError, match="No such file"):
        keys.read_secret(own / "log.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert keys.read_secret(own / "log.key") == "handed-over"
    assert keys.read_secret(handed / "log.key") == "handed-over"
    with pytest.raises(keys.KeyFileError, match="No such file"):
        keys.read_secret(own / "openings.key")
    keys.write_secret(own / "log.key", "its-own")
    assert keys.read_secret(own / "log.key") == "its-own"
    (own / "log.key").chmod(0o440)
    with pytest.raises(keys.KeyFileError, match="can be read by others"):
        keys.read_secret(own / "log.key")
    (handed / "log.key").chmod(0o444)
    with pytest.raises(keys.KeyFileError, match="can be read by others"):
        keys.read_secret(handed / "log.key")

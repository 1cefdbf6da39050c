"""A scrape of one process, where several serve one ledger."""

from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from cli_world import ORIGIN, Shell, process
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families

from ledger.keys import write_secret
from ledger.settings import load_settings

TOKEN = "scrape-0123456789abcdef-0123456789"
PROBES = 12


def _ask(path: str) -> str:
    request = Request(
        f"http://127.0.0.1:{load_settings().port}{path}",
        headers={"Authorization": f"Bearer {TOKEN}", "Connection": "close"},
    )
    with urlopen(request, timeout=120) as answer:
        text: str = answer.read().decode()
    return text


def _scrape() -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(_ask("/metrics"))
        for sample in family.samples
    }


def test_whichever_process_is_scraped_it_tells_of_all(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, postgresql_url: str, tmp_path: Path
) -> None:
    write_secret(tmp_path / "token", TOKEN)
    monkeypatch.setenv("LEDGER_METRICS", str(tmp_path / "token"))
    monkeypatch.setenv("LEDGER_DATABASE_URL", postgresql_url)
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    monkeypatch.setenv("LEDGER_PROCESSES", "2")
    shell.ok("init", "--origin", ORIGIN, "--demo")
    with (
        process(["serve"], wait_for="serving "),
        process(["worker"], wait_for="opening what is due"),
    ):
        told = _scrape()
        while told["ledger_processes",] < 3 or not told["ledger_worker_pass_timestamp_seconds",]:
            told = _scrape()
        assert told["ledger_processes",] == 3
        assert told["ledger_queue_limit_records",] == 3 * load_settings().queue_records
        for _ in range(PROBES):
            assert _ask("/healthz") == "ok\n"
        asked = ("ledger_http_requests_total", "probes", "200")
        # A request is counted once its answer has gone out.
        while _scrape()[asked] < PROBES:
            pass
        assert {_scrape()[asked] for _ in range(8)} == {PROBES}
        # What ends leaves its mark where the servers look.
        assert shell("fsck", "--quick").status == 0
        assert _scrape()["ledger_task_failed", "fsck"] == 0

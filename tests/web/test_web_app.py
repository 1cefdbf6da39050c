import time
from pathlib import Path

import pytest
from browser import Browser
from ledger_world import World

from ledger.errors import SettingsError
from web.app import create_app

LONG_AGO = 1_700_000_000  # 2023: whatever was sealed then is due by any clock


def test_the_factory_opens_the_ledger_that_the_settings_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(tmp_path / "data", start=LONG_AGO) as world:
        body = world.submission("one")
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LEDGER_PUBLIC_URL", "https://ledger.example")
    with Browser(create_app()) as site:
        assert site.get("/en/").status == 200
        assert site.request("POST", "/api/v1/statements", chunks=[body]).status == 201
        feed = site.get("/feeds/published.json").json()
        assert feed["feed_url"] == "https://ledger.example/feeds/published.json"
    with Browser(create_app()) as again:
        assert again.get("/api/v1/entries/1").json()["data"]["kind"] == "submitted"


def test_what_is_due_is_opened_by_the_server_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(tmp_path / "data", start=LONG_AGO) as world:
        world.log(world.submission("one"))
        title = world.sealed["one"].words[0]
        job = world.job_id("one")
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    with Browser(create_app()) as site:
        for _ in range(2_400):
            if site.get("/api/v1/embargo").json()["data"]["disclosed"]:
                break
            time.sleep(0.05)
        assert title in site.get(f"/en/jobs/{job}").text


def test_wrong_settings_stop_the_factory_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_PORT", "seven")
    with pytest.raises(SettingsError, match="LEDGER_PORT"):
        create_app()

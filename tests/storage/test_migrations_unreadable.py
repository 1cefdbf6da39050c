"""A disk that does not give the migrations back."""

from pathlib import Path

import kit
import pytest
from alembic.script import ScriptDirectory

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable


def test_migrations_that_cannot_be_read_stop_the_start_in_one_line(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    with monkeypatch.context() as patch:
        # What Alembic makes of a folder whose files the disk does not list.
        patch.setattr(ScriptDirectory, "get_current_head", lambda _self: None)
        with pytest.raises(LogUnavailable, match="no migrations can be read"):
            Ledger(settings, clock=kit.Clock())
    Ledger(settings, clock=kit.Clock()).close()

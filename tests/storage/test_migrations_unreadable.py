"""A disk that does not give the migrations back."""

from pathlib import Path

import kit
import pytest

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable
from ledger.storage import revisions


def test_migrations_that_cannot_be_read_stop_the_start_in_one_line(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    # A folder whose files the disk does not list.
    (tmp_path / "nothing" / "versions").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(revisions, "MIGRATIONS", tmp_path / "nothing")
        revisions.newest_revision.cache_clear()
        with pytest.raises(LogUnavailable, match="no migrations can be read"):
            Ledger(settings, clock=kit.Clock())
    revisions.newest_revision.cache_clear()
    Ledger(settings, clock=kit.Clock()).close()

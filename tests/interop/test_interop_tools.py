"""How other people's tools are got: by hash, from nowhere in particular, or not and by name."""

import re
from pathlib import Path

import _interop
import pytest
from interop_table import LOCK_OF, LOCKS
from interop_world import tool


@pytest.mark.parametrize("lock", sorted(set(LOCK_OF.values())))
def test_every_pin_of_a_tool_has_hashes_and_names_no_place(lock: str) -> None:
    text = (LOCKS / f"{lock}.txt").read_text("utf-8")
    pins = [pin for pin in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if pin.strip()]
    assert pins
    for pin in pins:
        assert re.match(r"[a-z0-9.-]+==[^ ]+ ", pin)
        assert "--hash=sha256:" in pin
    assert "://" not in text


def test_a_tool_that_cannot_be_had_is_named_and_fails_in_ci_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_interop, "FOLDER", tmp_path)
    monkeypatch.setitem(_interop.OLDEST, "aics", (3, 99))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"aics needs Python 3\.99"):
        tool("aics")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r"aics needs Python 3\.99"):
        tool("aics")
    assert not tmp_path.joinpath("aics.stamp").exists()


def test_an_installation_that_breaks_off_is_no_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    locks = tmp_path / "locks"
    locks.mkdir()
    # No index is asked: the name is refused as it stands, without a hash.
    locks.joinpath("interop-scales.txt").write_text("tlog-scales==0.0.3\n")
    monkeypatch.setattr(_interop, "FOLDER", tmp_path / "tools")
    monkeypatch.setattr(_interop, "LOCKS", locks)
    with pytest.raises(_interop.ToolMissing, match=r"scales cannot be installed: .*hash"):
        _interop.get("scales")
    assert not list(tmp_path.glob("tools/*.stamp"))

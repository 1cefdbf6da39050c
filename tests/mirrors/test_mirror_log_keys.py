"""Mirrors, copies and clients go on when another key follows the log's."""

import json
import shutil
from pathlib import Path

import pytest
from cli_world import Shell
from ledger_world import World
from log_key_world import retire, rotate
from mirror_world import files, run, served, site_of, verified

from ledger import client
from ledger.assembly import Ledger
from ledger.client.handovers import format_handovers
from ledger.errors import LedgerError, SettingsError, SignatureError
from ledger.keys import LOG_KEY, read_signer
from ledger.mirrors import MirrorRefused
from ledger.records.entry import log_key_entry
from ledger.records.succession import succeed
from ledger.tlog.note import Signer, parse_note, parse_vkey, sign_note


def signers(mirror: Path) -> int:
    return len(parse_note((mirror / "log" / "checkpoint").read_bytes()).signatures)


def test_everybody_who_trusts_the_old_key_is_led_to_the_new_one(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(tmp_path, capsys)
    mirror, copy, state = tmp_path / "mirror", tmp_path / "copy", tmp_path / "state.json"
    old = world.ledger.vkey
    world.log(world.submission("before"))
    run(world, mirror)
    with served(mirror) as address:
        shell.ok("mirror", "--from", address, "--to", copy, "--vkey", old)
        client.Ledger(address, vkey=old, state=state).close()

        # Both sign: nobody has to change anything, and nobody does.
        rotate(world)
        world.log(world.submission("during"))
        run(world, mirror)
        assert (signers(mirror), world.ledger.vkey) == (2, old)
        shell.ok("mirror", "--from", address, "--to", copy)
        client.Ledger(address, state=state).close()
        # From here on the old one alone is not enough for either of them.
        new = json.loads(state.read_bytes())["vkey"]
        assert (copy / "log" / "vkey").read_text().strip() == new != old
        verified(old, "--offline", copy, evidence=tmp_path / "evidence")

        # The old key is gone: each is led to the new one by what the old one signed.
        retire(world)
        run(world, mirror)
        assert (signers(mirror), world.ledger.vkey) == (1, new)
        shell.ok("mirror", "--from", address, "--to", copy)
        client.Ledger(address, vkey=old, state=state).close()
        assert json.loads(state.read_bytes())["vkey"] == new
        for vkey in (old, new):
            client.Ledger(address, vkey=vkey, state=state).close()
            client.Ledger(address, vkey=vkey, state=tmp_path / f"{vkey[-4:]}.json").close()
            shell.ok(
                "mirror", "--from", address, "--to", tmp_path / f"of {vkey[-4:]}", "--vkey", vkey
            )
            verified(vkey, address, evidence=tmp_path / "evidence")
            verified(vkey, "--offline", copy, evidence=tmp_path / "evidence")
    with site_of(world) as site:
        for tag in ("en", "zh-Hans"):
            page = site.get(f"/{tag}/log").body.decode()
            assert old.replace("+", "&#43;") in page or old in page
            assert new.replace("+", "&#43;") in page or new in page
        assert site.get("/log/keys").body == (mirror / "log" / "keys").read_bytes()
    for made in (mirror, copy):
        assert (made / "log" / "vkey").read_text().strip() == new
        assert (made / "log" / "keys").read_text().count("\n") == 1


def test_nobody_else_is_followed(world: World, tmp_path: Path) -> None:
    mirror, state = tmp_path / "mirror", tmp_path / "state.json"
    old = world.ledger.vkey
    run(world, mirror)
    with served(mirror) as address:
        client.Ledger(address, vkey=old, state=state).close()
    rotate(world)
    retire(world)
    run(world, mirror)
    lines = (mirror / "log" / "keys").read_bytes()
    entry = json.loads(lines)["entry"]
    thief = Signer(parse_vkey(old).name, b"\x05" * 32)
    forged = succeed(thief, Signer(thief.name, b"\x06" * 32))
    lies = {
        "no list": None,
        "another list": b"{}\n",
        "a thief's": lines.replace(entry["replaces"].encode(), f"{thief.key_id:08x}".encode()),
        "a thief's signature": lines.replace(
            entry["signatures"]["old"].encode(), forged.to_dict()["signatures"]["old"].encode()
        ),
    }
    before = state.read_bytes()
    with served(mirror) as address:
        for what, lie in lies.items():
            (mirror / "log" / "keys").unlink(missing_ok=True)
            if lie is not None:
                assert lie != lines, what
                (mirror / "log" / "keys").write_bytes(lie)
            with pytest.raises((SignatureError, LedgerError)):
                client.Ledger(address, state=state)
            assert state.read_bytes() == before, what
        (mirror / "log" / "keys").write_bytes(lines)
        with pytest.raises(SettingsError, match="remembers the log"):
            client.Ledger(address, vkey=thief.vkey, state=state)
        client.Ledger(address, state=state).close()
    (mirror / "log" / "vkey").write_text(f"{thief.vkey}\n")
    with pytest.raises(MirrorRefused, match="mirror of another log"):
        run(world, mirror)


LISTS = ["as it is", "withheld", "put off"]


def steal(mirror: Path, old: Signer, listed: str) -> None:
    """What a thief of ``old`` shows of a log in which it was replaced: the same tree, one line."""
    note = mirror / "log" / "checkpoint"
    note.write_bytes(sign_note(parse_note(note.read_bytes()).text, [old], time_s=0))
    keys = mirror / "log" / "keys"
    if listed == "withheld":
        keys.unlink()
    elif listed == "put off":
        line = json.loads(keys.read_bytes())
        keys.write_bytes(keys.read_bytes().replace(b'"index":%d' % line["index"], b'"index":9999'))


def shown(mirror: Path) -> dict[str, bytes]:
    """What a thief changes, as it was."""
    return {name: (mirror / "log" / name).read_bytes() for name in ("checkpoint", "keys")}


def restore(mirror: Path, honest: dict[str, bytes]) -> None:
    for name, data in honest.items():
        (mirror / "log" / name).write_bytes(data)


@pytest.fixture
def stolen(world: World) -> Signer:
    """The log's first key, before it is replaced."""
    return read_signer(world.ledger.settings.key_dir / LOG_KEY)


def test_a_client_that_knows_the_new_key_believes_no_thief_of_the_old_one(
    world: World, tmp_path: Path, stolen: Signer
) -> None:
    mirror, state, early = tmp_path / "mirror", tmp_path / "state.json", tmp_path / "early.json"
    old = stolen.vkey
    run(world, mirror)
    with served(mirror) as address:
        for path in (state, early):
            client.Ledger(address, vkey=old, state=path).close()
        rotate(world)
        run(world, mirror)
        client.Ledger(address, state=state).close()
        world.log(world.submission("what the thief goes on with"))
        run(world, mirror)
        new = world.ledger.log_keys.vkey
        honest, before = shown(mirror), (state.read_bytes(), early.read_bytes())
        # The caller may bring the new key with a file that is of the time before it.
        known = [(None, state), (old, state), (new, state), (new, early)]
        for listed in LISTS:
            steal(mirror, stolen, listed)
            for vkey, path in known:
                with pytest.raises((SignatureError, SettingsError)):
                    client.Ledger(address, vkey=vkey, state=path)
            assert (state.read_bytes(), early.read_bytes()) == before
            restore(mirror, honest)
        for vkey, path in known:
            client.Ledger(address, vkey=vkey, state=path).close()
            assert json.loads(path.read_bytes())["vkey"] == new


def test_a_client_that_knows_the_old_key_alone_finds_the_new_one_in_the_entries(
    world: World, tmp_path: Path, stolen: Signer
) -> None:
    mirror = tmp_path / "mirror"
    rotate(world)
    world.log(world.submission("what the thief goes on with"))
    run(world, mirror)
    honest = shown(mirror)
    with served(mirror) as address:
        with client.Ledger(address, vkey=stolen.vkey, state=tmp_path / "honest.json") as ledger:
            assert len(list(ledger.replay())) == 1
        steal(mirror, stolen, "as it is")
        with pytest.raises(SignatureError):
            client.Ledger(address, vkey=stolen.vkey, state=tmp_path / "none.json")
        for listed in ("withheld", "put off"):
            restore(mirror, honest)
            steal(mirror, stolen, listed)
            state = tmp_path / f"{listed}.json"
            with (
                client.Ledger(address, vkey=stolen.vkey, state=state) as deceived,
                pytest.raises(SignatureError, match="named in entry"),
            ):
                list(deceived.replay())


def test_a_mirror_keeps_nothing_of_a_thief_of_the_old_key(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], stolen: Signer
) -> None:
    shell = Shell(tmp_path, capsys)
    mirror = tmp_path / "mirror"
    never, earlier, lately = copies = [tmp_path / each for each in ("never", "earlier", "lately")]
    run(world, mirror)
    with served(mirror) as address:
        pull = "mirror", "--from", address, "--vkey", stolen.vkey, "--to"
        shell.ok(*pull, earlier)
        rotate(world)
        run(world, mirror)
        shell.ok(*pull, lately)
        new = world.ledger.log_keys.vkey
        world.log(world.submission("what the thief goes on with"))
        run(world, mirror)
        honest, before = shown(mirror), [files(copy) for copy in copies]
        # Of the folder that was empty it is known whose mirror it is to be, and nothing else.
        before[0] = {"log/vkey": f"{stolen.vkey}\n".encode()}
        for listed in LISTS:
            steal(mirror, stolen, listed)
            for copy in copies:
                assert shell(*pull, copy).status != 0
            restore(mirror, honest)
            found = [files(copy) for copy in copies]
            assert found[0] in ({}, before[0])
            assert found[1:] == before[1:]
        # The log itself goes into the same folders as if nothing had been.
        for copy in (never, earlier, lately):
            shell.ok(*pull, copy)
            assert (copy / "log" / "vkey").read_text().strip() == new
            verified(new, "--offline", copy, evidence=tmp_path / "evidence")


def test_a_thief_cannot_put_a_key_of_his_own_beside_the_one_in_the_log(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], stolen: Signer
) -> None:
    shell = Shell(tmp_path, capsys)
    mirror, copy = tmp_path / "mirror", tmp_path / "copy"
    rotate(world)
    run(world, mirror)
    own = Signer(stolen.name, b"\x05" * 32)
    steal(mirror, own, "as it is")
    entry = log_key_entry(succeed(stolen, own), logged_at=1_700_000_000)
    listed = format_handovers([(1, entry)])
    assert listed is not None
    (mirror / "log" / "keys").write_text(f"{listed}\n")
    with served(mirror) as address:
        said = shell("mirror", "--from", address, "--to", copy, "--vkey", stolen.vkey)
        said.refused("has not signed the checkpoint")
        with (
            client.Ledger(address, vkey=stolen.vkey, state=tmp_path / "state.json") as deceived,
            pytest.raises(SignatureError),
        ):
            list(deceived.replay())
    assert files(copy).keys() == {"log/vkey"}


def test_a_lost_database_is_refilled_under_the_new_key(
    small: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rotate(small)
    retire(small)
    run(small, tmp_path / "mirror")
    keys_now, vkey = small.ledger.log_keys, small.ledger.vkey
    small.ledger.close()
    for each in (tmp_path / "ledger").glob("ledger.db*"):
        shutil.move(each, tmp_path / each.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "ledger"))
    out = Shell(tmp_path, capsys).ok("recover", "--from", "mirror", "--openings", "ledger.db")
    assert "44 entries, 0 before" in out
    small.ledger = Ledger(small.ledger.settings, clock=small.clock)
    assert (small.ledger.log_keys, small.ledger.vkey) == (keys_now, vkey)
    small.log(small.submission("and on"))
    run(small, tmp_path / "mirror")
    verified(vkey, "--offline", tmp_path / "mirror", evidence=tmp_path / "evidence")

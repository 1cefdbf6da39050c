"""Two regions on copies of one key, a witness between them: the second one never signs."""

import itertools
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import kit
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

from cli_world import Shell, process
from databases import execute
from ports import free_port
from witnessing_world import Making, World

from ledger import keys
from ledger.assembly import Ledger
from ledger.assembly.elsewhere import require_newest
from ledger.assembly.lookout import on_watch
from ledger.errors import ForkRefused, SecondHistory
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import prove_consistency, root_hash, verify_consistency
from ledger.tlog.note import parse_vkey

PATIENCE_S = 120


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is copied here is a whole machine."""
    return sqlite_url


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.05)


def two_machines(world: World, folder: Path) -> list[Settings]:
    """The original and its copy, each with its own database, key and memory; both closed."""
    world.log(2)
    world.ask()
    world.ledger.close()
    original = world.settings
    if original.sqlite_file is None:
        copy = with_its_own_keys(original, folder, copied_database(original.database_url))
    else:
        assert original.sqlite_file.parent != folder
        copy = with_its_own_keys(original, folder, f"sqlite:///{folder / 'ledger.db'}")
        if not (folder / "ledger.db").exists():
            shutil.copy(original.sqlite_file, folder / "ledger.db")
    return [each.model_copy(update={"elsewhere_seconds": 1}) for each in (original, copy)]


def with_its_own_keys(original: Settings, folder: Path, database_url: str) -> Settings:
    """The same log on another machine: a copy of keys and memory, and another database."""
    shutil.copytree(original.data_dir, folder)
    return original.model_copy(
        update={"data_dir": folder, "key_dir": folder / "keys", "database_url": database_url}
    )


def copied_database(url: str) -> str:
    """The URL of a copy that PostgreSQL makes beside the original, which nobody has open."""
    before, _, server = url.partition("?")
    base, _, name = before.rpartition("/")
    execute(f"{base}/postgres?{server}", f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    return f"{base}/{name}_copy?{server}"


def signed_by(settings: Settings) -> set[bytes]:
    """Every checkpoint that a machine ever stored, and the one that its signer remembers."""
    with SignerMemory(settings.key_dir / keys.SIGNER_MEMORY).locked() as memory:
        remembered = memory.recall()
    assert remembered is not None
    with closing(Store(settings.database_url)) as store, store.snapshot() as reads:
        stored = [reads.checkpoint(size) for size in range(1, reads.head().size + 1)]
    return {remembered, *(each.note for each in stored if each is not None)}


def leaves_of(settings: Settings) -> list[bytes]:
    with closing(Store(settings.database_url)) as store, store.snapshot() as reads:
        return [each.leaf_hash for each in reads.iterate_entries(0, reads.head().size)]


def require_one_history(notes: set[bytes], leaves: list[bytes], vkey: str) -> None:
    """Check every pair of signed checkpoints: the larger one's tree begins with the smaller's."""
    signed = {open_checkpoint(note, [parse_vkey(vkey)]) for note in notes}
    assert len(signed) > 2
    for old, new in itertools.combinations(sorted(signed, key=lambda each: each.size), 2):
        verify_consistency(
            prove_consistency(leaves[: new.size], old_size=old.size),
            old_size=old.size,
            old_root=old.root,
            new_size=new.size,
            new_root=new.root,
        )
        assert new.root == root_hash(leaves[: new.size])


@pytest.mark.parametrize("first", [0, 1], ids=["the-original-first", "the-copy-first"])
def test_of_two_regions_that_both_run_the_second_is_stopped_before_it_signs(
    making: Making, tmp_path: Path, first: int
) -> None:
    world = making()
    machines = two_machines(world, tmp_path / "copy")
    ahead, behind = machines[first], machines[1 - first]
    held = signed_by(behind)
    with ExitStack() as stack:
        opened = [
            stack.enter_context(
                closing(Ledger(each, clock=world.clock, before_signing=require_newest))
            )
            for each in (ahead, behind)
        ]
        for each in opened:
            stack.enter_context(on_watch(each))
        kit.log(opened[0], kit.submitted(kit.ulid(801)))
        until(lambda: opened[1].sequencer.second_history() is not None)
        with pytest.raises(SecondHistory, match=r"the witness W\d has 7 entries under this log's"):
            kit.log(opened[1], kit.submitted(kit.ulid(802)))
        kit.log(opened[0], kit.submitted(kit.ulid(803)))
        vkey = opened[0].vkey
    assert signed_by(behind) == held
    for mark in (True, False):
        if not mark:
            (behind.key_dir / "signer.stopped").unlink()
        said = "the witness W. has" if mark else "cosigned a LARGER tree"
        with pytest.raises(ForkRefused, match=said):
            Ledger(behind, clock=world.clock, before_signing=require_newest)
    assert signed_by(behind) == held
    require_one_history(held | signed_by(ahead), leaves_of(ahead), vkey)
    world.ledger = Ledger(ahead, clock=world.clock)


@contextmanager
def serving(settings: Settings, patch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    port = free_port()
    in_environment(settings, patch)
    patch.setenv("LEDGER_PORT", str(port))
    with (
        process(["serve"], wait_for="serving "),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client,
    ):
        yield client


def in_environment(settings: Settings, patch: pytest.MonkeyPatch) -> None:
    own: Mapping[str, object] = {
        "DATA_DIR": settings.data_dir,
        "DATABASE_URL": settings.database_url,
        "POLICY": settings.policy,
        "ELSEWHERE_SECONDS": 1,
    }
    for name, value in own.items():
        patch.setenv(f"LEDGER_{name}", str(value))


def test_two_real_servers_on_one_key_sign_one_history(
    making: Making,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The copy begins second, is the first to sign, and so the original is the one that stops."""
    world = making(now=int(time.time()))
    original, copy = two_machines(world, tmp_path / "copy")
    held = signed_by(original)
    # A server believes no cosignature of minutes ago, and starting one may take that long.
    for each in world.witnesses:
        each.tell("behave", time=None)
    with ExitStack() as stack:
        there = stack.enter_context(serving(original, monkeypatch))
        here = stack.enter_context(serving(copy, monkeypatch))
        answer = here.post("/api/v1/statements", content=kit.submitted(kit.ulid(801)))
        assert answer.status_code == 201
        until(lambda: there.get("/readyz").status_code == 503)
        said = " has 7 entries under this log's signature, and this database 5: it was restored"
        assert said in there.get("/readyz").json()["detail"]
        refused = there.post("/api/v1/statements", content=kit.submitted(kit.ulid(802)))
        assert refused.status_code == 503
        assert refused.json()["type"] == "/en/docs/problems/unavailable"
        assert said in refused.json()["detail"]
        assert here.get("/readyz").status_code == 200
        published = {each.get("/log/checkpoint").content for each in (here, there)}
    in_environment(original, monkeypatch)
    Shell(tmp_path, capsys)("serve").refused(said)
    assert signed_by(original) == held
    notes = published | held | signed_by(copy)
    require_one_history(notes, leaves_of(copy), world.ledger.vkey)
    world.ledger = Ledger(copy, clock=world.clock)

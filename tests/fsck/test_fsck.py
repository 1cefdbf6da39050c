import tracemalloc
from pathlib import Path

import kit
import pytest
from fsck_world import CANARY, PARTLY, SEALED, SIZE_AT_LEAST, World

from ledger import keys
from ledger.assembly import Ledger
from ledger.errors import LogUnavailable
from ledger.fsck import second_root
from ledger.rebuild import rebuild
from ledger.records.deadline import DAY_S
from ledger.records.entry import parse_entry, statement_entry
from ledger.records.statement import decode_signed
from ledger.sequencer.memory import SignerMemory
from ledger.storage.nodes import fill_nodes
from ledger.storage.store import Publishing, StorageFailed
from ledger.storage.tables import NODES
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import COSIGNATURE, generate_key
from ledger.tlog.tiles import TILE_BYTES


def flipped(data: bytes, at: int = 40) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def opened_entry(world: World, reason: str) -> int:
    with world.store() as store, store.snapshot() as reads:
        for stored in reads.iterate_entries(0, reads.head().size):
            disclosed = parse_entry(stored.data).disclosed
            if disclosed is not None and disclosed.reason == reason:
                return stored.index
    raise AssertionError(reason)


def test_a_sound_log_has_no_findings(world: World) -> None:
    found, result = world.fsck()
    assert found == []
    assert result.size == result.published
    assert result.size > SIZE_AT_LEAST
    assert result.notes == []


def test_the_second_opinion_agrees_on_a_sound_log(world: World) -> None:
    _, result = world.fsck()
    with world.store() as store:
        assert second_root(store, size=result.size) == result.root


def test_what_cannot_be_checked_is_said(world: World) -> None:
    found, result = world.fsck(with_key=False)
    assert found == []
    assert result.notes == ["openings were counted and not decrypted: their key is not here"]


@pytest.mark.parametrize("index", [1, 300, 512])
def test_a_flipped_bit_in_an_entry_is_found(world: World, index: int) -> None:
    data = world.blob(f"SELECT data FROM entries WHERE leaf_index = {index}")
    world.damage(f"UPDATE entries SET data = :data WHERE leaf_index = {index}", data=flipped(data))
    sorts = world.sorts()
    assert sorts["entry bytes"] == index
    # One damaged entry is not a finding for each checkpoint after it.
    assert not {"checkpoint root", "head root", "tile bytes", "tree edge"} & sorts.keys()


def test_an_entry_changed_with_its_leaf_hash_is_found(world: World) -> None:
    data = world.blob("SELECT data FROM entries WHERE leaf_index = 300")
    forged = data.replace(b'"artifact_count":1', b'"artifact_count":2')
    assert forged != data
    world.damage(
        "UPDATE entries SET data = :data, leaf_hash = :hash WHERE leaf_index = 300",
        data=forged,
        hash=leaf_hash(forged),
    )
    sorts = world.sorts()
    assert {"tile bytes", "tile root", "head root", "checkpoint root"} <= sorts.keys()
    assert sorts["rule broken"] == 300
    with world.store() as store:
        found, result = world.fsck(quick=True)
        assert found
        assert second_root(store, size=result.size) != result.root


def test_a_witness_key_that_was_registered_as_an_authors_is_found(world: World) -> None:
    with world.store() as store, store.snapshot() as reads:
        entries = reads.iterate_entries(0, reads.head().size)
        added = next(stored for stored in entries if stored.kind == "registry")
    witness = generate_key(f"{kit.ORIGIN}/newlab", bytes(32), key_type=COSIGNATURE)[0]
    said = decode_signed(kit.registry("add", "newlab", witness))
    data = statement_entry(said, logged_at=added.logged_at, publish_by=None)
    world.damage(
        f"UPDATE entries SET data = :data WHERE leaf_index = {added.index}",
        data=data,
    )
    assert world.sorts()["rule broken"] == added.index


def test_a_damaged_leaf_hash_is_told_from_damaged_bytes(world: World) -> None:
    stored = world.blob("SELECT leaf_hash FROM entries WHERE leaf_index = 7")
    world.damage(
        "UPDATE entries SET leaf_hash = :hash WHERE leaf_index = 7", hash=flipped(stored, 3)
    )
    assert world.sorts() == {"leaf hash": 7}


def test_a_missing_entry_is_found(world: World) -> None:
    world.damage("DELETE FROM entries WHERE leaf_index = 260")
    found, result = world.fsck()
    assert [(each.sort, each.index) for each in found if each.sort == "entry missing"] == [
        ("entry missing", 260)
    ]
    assert "mend the entries first" in " ".join(result.notes)


def test_a_missing_genesis_is_found(world: World) -> None:
    world.damage("DELETE FROM entries WHERE leaf_index = 0")
    assert {"genesis", "entry missing"} <= world.sorts().keys()


def test_entries_beyond_the_head_are_found(world: World) -> None:
    world.damage("UPDATE log_head SET size = size - 1")
    sorts = world.sorts()
    assert {"entry surplus", "head root", "tree edge", "checkpoint ahead"} <= sorts.keys()
    assert "signer ahead" in sorts


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("kind", "'started'"),
        ("job_id", f"'{PARTLY}'"),
        ("logged_at", "logged_at + 1"),
        ("publish_by", "1"),
        ("statement_digest", "NULL"),
    ],
)
def test_a_column_that_is_not_what_the_bytes_say_is_found(
    world: World, column: str, value: str
) -> None:
    world.damage(f"UPDATE entries SET {column} = {value} WHERE leaf_index = 300")
    assert world.sorts()["entry row"] == 300


def test_a_flipped_bit_in_a_tile_is_found(world: World) -> None:
    hashes = world.blob("SELECT hashes FROM tiles WHERE level = 0 AND n = 1")
    world.damage(
        "UPDATE tiles SET hashes = :h WHERE level = 0 AND n = 1", h=flipped(hashes, TILE_BYTES - 1)
    )
    assert world.sorts() == {"tile bytes": None}


def test_a_wrong_root_of_a_tile_is_found(world: World) -> None:
    root = world.blob("SELECT root FROM tiles WHERE level = 0 AND n = 0")
    world.damage("UPDATE tiles SET root = :r WHERE level = 0 AND n = 0", r=flipped(root, 0))
    assert world.sorts() == {"tile root": None}


def test_a_missing_tile_and_one_too_many_are_found(world: World) -> None:
    world.damage("UPDATE tiles SET n = 7 WHERE level = 0 AND n = 1")
    assert world.sorts() == {"tile missing": None, "tile surplus": None}


@pytest.mark.parametrize(("level", "n"), [(4, 0), (4, 31), (8, 1)])
def test_a_flipped_bit_in_a_node_is_found_and_rebuilt(world: World, level: int, n: int) -> None:
    at = f"WHERE level = {level} AND n = {n}"
    node = world.blob(f"SELECT hash FROM nodes {at}")
    world.damage(f"UPDATE nodes SET hash = :h {at}", h=flipped(node, 31))
    assert world.sorts() == {"node": None}
    with world.store() as store:
        rebuild(store)
    assert world.sorts() == {}


def test_a_flipped_bit_in_a_node_of_a_tile_that_is_not_full_is_found(world: World) -> None:
    clock = kit.Clock()
    clock.now = world.now
    ledger = Ledger(world.settings, clock=clock)
    kit.log(ledger, *(kit.egress(SEALED, 1_000 + n) for n in range(16)))
    ledger.close()
    assert world.sorts() == {}
    node = world.blob("SELECT hash FROM nodes WHERE level = 4 AND n = 32")
    world.damage("UPDATE nodes SET hash = :h WHERE level = 4 AND n = 32", h=flipped(node, 0))
    assert world.sorts() == {"node": None}


def test_a_node_that_the_tree_does_not_have_is_found(world: World) -> None:
    world.damage("INSERT INTO nodes SELECT 5, n, hash FROM nodes WHERE level = 4 AND n = 0")
    world.damage("INSERT INTO nodes SELECT 12, n, hash FROM nodes WHERE level = 4 AND n = 0")
    [finding] = world.fsck()[0]
    assert (finding.sort, finding.message.split()[0]) == ("node surplus", "2")


def test_nodes_that_are_missing_are_no_damage_and_rebuilt(world: World) -> None:
    wanted = _nodes(world)
    world.damage("DELETE FROM nodes")
    assert world.sorts() == {}
    with world.store() as store:
        rebuild(store)
    assert _nodes(world) == wanted


def test_a_log_that_lost_an_entry_has_its_nodes_made_anew_all_the_same(world: World) -> None:
    """Else no migration would end, and nothing could look at what is left."""
    wanted = _nodes(world)
    world.damage("DELETE FROM entries WHERE leaf_index = (SELECT max(leaf_index) FROM entries)")
    world.damage("DELETE FROM nodes")
    with world.store() as store, store.rebuilding() as connection:
        fill_nodes(connection)
    assert _nodes(world) == wanted


def _nodes(world: World) -> list[tuple[object, ...]]:
    with world.store() as store:
        return kit.rows_of(store, NODES)


def test_a_tile_of_a_level_that_the_log_does_not_have_is_found(world: World) -> None:
    world.damage("INSERT INTO tiles SELECT 5, n, hashes, root FROM tiles WHERE n = 0")
    assert world.sorts() == {"tile surplus": None}


def test_a_damaged_checkpoint_note_is_found(world: World) -> None:
    note = world.blob("SELECT note FROM checkpoints WHERE size = 5")
    world.damage("UPDATE checkpoints SET note = :n WHERE size = 5", n=flipped(note, len(note) - 9))
    assert world.sorts() == {"checkpoint note": None}
    assert world.sorts(quick=True) == {}


def test_the_note_of_another_size_is_found(world: World) -> None:
    note = world.blob("SELECT note FROM checkpoints WHERE size = 1")
    world.damage("UPDATE checkpoints SET note = :n WHERE size = 5", n=note)
    assert world.sorts() == {"checkpoint note": None}


def test_a_damaged_checkpoint_root_and_time_are_found(world: World) -> None:
    root = world.blob("SELECT root FROM checkpoints WHERE size = 5")
    world.damage(
        "UPDATE checkpoints SET root = :r, logged_at = logged_at + 1 WHERE size = 5",
        r=flipped(root, 0),
    )
    assert world.sorts().keys() == {"checkpoint root", "checkpoint time", "checkpoint note"}


def test_a_newest_checkpoint_that_is_gone_is_found(world: World) -> None:
    world.damage("DELETE FROM checkpoints WHERE size > 5")
    assert world.sorts() == {"checkpoint missing": None}


def test_the_checkpoint_before_the_newest_is_missed_too(world: World) -> None:
    before = "SELECT max(size) FROM checkpoints WHERE size < (SELECT max(size) FROM checkpoints)"
    world.damage(f"DELETE FROM checkpoints WHERE size = ({before})")
    found, result = world.fsck()
    assert [each.sort for each in found] == ["checkpoint missing"]
    assert "was published, and its row is gone" in found[0].message
    assert result.notes == []


def test_a_death_between_signing_and_publishing_is_no_damage(world: World) -> None:
    size = _die_before_publishing(world)
    found, result = world.fsck()
    assert found == []
    assert len(result.notes) == 1
    assert result.notes[0].startswith(f"size {size} is signed and not published yet: ")
    Ledger(world.settings, clock=kit.Clock(world.now)).close()
    found, result = world.fsck()
    assert (found, result.notes, result.published) == ([], [], size)


def test_such_a_death_hides_no_checkpoint_that_is_gone(world: World) -> None:
    size = _die_before_publishing(world)
    world.damage(f"DELETE FROM checkpoints WHERE size = {size - 1}")
    assert world.sorts() == {"checkpoint missing": None}


def test_such_a_death_hides_no_other_tree(world: World) -> None:
    _die_before_publishing(world)
    root = world.blob("SELECT root FROM log_head")
    world.damage("UPDATE log_head SET root = :root", root=flipped(root, 0))
    assert {"head root", "checkpoint missing"} <= world.sorts().keys()


def _die_before_publishing(world: World) -> int:
    """Log one entry whose note is signed, and never published; the size of that note."""
    ledger = Ledger(world.settings, clock=kit.Clock(world.now))

    def fail(*_: object) -> None:
        raise LogUnavailable("the disk is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Publishing, "publish", fail)
        assert isinstance(kit.refusal(ledger.submit(kit.egress(SEALED, 10_000))), LogUnavailable)
    size = ledger.reader.tree_size() + 1
    ledger.close()
    return size


def test_a_checkpoint_ahead_of_the_log_is_found(world: World) -> None:
    world.damage("UPDATE checkpoints SET size = 100000 WHERE size = 5")
    assert "checkpoint ahead" in world.sorts()


def test_a_damaged_head_is_found(world: World) -> None:
    world.damage("UPDATE log_head SET root = edge, edge = root, logged_at = logged_at + 1")
    assert world.sorts() == {"head root": None, "tree edge": None, "head time": None}


def test_a_disclosure_row_that_is_gone_is_found(world: World) -> None:
    index = opened_entry(world, "early")
    world.damage(f"DELETE FROM disclosures WHERE disclosed_index = {index}")
    sorts = world.sorts()
    assert sorts["disclosure row"] == index
    # Without the row the entry counts as sealed: that it is late is found too.
    assert sorts["overdue"] == 1


def test_a_disclosure_row_of_an_entry_that_discloses_nothing_is_found(world: World) -> None:
    world.damage("INSERT INTO disclosures (discloses, disclosed_index) VALUES (300, 15)")
    assert world.sorts()["disclosure row"] == 15


def test_rows_about_entries_that_are_none_are_found(world: World) -> None:
    world.damage(
        "INSERT INTO disclosures (discloses, disclosed_index) VALUES (90000, 90001)",
        "UPDATE openings SET leaf_index = 90000 WHERE leaf_index = 1",
    )
    assert world.sorts() == {"row surplus": None, "opening missing": 1}


def test_a_damaged_opening_is_found_and_without_the_key_only_counted(world: World) -> None:
    locked = world.blob("SELECT ciphertext FROM openings WHERE leaf_index = 3")
    world.damage("UPDATE openings SET ciphertext = :c WHERE leaf_index = 3", c=flipped(locked))
    assert world.sorts() == {"opening damaged": 3}
    assert world.sorts(with_key=False) == {}


def test_openings_that_changed_places_are_found(world: World) -> None:
    world.damage(
        "UPDATE openings SET leaf_index = 6 WHERE leaf_index = 1",
        "UPDATE openings SET leaf_index = 1 WHERE leaf_index = 3",
    )
    sorts = world.sorts()
    assert sorts["opening damaged"] == 1
    assert sorts["opening missing"] == 3
    assert sorts["opening surplus"] == 6


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("jobs", "UPDATE jobs SET gpu_seconds = 1 WHERE gpu_seconds > 1"),
        ("jobs", "UPDATE jobs SET title = 'other' WHERE title IS NOT NULL"),
        ("jobs", f"DELETE FROM jobs WHERE job_id = '{SEALED}' AND since < 100"),
        ("embargoes", "UPDATE embargoes SET publish_by = publish_by + 86400 WHERE leaf_index = 1"),
        ("embargoes", "DELETE FROM embargoes WHERE leaf_index = 3"),
        ("embargoes", "UPDATE embargoes SET withheld_index = NULL WHERE leaf_index = 3"),
        ("author_keys", "UPDATE author_keys SET role = 'council' WHERE name = 'deepseek'"),
        ("author_keys", "UPDATE author_keys SET since = 9 WHERE name = 'zhipu'"),
        ("models", "UPDATE models SET parameter_count = 7"),
        ("models", "DELETE FROM models"),
        ("artifacts", "UPDATE artifacts SET bytes = bytes + 1 WHERE n = 1"),
        ("artifacts", "DELETE FROM artifacts WHERE n = 0"),
        ("corrections", "UPDATE corrections SET value = '33'"),
        ("job_texts", "UPDATE job_texts SET words = words || ' zebra'"),
        ("job_texts", "UPDATE job_texts SET disclosed_index = disclosed_index + 1000"),
    ],
)
def test_an_edited_projection_is_found_and_rebuilt(world: World, table: str, change: str) -> None:
    world.damage(change)
    found, _ = world.fsck()
    assert found
    assert all(each.sort == "projection" for each in found)
    assert f"row {table} (" in found[0].message
    assert found[0].remedy == "run `ledger rebuild`"
    with world.store() as store:
        rebuild(store)
    assert world.fsck()[0] == []


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO job_words (rowid, words) VALUES (4, 'zebra')",
        "INSERT INTO job_words (job_words) VALUES ('delete-all')",
        "UPDATE job_words_data SET block = x'00' WHERE id > 10",
        "DELETE FROM job_words_data WHERE id > 10",
    ],
)
def test_an_index_of_words_that_is_not_that_of_the_texts_is_found_and_rebuilt(
    sqlite_world: World, change: str
) -> None:
    sqlite_world.damage(change)
    found, _ = sqlite_world.fsck()
    assert [(each.sort, each.remedy) for each in found] == [("word index", "run `ledger rebuild`")]
    with sqlite_world.store() as store:
        rebuild(store)
    assert sqlite_world.fsck()[0] == []


def test_what_is_late_is_found(world: World) -> None:
    found, _ = world.fsck(now=world.now + 90 * DAY_S + 5)
    assert [each.sort for each in found] == ["overdue"]
    assert "5 s ago" in found[0].message
    assert world.sorts(now=world.now + 90 * DAY_S - 1) == {}


def test_a_guard_that_is_down_is_found(world: World) -> None:
    sqlite = world.settings.sqlite_file is not None
    with world.store() as store, store.engine.connect() as plain:
        connection = plain.execution_options(ledger_writes=True)
        with connection.begin():
            connection.exec_driver_sql(
                "DROP TRIGGER entries_no_update"
                if sqlite
                else "ALTER TABLE entries DISABLE TRIGGER entries_append_only"
            )
    assert world.sorts() == {"guard missing": None}


def test_a_log_that_differs_from_what_was_signed_is_found(world: World) -> None:
    path = world.settings.key_dir / keys.SIGNER_MEMORY
    with SignerMemory(path).locked() as memory:
        note = memory.recall()
        assert note is not None
        size = int(note.split(b"\n")[1])
        memory.remember(note.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1)), size=size + 1)
    assert world.sorts() == {"signer memory": None}


def test_a_database_older_than_its_signer_is_found(world: World) -> None:
    other = world.settings.model_copy()
    ledger = Ledger(other, clock=kit.Clock(world.now))
    size_before = world.fsck()[1].size
    kit.log(ledger, kit.egress(SEALED, 9_999))
    ledger.close()
    world.damage(
        f"DELETE FROM entries WHERE leaf_index >= {size_before}",
        f"DELETE FROM checkpoints WHERE size > {size_before}",
        f"UPDATE log_head SET size = {size_before}",
    )
    assert "signer ahead" in world.sorts()


def test_a_file_that_sqlite_cannot_read_is_said_to_be_so(sqlite_world: World) -> None:
    file = sqlite_world.settings.sqlite_file
    assert file is not None
    data = bytearray(file.read_bytes())
    data[4096 * 3 : 4096 * 40] = bytes(4096 * 37)
    file.write_bytes(data)
    with pytest.raises(StorageFailed, match=r"cannot be read: .*malformed"):
        sqlite_world.fsck()


def test_no_finding_shows_what_is_sealed(world: World) -> None:
    with world.store() as store, store.snapshot() as reads:
        entries = list(reads.iterate_entries(0, reads.head().size))
    index = next(e.index for e in entries if e.job_id == SEALED)
    locked = world.blob(f"SELECT ciphertext FROM openings WHERE leaf_index = {index}")
    world.damage(
        f"UPDATE openings SET ciphertext = :c WHERE leaf_index = {index}", c=flipped(locked)
    )
    world.damage("UPDATE jobs SET state = 'failed'")
    found, _ = world.fsck()
    said = " ".join(map(str, found))
    assert "opening damaged" in said
    assert CANARY not in said
    assert kit.seed_of(SEALED, "submitted").hex() not in said


def test_memory_stays_flat(sqlite_world: World) -> None:
    tracemalloc.start()
    try:
        sqlite_world.fsck()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * 2**20


def test_a_check_writes_nothing(world: World, tmp_path: Path) -> None:
    with world.store() as store:
        before = kit.counts(store), kit.rows_of(store, kit.PROJECTIONS[0])
        world.fsck()
        assert (kit.counts(store), kit.rows_of(store, kit.PROJECTIONS[0])) == before


def test_a_check_beside_a_writing_ledger_finds_nothing(world: World) -> None:
    ledger = Ledger(world.settings, clock=kit.Clock(world.now))
    try:
        for number in range(5):
            kit.log(ledger, kit.egress(SEALED, 10_000 + number))
            found, _ = world.fsck(quick=True)
            assert found == []
    finally:
        ledger.close()
    with pytest.raises(LogUnavailable):
        ledger.submit(kit.egress(SEALED, 1)).result(120)

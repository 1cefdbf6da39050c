"""A small world for tests: a clock that is told the time, a cast of authors, a ledger to break.

``check_whole_log`` is the judge after every step: it reads every stored byte and recomputes all of
it, by ``ledger.tlog`` and ``ledger.records`` but without the rooms that wrote it.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from ledger import assembly, keys
from ledger.assembly import Ledger
from ledger.records.authoring import author_statement
from ledger.records.commitment import check_opening, check_partial
from ledger.records.deadline import DAY_S, format_time, parse_time
from ledger.records.entry import Author, Entry, Reason, parse_entry
from ledger.records.lifecycle import State, next_state
from ledger.records.statement import sealed_paths, verify_statement
from ledger.records.words import index_words
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage import tables
from ledger.storage.shapes import StoredEntry
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import CompactRange, leaf_hash, root_hash
from ledger.tlog.note import Signer, generate_key, parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof
from ledger.tlog.tiles import split_hashes, tiles_for_size
from schemas.posting import Receipted
from schemas.statements import JobCorrected, JobOpen, JobWithheld, Registry, RegistryAction, Role

ORIGIN = "ledger.example/test"
NOON = parse_time("2026-11-21T12:00:00Z")
MADE_AT = "2026-11-21T11:59:00Z"
ROLES = {
    "deepseek": Role.MEMBER,
    "zhipu": Role.MEMBER,
    "orchestrator": Role.ORCHESTRATOR,
    "gateway": Role.GATEWAY,
    "committee": Role.COMMITTEE,
    "council": Role.COUNCIL,
}
PROJECTIONS = tables.PROJECTIONS
NEWEST_SCHEMA = "0011"
PATIENCE_S = 120
"""How long an answer is waited for, which should be there at once."""
ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SUBMISSION = {
    "accelerator": "nvidia_h200",
    "egress_ceiling_bytes": 1_000_000,
    "gpu_count": 64,
    "gradient_scope": "none",
    "optimizer_targets": [],
    "wall_limit_seconds": 3600,
    "workload_type": "eval_suite",
}


class Clock:
    """Unix seconds, as told."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, *, days: int = 0, seconds: int = 0) -> None:
        self.now += days * DAY_S + seconds


def author_key(name: str, *, number: int = 0) -> Signer:
    """The ``number``-th key of an author; the same in every run."""
    return generate_key(f"{ORIGIN}/{name}", sha256(f"{name} {number}".encode()).digest())[0]


def ulid(number: int) -> str:
    """The job ID that stands for a number."""
    digits = ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits = ULID_DIGITS[digit] + digits
    return digits


SIGNERS = {name: author_key(name) for name in ROLES}
AUTHORS = [
    Author(name=name, role=role, title=name.title(), vkey=SIGNERS[name].vkey)
    for name, role in ROLES.items()
]


def seed_of(job: str, kind: str) -> bytes:
    """The seed that salts what this job's statement of this kind seals."""
    return sha256(f"seed {job} {kind}".encode()).digest()


def say(
    author: str | Signer,
    kind: str,
    schema: str,
    public: Mapping[str, Any],
    job: str | None = None,
    *,
    sealed: Mapping[str, Any] | None = None,
) -> bytes:
    """The posted body of any statement."""
    return author_statement(
        signer=author if isinstance(author, Signer) else SIGNERS[author],
        kind=kind,
        schema=schema,
        public=public,
        made_at=MADE_AT,
        job_id=job,
        sealed=sealed,
        seed=seed_of(job or "", kind),
    )


def submitted(job: str, *, author: str | Signer = "deepseek", **changed: Any) -> bytes:
    """A member asks to run a job; ``sealed`` among ``changed`` replaces its sealed fields."""
    sealed = changed.pop("sealed", {"title": f"Title of {job}", "model.name": "whale-4"})
    return say(author, "submitted", "job-submitted/1", SUBMISSION | changed, job, sealed=sealed)


def started(job: str, *, at: str = "2026-11-21T12:00:00Z") -> bytes:
    """The orchestrator starts, or starts again."""
    public = {"started_at": at, "gpu_count": 64}
    return say("orchestrator", "started", "job-started/1", public, job)


def interrupted(job: str) -> bytes:
    """A period of running ends and another is to follow."""
    public = {"ended_at": "2026-11-21T12:30:00Z", "exit_status": "preempted"}
    return say("orchestrator", "interrupted", "job-interrupted/1", public, job)


def ended(
    job: str,
    kind: str = "completed",
    *,
    sealed: Mapping[str, Any] | None = None,
    weights_unchanged: bool = True,
) -> bytes:
    """The run is over."""
    public = {
        "started_at": "2026-11-21T12:00:00Z",
        "ended_at": "2026-11-21T13:00:00Z",
        "wall_seconds": 3600,
        "gpu_seconds": 230_400,
        "h200e_seconds": 230_400,
        "h200e_basis": "h200e/1",
        "exit_status": "completed",
        "weights_unchanged": weights_unchanged,
        "weights_check": "oms_root",
    }
    fields = {"tokens.input": 5} if sealed is None else sealed
    return say("orchestrator", kind, "job-ended/1", public, job, sealed=fields)


def egress(job: str, let_out: int, *, artifacts: int = 1) -> bytes:
    """The gateway let bytes out."""
    public = {"egress_bytes": let_out, "artifact_count": artifacts}
    return say("gateway", "egress", "job-egress/1", public, job)


def opened(job: str, index: int, *, author: str = "deepseek") -> bytes:
    """An author opens its own record early."""
    return say(author, "open", "job-open/1", {"discloses": index}, job)


def corrected(job: str, index: int, value: str, *, author: str = "deepseek") -> bytes:
    """An author says what a field of its entry should have been."""
    public = {"corrects": index, "field": "gpu_count", "value": value, "reason": "miscounted"}
    return say(author, "corrected", "job-corrected/1", public, job)


def withheld(
    job: str,
    index: int,
    *paths: str,
    review_by: str = "2027-02-01T00:00:00Z",
    author: str = "committee",
) -> bytes:
    """The committee keeps fields closed."""
    public = {
        "withholds": index,
        "paths": list(paths),
        "basis": "hazard_cyber",
        "review_by": review_by,
    }
    return say(author, "withheld", "job-withheld/1", public, job)


def registry(
    action: str,
    name: str,
    key: Signer,
    *,
    role: str = "member",
    author: str = "council",
    title: str = "New",
) -> bytes:
    """The council adds or retires a key."""
    public = {"action": action, "name": name, "role": role, "title": title, "vkey": key.vkey}
    return say(author, "registry", "registry/1", public)


# --- a ledger -----------------------------------------------------------------------------------


def make_ledger(database_url: str, folder: Path, *, clock: Clock | None = None) -> Settings:
    """Create a ledger of the whole cast; open it with ``Ledger(settings, clock=…)``."""
    settings = Settings(data_dir=folder, database_url=database_url)
    assembly.create(settings, origin=ORIGIN, authors=AUTHORS, clock=clock or Clock())
    return settings


def log(ledger: Ledger, *bodies: bytes) -> list[Receipted]:
    """Have statements logged, in one batch; fails where one is refused."""
    answers = ledger.submit_batch(bodies).result(PATIENCE_S)
    for answer in answers:
        if not isinstance(answer, Receipted):
            raise answer
    return [answer for answer in answers if isinstance(answer, Receipted)]


def refusal(answer: "Future[Receipted]") -> BaseException:
    """What a statement was refused with."""
    error = answer.exception(PATIENCE_S)
    assert error is not None, "it was logged"
    return error


def filled(ledger: Ledger, *, size: int, job: str = ulid(1)) -> None:
    """Bring a new log to a size of at least 4: one running job, and egress by the byte."""
    bodies = [submitted(job), started(job)]
    bodies += [egress(job, n) for n in range(size - 4)]
    log(ledger, *bodies)
    with ledger.store.snapshot() as reads:
        assert reads.head().size == size


def counts(store: Store) -> dict[str, int]:
    """How many rows every table has, and the head's size."""
    found = {}
    with store.engine.connect() as connection:
        for table in (*tables.APPEND_ONLY, *PROJECTIONS):
            found[table.name] = len(connection.execute(select(table)).all())
        found["head"] = connection.execute(select(tables.HEAD.c.size)).scalar_one()
    return found


def rows_of(store: Store, table: Table) -> list[tuple[Any, ...]]:
    """Every row of a table, in the order of its key."""
    order = list(table.primary_key.columns)
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*order))]


# --- the judge ----------------------------------------------------------------------------------


@dataclass
class Checked:
    """What a whole log was found to hold."""

    entries: list[Entry] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=list)
    """The root at every size, from 0."""
    checkpoints: list[Checkpoint] = field(default_factory=list)
    statements: dict[bytes, int] = field(default_factory=dict)
    disclosed: dict[int, int] = field(default_factory=dict)
    deadlines: dict[int, int] = field(default_factory=dict)
    withheld: dict[int, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Entries in all, signed or not."""
        return len(self.entries)

    def overdue(self, now: int) -> list[int]:
        """Sealed entries whose deadline has come."""
        return [i for i, due in self.deadlines.items() if due <= now and i not in self.disclosed]


def check_whole_log(settings: Settings, *, acknowledged: Sequence[Receipted] = ()) -> Checked:
    """Recompute all of a stored ledger. AssertionError, or a LedgerError, where anything is wrong.

    ``acknowledged`` are answers that were given: each of them must be kept.
    """
    store = Store(settings.database_url)
    try:
        with store.snapshot() as reads:
            checked = _check_entries(reads)
            _check_tree(reads, checked)
            _check_signer(settings, checked)
            _check_tables(reads, checked)
        for table in PROJECTIONS:
            expected = _folded(checked, table)
            assert rows_of(store, table) == expected, f"{table.name} is not what the entries say"
    finally:
        store.close()
    verifier = parse_vkey(_genesis(checked).vkey)
    for answer in acknowledged:
        accepted = answer.accepted
        proof = parse_proof(accepted.receipt.encode())
        stored = checked.entries[accepted.index]
        verify_proof(proof, leaf=_leaf_of(stored), verifiers=[verifier])
        assert stored.kind == accepted.kind
        assert stored.logged_at == parse_time(accepted.logged_at)
    return checked


def _genesis(checked: Checked) -> Any:
    genesis = checked.entries[0].genesis
    assert genesis is not None
    return genesis


def _leaf_of(entry: Entry) -> bytes:
    from ledger.records import canonical  # noqa: PLC0415 - used here alone

    return leaf_hash(canonical.encode(entry.value))


def _check_entries(reads: Snapshot) -> Checked:  # noqa: C901, PLR0912 - one branch a kind of entry: a judge is read from top to bottom
    """Each entry's own bytes, its signature, its place in its job's life, its reference."""
    checked = Checked()
    keyring: dict[str, tuple[str, Role, bytes, bool]] = {}
    states: dict[str, State] = {}
    charters: list[tuple[int, int, Mapping[str, Any]]] = []
    undecided: int | None = None
    awaited: int | None = None
    head = reads.head()
    stored = reads.entries(0, head.size)
    assert [row.index for row in stored] == list(range(head.size))
    for row in stored:
        entry = parse_entry(row.data)
        _check_row(row, entry)
        if checked.entries:
            assert entry.logged_at >= checked.entries[-1].logged_at, "logged_at goes back"
        checked.entries.append(entry)
        index = row.index
        assert (undecided is None) == (entry.decision is None)
        if awaited is not None:
            assert entry.disclosed is not None
            assert entry.disclosed.opened_by == awaited
            awaited = None
        if entry.genesis is not None:
            assert index == 0
            for author in entry.genesis.authors:
                key = parse_vkey(author.vkey)
                keyring[f"{key.key_id:08x}"] = (author.name, author.role, key.public_key, True)
            charters = [(0, 0, entry.value["charter"])]
        elif entry.found is not None:
            assert entry.job_id is not None
            assert checked.entries[entry.found.refers_to].job_id == entry.job_id
            assert entry.found.charter == _in_force(charters, entry.logged_at)[0]
            states[entry.job_id] = next_state(states[entry.job_id], entry.kind)
        elif entry.decision is not None:
            assert entry.job_id is not None
            assert entry.decision.refers_to == undecided == index - 1
            assert entry.decision.charter == _in_force(charters, entry.logged_at)[0]
            states[entry.job_id] = next_state(states[entry.job_id], entry.kind)
            undecided = None
        elif entry.disclosed is not None:
            _check_disclosure(checked, index, entry)
        elif entry.signed is not None:
            signed = entry.signed
            assert signed.digest not in checked.statements, "one statement twice"
            checked.statements[signed.digest] = index
            name, role, public_key, valid = keyring[f"{signed.key_id:08x}"]
            assert (name, valid) == (signed.statement.author, True)
            assert role in signed.schema.roles
            verify_statement(signed.body, public_key=public_key, signature=signed.signature)
            for each in signed.endorsements:
                name, role, public_key, valid = keyring[f"{each.key_id:08x}"]
                assert (name, role, valid) == (each.author, Role.COUNCIL, True)
                verify_statement(signed.body, public_key=public_key, signature=each.signature)
            if signed.sealed_root is not None:
                days = _in_force(charters, entry.logged_at)[2]["embargo_days"]
                assert entry.publish_by == entry.logged_at + days * DAY_S
                checked.deadlines[index] = entry.publish_by
            if isinstance(signed.public, Registry):
                key = parse_vkey(signed.public.vkey)
                adds = signed.public.action is RegistryAction.ADD
                keyring[f"{key.key_id:08x}"] = (
                    signed.public.name,
                    signed.public.role,
                    key.public_key,
                    adds,
                )
                continue
            if entry.kind == "charter":
                public = entry.value["statement"]["public"]
                charters.append((index, parse_time(public["in_force_from"]), public["charter"]))
                continue
            if entry.kind == "refused" and entry.job_id is None:
                continue
            assert entry.job_id is not None
            if entry.kind == "submitted":
                assert entry.job_id not in states
                undecided = index
            states[entry.job_id] = next_state(states.get(entry.job_id), entry.kind)
            target = _target(signed.public)
            if target is not None:
                assert checked.entries[target].job_id == entry.job_id
                if not isinstance(signed.public, JobWithheld):
                    other = checked.entries[target].signed
                    assert other is not None
                    assert other.statement.author == signed.statement.author
            if entry.kind == "open":
                awaited = index
            if entry.kind == "withheld":
                assert target is not None
                assert target not in checked.disclosed
                assert target not in checked.withheld
                checked.withheld[target] = index
                assert entry.logged_at < checked.deadlines[target]
    assert undecided is None
    assert awaited is None
    return checked


def _in_force(
    charters: Sequence[tuple[int, int, Mapping[str, Any]]], at: int
) -> tuple[int, int, Mapping[str, Any]]:
    return next(each for each in reversed(charters) if each[1] <= at)


def _target(public: object) -> int | None:
    match public:
        case JobOpen(discloses=index):
            return index
        case JobCorrected(corrects=index):
            return index
        case JobWithheld(withholds=index):
            return index
    return None


def _check_row(row: StoredEntry, entry: Entry) -> None:
    assert leaf_hash(row.data) == row.leaf_hash
    assert (row.kind, row.job_id, row.logged_at, row.publish_by) == (
        entry.kind,
        entry.job_id,
        entry.logged_at,
        entry.publish_by,
    )
    assert row.statement_digest == (entry.signed.digest if entry.signed else None)


def _check_disclosure(checked: Checked, index: int, entry: Entry) -> None:
    opening = entry.disclosed
    assert opening is not None
    target = opening.discloses
    assert target not in checked.disclosed, "opened twice"
    checked.disclosed[target] = index
    sealed = checked.entries[target]
    assert sealed.signed is not None
    assert sealed.signed.sealed_root is not None
    assert sealed.job_id == entry.job_id
    if opening.reason is Reason.DEADLINE:
        assert entry.logged_at >= checked.deadlines[target], "opened before its deadline"
    else:
        assert opening.opened_by == index - 1
    withheld_by = checked.withheld.get(target)
    assert opening.withheld_by == withheld_by
    if opening.partial is None:
        assert opening.seed is not None
        check_opening(sealed.signed.sealed_root, seed=opening.seed, fields=opening.fields)
        return
    assert opening.seed is None
    decision = checked.entries[withheld_by or 0].signed
    assert decision is not None
    assert isinstance(decision.public, JobWithheld)
    assert set(opening.partial.closed) == set(decision.public.paths)
    check_partial(sealed.signed.sealed_root, opening.partial, sealed_paths(sealed.signed.schema))


def _check_tree(reads: Snapshot, checked: Checked) -> None:
    """Root at every size, every tile at every level, the head, every checkpoint."""
    head = reads.head()
    leaves = reads.leaf_hashes(0, head.size)
    tree = CompactRange()
    checked.roots.append(tree.root())
    for leaf in leaves:
        tree.append(leaf)
        checked.roots.append(tree.root())
    assert (head.root, head.edge) == (tree.root(), tree.edge())
    assert head.logged_at == checked.entries[-1].logged_at
    level_hashes = [leaves]
    for tile in tiles_for_size(head.size):
        if tile.level == len(level_hashes):
            below = level_hashes[-1]
            level_hashes.append(
                [root_hash(below[n : n + 256]) for n in range(0, len(below) - 255, 256)]
            )
        stored = reads.tile(tile.level, tile.n)
        if tile.is_full:
            assert stored is not None, f"the tile {tile} is missing"
            start = tile.n * 256
            hashes = level_hashes[tile.level][start : start + 256]
            assert split_hashes(stored) == hashes
            assert reads.tile_roots(tile.level, tile.n, tile.n + 1) == [root_hash(hashes)]
        else:
            assert stored is None, f"the tile {tile} is not full yet"
    level, row = 0, leaves
    while len(row) >= 16:
        row = [root_hash(row[n : n + 16]) for n in range(0, len(row) - 15, 16)]
        level += 4
        assert reads.nodes(level, 0, 10**9) == row, f"the nodes of level {level} are others"
    verifier = parse_vkey(_genesis(checked).vkey)
    for published in reads.checkpoints(below=head.size + 2, limit=10**9):
        checkpoint = open_checkpoint(published.note, [verifier])
        assert checkpoint.origin == ORIGIN
        assert (checkpoint.size, checkpoint.root) == (published.size, published.root)
        assert checkpoint.root == checked.roots[checkpoint.size]
        checked.checkpoints.insert(0, checkpoint)


def _check_signer(settings: Settings, checked: Checked) -> None:
    with SignerMemory(settings.key_dir / keys.SIGNER_MEMORY).locked() as memory:
        note = memory.recall()
    newest = checked.checkpoints[-1].size if checked.checkpoints else 0
    if note is None:
        assert newest == 0, "a checkpoint was published that the signer does not remember"
        return
    last = open_checkpoint(note, [parse_vkey(_genesis(checked).vkey)])
    assert last.size <= checked.size, "something was signed that is not stored"
    assert last.root == checked.roots[last.size]
    assert newest <= last.size, "a checkpoint was published that the signer does not remember"


def _check_tables(reads: Snapshot, checked: Checked) -> None:
    stored = dict(reads.disclosures(below=checked.size, limit=10**9))
    assert stored == checked.disclosed
    for index in checked.deadlines:
        assert reads.opening(index) is not None, f"the opening of {index} is missing"
    of_jobs: dict[str, list[int]] = {}
    for index, entry in enumerate(checked.entries):
        if entry.job_id is not None:
            of_jobs.setdefault(entry.job_id, []).append(index)
    for job_id in list(of_jobs)[-100:]:
        found = reads.entries_of_job(job_id, size=checked.size)
        assert [entry.index for entry in found] == of_jobs[job_id]


def _folded(checked: Checked, table: Table) -> list[tuple[Any, ...]]:
    """What a projection must hold, worked out from the entries in the plainest way."""
    match table.name:
        case "jobs":
            return sorted(_folded_jobs(checked))
        case "embargoes":
            return _folded_embargoes(checked)
        case "models" | "artifacts" | "corrections" | "job_texts":
            return _folded_opened(checked)[table.name]
        case "charters":
            return _folded_charters(checked)
    return sorted(_folded_keys(checked))


def _folded_charters(checked: Checked) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for index, entry in enumerate(checked.entries):
        if entry.kind == "genesis":
            found.append((index, entry.logged_at, _python_json(entry.value["charter"])))
        if entry.kind == "charter":
            public = entry.value["statement"]["public"]
            begins = parse_time(public["in_force_from"])
            found.append((index, begins, _python_json(public["charter"])))
    return found


def _python_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _folded_opened(checked: Checked) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {
        name: [] for name in ("models", "artifacts", "corrections", "job_texts")
    }
    members = {
        entry.job_id: entry.signed.statement.author
        for entry in checked.entries
        if entry.kind == "submitted" and entry.signed is not None
    }
    for index, entry in enumerate(checked.entries):
        if entry.kind == "corrected" and entry.signed is not None:
            said: Any = entry.signed.public
            author = entry.signed.statement.author
            texts = (_stored(each) for each in (said.field, said.value, said.reason))
            found["corrections"].append(
                (index, entry.logged_at, entry.job_id, author, said.corrects, *texts)
            )
        if entry.disclosed is None:
            continue
        fields = entry.disclosed.fields
        weights = fields.get("model.weights_digest")
        if weights:
            digest = weights["sha256"]
            texts = [_stored(fields.get(f"model.{name}")) for name in ("name", "revision", "dtype")]
            rest = (*texts, fields.get("model.parameter_count"))
            found["models"].append((index, digest, *rest))
        for n, artifact in enumerate(fields.get("artifacts") or ()):
            row = (index, n, entry.logged_at, entry.job_id, members[entry.job_id])
            row += (artifact["digest"]["sha256"],)
            row += (_stored(artifact["name"]), artifact["kind"], artifact["bytes"])
            row += (artifact["content_access"], _stored(artifact.get("uri")))
            found["artifacts"].append(row)
        words = " ".join(index_words(_texts(fields)))
        if words:
            found["job_texts"].append((index, words))
    return found


def _stored(text: str | None) -> str | None:
    return text and text.replace("\0", "\ufffd")


def _texts(fields: Mapping[str, Any]) -> list[str]:
    plain = ("title", "purpose", "protocol", "model.name", "model.revision")
    texts = [fields.get(path) for path in plain]
    texts += [(fields.get(path) or {}).get("name") for path in ("code", "container")]
    texts += [(fields.get("prompts") or {}).get("descriptor", {}).get("name")]
    for path in ("artifacts", "metrics"):
        texts += [each["name"] for each in fields.get(path) or ()]
    return [text for text in texts if text]


def _folded_jobs(checked: Checked) -> list[tuple[Any, ...]]:
    versions: list[dict[str, Any]] = []
    newest: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(checked.entries):
        if entry.job_id is None or entry.decision is not None:
            continue
        last = newest.get(entry.job_id)
        row = job_after(last, checked, index)
        if row is not None:
            if last is not None:
                last["until"] = index
            versions.append(row)
            newest[entry.job_id] = row
    columns = [column.name for column in tables.JOBS.columns]
    return [tuple(row[name] for name in columns) for row in versions]


def job_after(  # noqa: C901 - one case a kind of entry
    row: dict[str, Any] | None, checked: Checked, index: int
) -> dict[str, Any] | None:
    """The version of a job that the entry at ``index`` makes of the last; None: no new one."""
    entry = checked.entries[index]
    new = dict(row or {}, since=index, until=tables.FOREVER)
    public: Any = entry.signed.public if entry.signed else None
    match entry.kind:
        case "submitted":
            assert entry.signed is not None
            decision = checked.entries[index + 1]
            assert decision.decision is not None
            new |= dict.fromkeys((column.name for column in tables.JOBS.columns), None) | new
            new |= {
                "job_id": entry.job_id,
                "submitted_index": index,
                "author": entry.signed.statement.author,
                "state": decision.kind,
                "workload_type": public.workload_type.value,
                "gradient_scope": public.gradient_scope.value,
                "optimizer_targets": " ".join(each.value for each in public.optimizer_targets),
                "accelerator": public.accelerator,
                "gpu_count": public.gpu_count,
                "wall_limit_seconds": public.wall_limit_seconds,
                "egress_ceiling_bytes": public.egress_ceiling_bytes,
                "submitted_at": entry.logged_at,
                "publish_by": entry.publish_by,
                "rejection_code": (
                    decision.decision.findings[0].code.value if decision.decision.findings else None
                ),
                "egress_bytes": 0,
                "artifact_count": 0,
                "charter_index": decision.decision.charter,
            }
        case "started" | "interrupted":
            new["state"] = entry.kind
            if entry.kind == "started" and new["started_at"] is None:
                new["started_at"] = parse_time(public.started_at)
        case "completed" | "failed" | "cancelled" | "terminated_by_policy":
            if new["started_at"] is None and public.started_at is not None:
                new["started_at"] = parse_time(public.started_at)
            new |= {
                "state": entry.kind,
                "ended_at": parse_time(public.ended_at),
                "wall_seconds": public.wall_seconds,
                "gpu_seconds": public.gpu_seconds,
                "h200e_seconds": public.h200e_seconds,
                "exit_status": public.exit_status.value,
                "weights_unchanged": int(public.weights_unchanged),
                "weights_check": public.weights_check.value,
            }
        case "egress":
            new["egress_bytes"] += public.egress_bytes
            new["artifact_count"] += public.artifact_count
        case "finding":
            assert entry.found is not None
            if new["finding_code"] != "R1_digest_mismatch":
                new["finding_code"] = entry.found.findings[0].code.value
        case "disclosed":
            assert entry.disclosed is not None
            if new["submitted_index"] != entry.disclosed.discloses:
                return None
            shown = [entry.disclosed.fields.get(path) for path in ("title", "model.name")]
            title, model_name = map(_stored, shown)
            weights = entry.disclosed.fields.get("model.weights_digest")
            new |= {
                "disclosed_index": index,
                "disclosed_at": entry.logged_at,
                "title": title,
                "model_name": model_name,
                "model_digest": weights and weights["sha256"],
            }
        case _:
            return None
    return new


def _folded_embargoes(checked: Checked) -> list[tuple[Any, ...]]:
    found = []
    for index, due in checked.deadlines.items():
        entry = checked.entries[index]
        assert entry.signed is not None
        found.append(
            (
                index,
                entry.job_id,
                entry.signed.statement.author,
                due,
                checked.disclosed.get(index),
                checked.withheld.get(index),
            )
        )
    return found


def _folded_keys(checked: Checked) -> list[tuple[Any, ...]]:
    rows: dict[str, list[Any]] = {}
    for index, entry in enumerate(checked.entries):
        added: list[Any] = []
        if entry.genesis is not None:
            added = list(entry.genesis.authors)
        elif entry.signed is not None and isinstance(entry.signed.public, Registry):
            added = [entry.signed.public]
        for each in added:
            key_id = f"{parse_vkey(each.vkey).key_id:08x}"
            if getattr(each, "action", None) is RegistryAction.RETIRE:
                rows[key_id][2] = index
            else:
                row = [key_id, index, tables.FOREVER, each.name, each.role.value]
                rows[key_id] = [*row, each.title.replace("\0", "\ufffd"), each.vkey]
    return [tuple(row) for row in rows.values()]


__all__ = [
    "AUTHORS", "MADE_AT", "NOON", "ORIGIN", "SIGNERS", "Checked", "Clock", "author_key",
    "check_whole_log", "corrected", "counts", "egress", "ended", "filled", "format_time",
    "interrupted", "job_after", "log", "make_ledger", "opened", "refusal", "registry", "rows_of",
    "say", "seed_of", "started", "submitted", "ulid", "withheld",
]  # fmt: skip

"""One walk over the whole log: recompute, compare, report. Reads one snapshot and writes nothing.

Memory is flat: entries come a thousand at a time, the tree is its right edge, and the projections
are folded a second time into a temporary file.
"""

from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

from ledger.errors import (
    EgressRefused,
    FormatError,
    LedgerError,
    OutOfOrder,
    SignatureError,
)
from ledger.fsck.entries import EntryCheck
from ledger.fsck.findings import Findings
from ledger.fsck.opened import Numbered, OpenedCheck
from ledger.fsck.tree import MIRROR, TreeCheck
from ledger.records.deadline import DAY_S, days_late, format_time
from ledger.records.egress import Debit, Scope
from ledger.records.entry import Genesis, parse_entry
from ledger.records.lifecycle import State, next_state
from ledger.records.succession import heir
from ledger.storage.inspection import Inspection
from ledger.storage.projections import Fact, fact_of
from ledger.storage.shadow import Difference, Shadow, shadow
from ledger.storage.shapes import Head, StoredEntry
from ledger.storage.store import Store
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.tlog.note import VerifierKey, parse_note, parse_vkey
from ledger.vault import Vault

AT_ONCE: Final = 1_024
OVERDUE_COUNTED: Final = 10_000
MODEL_SCOPE: Final = str(Scope.MEMBER_MODEL)


@dataclass(slots=True)
class Checked:
    """What was checked, and in ``notes`` what could not be; findings are handed over elsewhere."""

    size: int = 0
    root: bytes = b""
    published: int | None = None
    notes: list[str] = field(default_factory=list)


def check(
    store: Store,
    findings: Findings,
    *,
    now: int,
    vault: Vault | None,
    remembered: bytes | None,
    published: Collection[bytes] = (),
    quick: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Checked:
    """Hold everything that is stored against what the entries give.

    ``now`` are Unix seconds. ``vault`` opens openings; without it they are only counted.
    ``remembered`` is the note that the signer signed last, and ``published`` those which it saw
    published, both read *before* this call. ``quick`` leaves out author signatures, all checkpoint
    signatures but the last, openings and projections.

    Raises StorageFailed where the database cannot be read at all.
    """
    result = Checked()
    with store.inspecting() as reads, ExitStack() as stack:
        second = None if quick else stack.enter_context(shadow())
        walk = _Walk(reads, findings, result, second, vault=vault, remembered=remembered)
        walk.run(progress)
        _check_surroundings(reads, findings, result.size, now=now, quick=quick)
    _check_published(store, findings, result, walk.last_signed, published)
    return result


class _Walk:
    """The state of one walk over the entries."""

    def __init__(
        self,
        reads: Inspection,
        findings: Findings,
        result: Checked,
        second: Shadow | None,
        *,
        vault: Vault | None,
        remembered: bytes | None,
    ) -> None:
        self._reads = reads
        self._findings = findings
        self._result = result
        self._second = second
        self._head = _head(reads, findings)
        result.size, result.root = self._head.size, self._head.root
        genesis = _genesis(reads, findings)
        keys = _log_keys(reads, genesis)
        self.last_signed = _open_remembered(remembered, keys, findings, result)
        full = second is not None
        self._tree = TreeCheck(
            reads,
            findings,
            head=self._head,
            keys=keys,
            remembered=self.last_signed,
            every_signature=full and bool(keys),
        )
        self._entries = EntryCheck(findings, genesis, signatures=full)
        self._opened = OpenedCheck(reads, findings, vault)
        self._waiting: list[Fact] = []
        self._untagged = False
        if full and vault is None:
            result.notes.append("openings were counted and not decrypted: their key is not here")

    def run(self, progress: Callable[[int, int], None]) -> None:
        size = self._head.size
        logged_at = 0
        for start in range(0, size, AT_ONCE):
            stop = min(start + AT_ONCE, size)
            rows = {entry.index: entry for entry in self._reads.entries(start, stop)}
            parsed: list[Numbered] = []
            for index in range(start, stop):
                stored = rows.get(index)
                logged_at = stored.logged_at if stored else logged_at
                self._take(index, stored, logged_at, parsed)
            self._opened.check_disclosures(parsed, start, stop)
            if self._second is not None:
                self._opened.check_openings(parsed, start, stop)
                self._fold(self._second, parsed, last=stop == size)
            progress(stop, size)
        self._tree.finish()
        self._tree.check_newest_signature()
        newest = self._tree.newest
        self._result.published = newest.size if newest else None
        if self._head.logged_at != logged_at:
            self._findings.add(
                "head time",
                f"it is {self._head.logged_at} s, the last entry's is {logged_at} s",
                "restore the head from the last entry",
            )
        if self._second is not None:
            self._compare(self._second)

    def _take(
        self, index: int, stored: StoredEntry | None, logged_at: int, parsed: list[Numbered]
    ) -> None:
        if stored is None:
            self._entries.skip()
            self._tree.leaf(index, None, None, logged_at)
            return
        self._tree.leaf(index, stored.data, stored.leaf_hash, logged_at)
        entry = self._entries.check(stored)
        if entry is not None:
            parsed.append((index, entry))

    def _fold(self, second: Shadow, parsed: list[Numbered], *, last: bool) -> None:
        """Check the order of each job's events, then fold them; stop folding where one is odd."""
        if not self._entries.sound:
            return
        facts = self._waiting + [fact_of(index, entry) for index, entry in parsed]
        rest = facts[-1:] if facts and facts[-1].kind == "submitted" and not last else []
        facts, self._waiting = facts[: len(facts) - len(rest)], rest
        states: dict[str, State | None] = {
            job_id: State(state)
            for job_id, state in second.states(
                {fact.job_id for fact in facts if fact.job_id is not None}
            ).items()
        }
        for fact in facts:
            if fact.job_id is None:
                continue
            try:
                states[fact.job_id] = next_state(states.get(fact.job_id), fact.kind)
            except OutOfOrder as error:
                self._entries.sound = False
                self._findings.add(
                    "life cycle", str(error), "an honest ledger does not log this", index=fact.index
                )
        if self._entries.sound:
            second.fold(facts)
            self._let_out(second, facts)

    def _let_out(self, second: Shadow, facts: list[Fact]) -> None:
        def passed(debit: Debit, error: EgressRefused) -> None:
            self._findings.add(
                "egress", str(error), "an honest ledger does not log this", index=debit.index
            )

        def tags(indices: Collection[int]) -> dict[int, bytes | None]:
            found = self._reads.model_tags(indices)
            self._untagged |= len(found) < len(indices)
            return found

        second.fold_egress(facts, tags=tags, passed=passed)

    def _compare(self, second: Shadow) -> None:
        if not self._entries.sound:
            self._result.notes.append(
                "projections were not compared: mend the entries first, then run fsck again"
            )
            return
        for odd in self._reads.differences(second):
            if self._untagged and odd.table == "egress_counters" and odd.key[0] == MODEL_SCOPE:
                # Without an opening nobody can tell which model it was; that is said elsewhere.
                continue
            self._findings.add("projection", _said(odd), "run `ledger rebuild`")
        kept = self._reads.held_gpus()
        if kept is not None and kept != self._entries.held_gpus:
            self._findings.add(
                "held GPUs", "the writer's sums are not those of the jobs", "run `ledger rebuild`"
            )
        if not self._reads.word_index_agrees(second):
            self._findings.add(
                "word index", "it is not that of the opened texts", "run `ledger rebuild`"
            )


def _head(reads: Inspection, findings: Findings) -> Head:
    heads = reads.heads()
    if len(heads) > 1:
        findings.add("head", f"there are {len(heads)} heads", "find out what wrote them")
    return heads[0]


def _genesis(reads: Inspection, findings: Findings) -> Genesis | None:
    """The genesis entry's content; where it cannot be read, keys and charter are unknown."""
    data = reads.entries_at({0}).get(0)
    try:
        genesis = parse_entry(data).genesis if data is not None else None
        if genesis is not None:
            parse_vkey(genesis.vkey)
    except LedgerError:
        genesis = None
    if genesis is None:
        findings.add(
            "genesis", "it cannot be read, so no key and no charter is known", MIRROR, index=0
        )
    return genesis


def _log_keys(reads: Inspection, genesis: Genesis | None) -> list[VerifierKey]:
    """The log's keys as one named the next; where an entry of them is none, the walk says so."""
    if genesis is None:
        return []
    keys = [parse_vkey(genesis.vkey)]
    indices = reads.log_key_entries()
    entries = reads.entries_at(set(indices))
    for index in indices:
        try:
            succession = parse_entry(entries[index]).succession if index in entries else None
            if succession is not None:
                keys.append(heir(succession, of=keys[-1]))
        except LedgerError:
            continue
    return keys


def _open_remembered(
    note: bytes | None, keys: list[VerifierKey], findings: Findings, result: Checked
) -> Checkpoint | None:
    if note is None:
        result.notes.append("the signer's memory was not compared")
        return None
    if not keys:
        return None
    try:
        return open_checkpoint(note, keys)
    except (FormatError, SignatureError) as error:
        findings.add(
            "signer memory",
            f"its note is not this log's: {error}",
            "LEDGER_KEY_DIR has to be the folder of this ledger's keys",
        )
        return None


def _check_surroundings(
    reads: Inspection, findings: Findings, size: int, *, now: int, quick: bool
) -> None:
    """What lies beyond the log, what is late, and what guards it all."""
    if beyond := reads.entries_beyond(size):
        findings.add(
            "entry surplus",
            f"{beyond} entries beyond the {size} of the head",
            "find out what wrote them before anything is appended",
        )
    for table, count in reads.rows_beyond(size).items():
        if count:
            findings.add(
                "row surplus",
                f"{count} {table} of entries that are none",
                "find out what wrote them",
            )
    for index, due in reads.overdue(now, OVERDUE_COUNTED):
        late = days_late(due, now=now)
        said = f"{now - due} s" if now - due < DAY_S else f"{late} days"
        findings.add(
            "overdue",
            f"it was due at {_moment(due)}, {said} ago",
            "run `ledger publish-due` or start the worker",
            index=index,
        )
    for guard in reads.missing_guards():
        lost = "the search loses words" if "texts" in guard else "the past can be changed"
        findings.add(
            "guard missing",
            f"the trigger {guard} is not in force",
            f"without it {lost}: create it again from the migration",
        )
    for fault in [] if quick else reads.structural_faults():
        findings.add("database file", fault, "restore the database from a backup or a mirror")


def _check_published(
    store: Store,
    findings: Findings,
    result: Checked,
    signed: Checkpoint | None,
    seen: Collection[bytes],
) -> None:
    """The newest note is published, unless it is only just being made, or a crash came between.

    What the signer has ``seen`` published is missing for no such reason: its row is lost.
    """
    size = result.size
    with store.snapshot() as later:
        lost = [each for each in _sizes(seen) if each <= size and later.checkpoint(each) is None]
        is_published = result.published == size or later.checkpoint(size) is not None
    for each in lost:
        if each < size:
            findings.add(
                "checkpoint missing",
                f"the checkpoint of size {each} was published, and its row is gone",
                f"find out what deleted it, and {MIRROR}",
            )
    if is_published:
        return
    if size not in lost:
        if signed is None or signed.size < size:
            result.notes.append(
                f"{size - (result.published or 0)} entries are stored and not signed yet: a server "
                f"signs them when it starts"
            )
            return
        if (signed.size, signed.root) == (size, result.root):
            result.notes.append(
                f"size {size} is signed and not published yet: a server publishes it, from the "
                f"signer's memory, when it starts"
            )
            return
    findings.add(
        "checkpoint missing",
        f"the signer signed size {size}, and no such checkpoint is published",
        "start a server once: it publishes what the signer remembers",
    )


def _sizes(notes: Collection[bytes]) -> list[int]:
    """The sizes that notes speak of; what is none of this log's is a finding of its own."""
    found = []
    for note in notes:
        with suppress(FormatError):
            found.append(parse_checkpoint(parse_note(note).text).size)
    return found


def _moment(seconds: int) -> str:
    """A time from a column, which may hold anything."""
    try:
        return format_time(seconds)
    except FormatError:
        return f"{seconds} s since 1970"


def _said(odd: Difference) -> str:
    key = ", ".join(map(str, odd.key))
    where = f"{odd.table} ({key})"
    if odd.stored is None:
        return f"the row {where} is missing"
    if odd.folded is None:
        return f"the row {where} follows from no entry"
    return f"the row {where} differs from the entries in {', '.join(odd.columns)}"

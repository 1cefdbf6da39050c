"""Openings and disclosures: that what is sealed can be opened, and what was opened was sealed so.

Decrypts openings where the key is given, compares, and forgets: no message here holds any of it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ledger.errors import CommitmentError, FormatError, LedgerError
from ledger.fsck.entries import BROKEN_RULE
from ledger.fsck.findings import Findings
from ledger.records.commitment import check_opening, check_partial
from ledger.records.deadline import format_time
from ledger.records.entry import Disclosed, Entry, Reason, parse_entry
from ledger.records.statement import sealed_paths
from ledger.storage.inspection import Inspection
from ledger.vault import Vault
from schemas.statements import JobOpen, JobWithheld

LOST: Final = "restore the row from a backup of the database, or it cannot be opened on its day"
Numbered = tuple[int, Entry]


class OpenedCheck:
    """Takes the parsed entries of one range after the other."""

    def __init__(self, reads: Inspection, findings: Findings, vault: Vault | None) -> None:
        self._reads = reads
        self._findings = findings
        self._vault = vault
        self._last: Numbered | None = None

    def check_openings(self, entries: Sequence[Numbered], start: int, stop: int) -> None:
        """Every sealed entry has an opening that decrypts to what it committed to."""
        openings = self._reads.openings(start, stop)
        for index, entry in entries:
            locked = openings.pop(index, None)
            if entry.publish_by is None or entry.signed is None:
                if locked is not None:
                    self._surplus(index)
                continue
            if locked is None:
                self._findings.add("opening missing", "its opening is gone", LOST, index=index)
            elif self._vault is not None and entry.signed.sealed_root is not None:
                self._unlock(index, self._vault, locked, entry.signed.sealed_root)
        unread = set(range(start, stop)) - {index for index, _ in entries}
        for index in sorted(openings.keys() - unread):
            self._surplus(index)

    def check_disclosures(self, entries: Sequence[Numbered], start: int, stop: int) -> None:
        """Every disclosure opens what its target committed to, in its time, and has its row."""
        rows = self._reads.disclosures(start, stop)
        opened = [(index, entry.disclosed) for index, entry in entries if entry.disclosed]
        wanted = {disclosed.discloses for _, disclosed in opened}
        wanted |= {d.withheld_by for _, d in opened if d.withheld_by is not None}
        targets = self._read(wanted)
        known = dict(entries)
        if self._last is not None:
            known[self._last[0]] = self._last[1]
        for index, disclosed in opened:
            if rows.pop(index, None) != disclosed.discloses:
                self._findings.add(
                    "disclosure row",
                    f"the table of disclosures does not say that it opens {disclosed.discloses}",
                    "restore the row from the entry",
                    index=index,
                )
            self._check_disclosure(index, known[index], disclosed, targets, known.get(index - 1))
        readable = {index for index, _ in entries}
        for index in sorted(rows.keys() & readable):
            self._findings.add(
                "disclosure row",
                f"the table says that it opens {rows[index]}, and it is no disclosure",
                "remove the row once it is known what wrote it",
                index=index,
            )
        self._last = entries[-1] if entries else None

    def _unlock(self, index: int, vault: Vault, locked: bytes, root: bytes) -> None:
        try:
            seed, fields = vault.unlock(locked, root=root)
            check_opening(root, seed=seed, fields=fields)
        except FormatError:
            self._findings.add("opening damaged", "it decrypts to no opening", LOST, index=index)
        except CommitmentError as error:
            self._findings.add("opening damaged", str(error), LOST, index=index)

    def _surplus(self, index: int) -> None:
        self._findings.add(
            "opening surplus",
            "there is an opening, and the entry seals nothing",
            "find out what wrote it",
            index=index,
        )

    def _read(self, indices: set[int]) -> dict[int, Entry]:
        found: dict[int, Entry] = {}
        for index, stored in self._reads.entries_at(indices).items():
            try:
                found[index] = parse_entry(stored)
            except LedgerError:
                continue  # said already where it stands
        return found

    def _check_disclosure(
        self,
        index: int,
        entry: Entry,
        disclosed: Disclosed,
        targets: Mapping[int, Entry],
        before: Entry | None,
    ) -> None:
        target = targets.get(disclosed.discloses)
        signed = target.signed if target else None
        if target is None:
            return  # missing or unreadable: said where it stands
        if signed is None or signed.sealed_root is None or target.publish_by is None:
            self._rule(index, f"it opens entry {disclosed.discloses}, which seals nothing")
            return
        if entry.job_id != target.job_id or disclosed.discloses >= index:
            self._rule(index, f"it opens entry {disclosed.discloses} of another job or a later one")
        paths = sealed_paths(signed.schema)
        try:
            if disclosed.partial is not None:
                check_partial(signed.sealed_root, disclosed.partial, paths)
                self._check_withheld(index, disclosed, targets)
            else:
                assert disclosed.seed is not None
                check_opening(signed.sealed_root, seed=disclosed.seed, fields=disclosed.fields)
        except (CommitmentError, FormatError) as error:
            self._rule(index, f"it does not open entry {disclosed.discloses}: {error}")
        if disclosed.reason is Reason.EARLY:
            self._check_early(index, disclosed, before, author=signed.statement.author)
        elif entry.logged_at < target.publish_by:
            self._rule(index, f"before the deadline of {format_time(target.publish_by)}")

    def _check_early(
        self, index: int, disclosed: Disclosed, before: Entry | None, *, author: str
    ) -> None:
        if before is None:
            return
        signed = before.signed
        asked = (
            disclosed.opened_by == index - 1
            and signed is not None
            and isinstance(signed.public, JobOpen)
            and signed.public.discloses == disclosed.discloses
            and signed.statement.author == author
        )
        if not asked:
            self._rule(index, f"opened early, and {author} did not ask for it in the entry before")

    def _check_withheld(
        self, index: int, disclosed: Disclosed, targets: Mapping[int, Entry]
    ) -> None:
        assert disclosed.partial is not None
        withheld = targets.get(disclosed.withheld_by if disclosed.withheld_by is not None else -1)
        public = withheld.signed.public if withheld and withheld.signed else None
        if withheld is None:
            return
        if (
            not isinstance(public, JobWithheld)
            or public.withholds != disclosed.discloses
            or set(public.paths) != disclosed.partial.closed.keys()
        ):
            self._rule(
                index, f"entry {disclosed.withheld_by} does not withhold what it leaves closed"
            )

    def _rule(self, index: int, message: str) -> None:
        self._findings.add("disclosure", message, BROKEN_RULE, index=index)

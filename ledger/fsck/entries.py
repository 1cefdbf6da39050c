"""What each entry says, held against the rules that it was logged under and against its own row."""

from typing import Final

from ledger.errors import LedgerError, NotEndorsed, ValueRefused
from ledger.fsck.findings import Findings
from ledger.records.charter import Code, judge
from ledger.records.charters import Charters, Version
from ledger.records.deadline import format_time, publish_by
from ledger.records.entry import DECISION_KINDS, FINDING_KIND, Entry, Genesis, parse_entry
from ledger.records.statement import ParsedStatement, verify_statement
from ledger.records.succession import Succession, heir
from ledger.storage.keyring import AuthorKey, KeyRing
from ledger.storage.shapes import StoredEntry
from ledger.tlog.note import ED25519, parse_vkey
from schemas.statements import (
    CharterVersion,
    JobEnded,
    JobSubmitted,
    Registry,
    RegistryAction,
    Role,
)

DAMAGED: Final = "restore it from a backup or a mirror of the log"
BROKEN_RULE: Final = (
    "an honest ledger does not log this: keep the database as evidence and find out who wrote it"
)


class EntryCheck:
    """Takes the entries in log order.

    Remembers keys, charters, the last time, the last submission or ending, and the jobs that hold
    GPUs: as many as run or wait at once.
    """

    def __init__(self, findings: Findings, genesis: Genesis | None, *, signatures: bool) -> None:
        self._findings = findings
        self._charters = Charters([Version(0, 0, genesis.charter)]) if genesis else None
        self._keys = KeyRing(
            AuthorKey(author.name, author.role, key.key_id, key.public_key)
            for author in (genesis.authors if genesis else ())
            for key in [parse_vkey(author.vkey)]
        )
        self._log_key = parse_vkey(genesis.vkey) if genesis else None
        self._knows_authors = genesis is not None
        self._signatures = signatures
        self._logged_at = 0
        self._submitted: tuple[int, Entry] | None = None
        self._ended: tuple[int, Entry] | None = None
        self._owes_findings = genesis is not None and genesis.charter.version != "charter/1"
        self._holding: dict[str, tuple[str, int]] = {}
        self._held: dict[str, int] = {}
        self.sound = True
        """Whether every entry so far could be read and stood where it may."""

    @property
    def held_gpus(self) -> dict[str, int]:
        """GPUs that each author's jobs hold by the entries that were checked; zeros left out."""
        return {author: gpus for author, gpus in self._held.items() if gpus}

    def skip(self) -> None:
        """An entry is missing: nothing is known of it, nor of what it answered."""
        self.sound = False
        self._submitted = self._ended = None

    def check(self, stored: StoredEntry) -> Entry | None:
        """The parsed entry, None where its bytes are none; whatever is wrong is a finding."""
        index = stored.index
        try:
            entry = parse_entry(stored.data)
        except LedgerError as error:
            self._findings.add("entry form", f"it cannot be read: {error}", DAMAGED, index=index)
            self.skip()
            return None
        self._check_row(stored, entry)
        if entry.logged_at < self._logged_at:
            self._findings.add(
                "time order",
                f"logged at {format_time(entry.logged_at)}, after one of"
                f" {format_time(self._logged_at)}",
                BROKEN_RULE,
                index=index,
            )
        self._logged_at = max(self._logged_at, entry.logged_at)
        if (entry.genesis is not None) != (index == 0):
            self._rule(index, f"an entry {entry.kind}, where genesis is entry 0 and no other")
        elif not any(
            (
                entry.signed,
                entry.decision,
                entry.disclosed,
                entry.genesis,
                entry.manifest,
                entry.found,
                entry.succession,
            )
        ):
            self._findings.add(
                "unknown kind",
                f"{entry.kind}",
                "a newer version of the ledger reads it",
                index=index,
            )
        if entry.manifest is not None and entry.manifest.tree_size > index:
            size = entry.manifest.tree_size
            self._rule(index, f"it lists files of {size} entries, before there were so many")
        if entry.succession is not None:
            self._check_succession(index, entry.succession)
        self._check_decision(index, entry)
        self._check_found(index, entry)
        if entry.signed is not None:
            self._check_deadline(index, entry)
            self._check_author(index, entry)
        return entry

    def _check_succession(self, index: int, succession: Succession) -> None:
        """Check that the key which spoke for the log so far has named the next one."""
        if self._log_key is None:
            return
        try:
            self._log_key = heir(succession, of=self._log_key)
        except LedgerError as error:
            self._rule(index, f"a key of the log that the one before it did not name: {error}")

    def _in_force(self, at: int) -> Version | None:
        return self._charters.in_force(at) if self._charters else None

    def _rule(self, index: int, message: str) -> None:
        self.sound = False
        self._findings.add("rule broken", message, BROKEN_RULE, index=index)

    def _check_row(self, stored: StoredEntry, entry: Entry) -> None:
        digest = entry.signed.digest if entry.signed else None
        columns = {
            "kind": (stored.kind, entry.kind),
            "job_id": (stored.job_id, entry.job_id),
            "logged_at": (stored.logged_at, entry.logged_at),
            "publish_by": (stored.publish_by, entry.publish_by),
            "statement_digest": (stored.statement_digest, digest),
        }
        for name, (row, said) in columns.items():
            if row != said:
                self._findings.add(
                    "entry row",
                    f"its column {name} is not what its bytes say",
                    "the bytes count: restore the column from them",
                    index=stored.index,
                )

    def _check_deadline(self, index: int, entry: Entry) -> None:
        rules = self._in_force(entry.logged_at)
        if entry.publish_by is None or rules is None:
            return
        due = publish_by(entry.logged_at, embargo_days=rules.charter.embargo_days)
        if entry.publish_by != due:
            self._rule(
                index,
                f"it opens by {format_time(entry.publish_by)}, where the charter says"
                f" {format_time(due)}",
            )

    def _check_author(self, index: int, entry: Entry) -> None:
        signed = entry.signed
        if not self._knows_authors or signed is None:
            return
        try:
            key = self._keys.require(signed.statement.author, signed.key_id, signed.schema.roles)
            if self._signatures:
                verify_statement(signed.body, public_key=key.public_key, signature=signed.signature)
            self._check_endorsements(signed)
            if isinstance(signed.public, Registry):
                self._check_council(signed, signed.public, entry.logged_at)
                self._register(signed.public)
            if isinstance(signed.public, CharterVersion) and self._charters is not None:
                self._check_threshold(signed, entry.logged_at)
                self._charters = self._charters.after(
                    signed.public, index=index, logged_at=entry.logged_at
                )
                self._owes_findings = True
        except (LedgerError, KeyError) as error:
            self._rule(index, f"its author may not say this: {error}")

    def _check_endorsements(self, signed: ParsedStatement) -> None:
        for each in signed.endorsements:
            key = self._keys.require(each.author, each.key_id, (Role.COUNCIL,))
            if self._signatures:
                verify_statement(signed.body, public_key=key.public_key, signature=each.signature)

    def _check_council(self, signed: ParsedStatement, public: Registry, at: int) -> None:
        rules = self._in_force(at)
        threshold = rules.charter.council_threshold if rules else None
        key_id = parse_vkey(public.vkey).key_id
        retires = public.action is RegistryAction.RETIRE
        role = self._keys.find(public.name, key_id).role if retires else public.role
        if role is Role.COUNCIL and threshold is not None and threshold > 1:
            self._check_threshold(signed, at)

    def _check_threshold(self, signed: ParsedStatement, at: int) -> None:
        rules = self._in_force(at)
        needed = rules.charter.signers_needed(len(self._keys.authors(Role.COUNCIL))) if rules else 0
        if 1 + len(signed.endorsements) < needed:
            raise NotEndorsed(f"{1 + len(signed.endorsements)} of the council signed, not {needed}")

    def _register(self, public: Registry) -> None:
        key = parse_vkey(public.vkey)
        if key.type != ED25519:
            raise ValueRefused(
                f"the key {key.key_id:08x} of {public.name} is not one that authors sign with",
                field="statement.public.vkey",
            )
        if public.action is RegistryAction.RETIRE:
            self._keys.retire(key.key_id)
        else:
            self._keys.add(AuthorKey(public.name, public.role, key.key_id, key.public_key))

    def _check_decision(self, index: int, entry: Entry) -> None:
        waiting, self._submitted = self._submitted, None
        if entry.kind == "submitted":
            self._submitted = (index, entry)
        if waiting is None:
            # After an entry that could not be read, nobody knows what this one answers.
            if entry.kind in DECISION_KINDS and self.sound:
                self._rule(index, f"an entry {entry.kind} that follows no submission")
            return
        at, submitted = waiting
        decision = entry.decision
        if decision is None or decision.refers_to != at or entry.job_id != submitted.job_id:
            self._rule(at, "a submission without its decision in the next entry")
            return
        signed = submitted.signed
        rules = self._in_force(submitted.logged_at)
        if rules is None or signed is None or not isinstance(signed.public, JobSubmitted):
            return
        if decision.charter != rules.index:
            self._rule(index, f"it names charter {decision.charter}, where {rules.index} counts")
        author = signed.statement.author
        found = judge(signed.public, rules.charter, held_gpus=self._held.get(author, 0))
        codes = [finding.code for finding in found]
        if codes != [finding.code for finding in decision.findings]:
            said = ", ".join(codes) or "nothing"
            self._rule(index, f"{entry.kind}, where the charter's rules find {said}")
        if entry.kind == "admitted" and entry.job_id is not None:
            self._holding[entry.job_id] = author, signed.public.gpu_count
            self._held[author] = self._held.get(author, 0) + signed.public.gpu_count

    def _check_found(self, index: int, entry: Entry) -> None:
        """What was found about a run follows it at once, and what quarantines is not left out."""
        ended, self._ended = self._ended, None
        mismatch = entry.found is not None and any(
            each.code is Code.R1_DIGEST_MISMATCH for each in entry.found.findings
        )
        if mismatch and (entry.found is None or ended is None or entry.found.refers_to != ended[0]):
            self._rule(index, f"a {FINDING_KIND} about weights that follows no ending")
        # Before this ledger knew findings it logged none, and that is no rule broken.
        self._owes_findings = self._owes_findings or mismatch
        if ended is not None and not mismatch and self._owes_findings:
            assert ended[1].signed is not None
            public = ended[1].signed.public
            if isinstance(public, JobEnded) and not public.weights_unchanged:
                self._rule(ended[0], f"weights that changed, and no {FINDING_KIND} after it")
        if entry.found is not None:
            rules = self._in_force(entry.logged_at)
            if rules is not None and entry.found.charter != rules.index:
                self._rule(
                    index, f"it names charter {entry.found.charter}, where {rules.index} counts"
                )
        if entry.signed is not None and isinstance(entry.signed.public, JobEnded):
            self._ended = index, entry
            author, gpus = self._holding.pop(entry.job_id or "", ("", 0))
            self._held[author] = self._held.get(author, 0) - gpus

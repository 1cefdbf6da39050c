"""What a batch adds to the log: who is refused, what is known already, which entries follow.

Works on what it is given: the head, the jobs and embargoes that the batch touches. Reads nothing,
writes nothing, signs nothing.
"""

from dataclasses import replace
from hmac import compare_digest
from typing import Final

from msgspec import Struct

from ledger.errors import (
    Conflict,
    EgressRefused,
    LogUnavailable,
    OutOfOrder,
    ValueRefused,
)
from ledger.records.canonical import INTEGER_LIMIT
from ledger.records.charter import Code, Finding, found, judge
from ledger.records.deadline import publish_by
from ledger.records.egress import is_egress
from ledger.records.entry import (
    FINDING_KIND,
    LOG_KEY_KIND,
    MANIFEST_KIND,
    Manifest,
    decision_entry,
    disclosed_entry,
    finding_entry,
    log_key_entry,
    manifest_entry,
    statement_entry,
)
from ledger.records.lifecycle import State, next_state
from ledger.records.proposal import Disclosure, Proposal
from ledger.records.statement import ParsedStatement
from ledger.records.succession import Succession, heir
from ledger.sequencer import council
from ledger.sequencer.held import HeldGpus
from ledger.sequencer.known import Known, Work
from ledger.sequencer.meter import Meter
from ledger.sequencer.references import check_reference, check_sealed
from ledger.storage.keyring import AuthorKey
from ledger.storage.projections import Fact
from ledger.storage.shapes import StoredEmbargo, StoredEntry
from ledger.tlog.merkle import leaf_hash
from schemas.statements import (
    ArtifactRead,
    ArtifactWrite,
    CharterVersion,
    JobEgress,
    JobEnded,
    JobInterrupted,
    JobStarted,
    JobSubmitted,
    JobWithheld,
    Registry,
    RegistryAction,
    Role,
)
from schemas.values import Wire

_STATES: Final = {state.value: state for state in State}
_PLAIN: Final = frozenset({JobStarted, JobInterrupted})


class Placed(Struct, frozen=True):
    """Where a statement or disclosure stands: its index, and its decision's if it has one."""

    index: int
    created: bool
    decision_index: int | None = None


class Plan:
    """Takes works one by one and lays out their entries.

    ``place`` raises for a work that is refused and leaves no trace of it, so that one bad work
    harms no other in the batch.
    """

    def __init__(
        self,
        *,
        size: int,
        logged_at: int,
        origin: str,
        known: Known,
        meter: Meter | None = None,
    ) -> None:
        self.entries: list[StoredEntry] = []
        self.facts: list[Fact] = []
        self.openings: list[tuple[int, bytes, bytes | None, bytes | None]] = []
        self.disclosures: list[tuple[int, int]] = []
        self._next = size
        self._logged_at = logged_at
        self._origin = origin
        self._known = known
        self._rules = known.charters.in_force(logged_at)
        self.held = HeldGpus(known)
        self.meter = meter or Meter()
        self._states = {job_id: _STATES[job["state"]] for job_id, job in known.jobs.items()}
        self._let_out: dict[str, tuple[int, int]] = {}
        self._weights: dict[str, bytes | None] = {}

    def place(self, work: Work) -> Placed:
        """Lay out the entries of one work. Raises what its refusal is, having changed nothing."""
        if isinstance(work, Proposal):
            return self._say(work)
        if isinstance(work, Disclosure):
            return Placed(self._disclose(work), created=True)
        if isinstance(work, Manifest):
            return Placed(self._list_files(work), created=True)
        if isinstance(work, Succession):
            return Placed(self._succeed(work), created=True)
        return Placed(self._find(work.job_id, work.code, work.finding), created=True)

    def _say(self, work: Proposal) -> Placed:
        parsed = work.parsed
        known = self._known.statements.get(parsed.digest)
        if known is not None:
            decided = known + 1 if parsed.statement.kind == "submitted" else None
            return Placed(known, created=False, decision_index=decided)
        self._known.keys.require(parsed.statement.author, parsed.key_id, parsed.schema.roles)
        for each in parsed.endorsements:
            self._known.keys.require(each.author, each.key_id, (Role.COUNCIL,))
        if type(parsed.public) in _PLAIN:
            return self._run(work)
        if isinstance(parsed.public, Registry):
            return self._register(parsed, parsed.public)
        if isinstance(parsed.public, CharterVersion):
            return self._change_charter(parsed, parsed.public)
        if parsed.job_id is None:
            data = statement_entry(parsed, logged_at=self._logged_at, publish_by=None)
            return Placed(self._statement(work, data, None), created=True)
        return self._job_event(work)

    def _run(self, work: Proposal) -> Placed:
        """A step of a run, which seals nothing, lets nothing out and speaks of no other entry."""
        parsed = work.parsed
        job_id = parsed.job_id
        assert job_id is not None
        following = next_state(self._states.get(job_id), parsed.statement.kind)
        data = statement_entry(parsed, logged_at=self._logged_at, publish_by=None)
        index = self._statement(work, data, None)
        self._states[job_id] = following
        return Placed(index, created=True)

    def _job_event(self, work: Proposal) -> Placed:
        parsed = work.parsed
        kind, job_id = parsed.statement.kind, parsed.job_id
        assert job_id is not None
        state = self._states.get(job_id)
        if kind == "submitted" and state is not None:
            raise Conflict(
                f"job {job_id} was submitted before, with other content, and is {state}: "
                f"a new job needs a new job_id, a correction is a statement of kind corrected"
            )
        following = next_state(state, kind)
        let_out = self._check_egress(job_id, parsed.public)
        disclosure = check_reference(work, self._known, logged_at=self._logged_at)
        deadline = None
        if parsed.sealed_root is not None:
            days = self._rules.charter.embargo_days
            deadline = publish_by(self._logged_at, embargo_days=days)
        data = statement_entry(parsed, logged_at=self._logged_at, publish_by=deadline)
        findings: tuple[Finding, ...] = ()
        decision_kind = "admitted"
        decision = None
        if isinstance(parsed.public, JobSubmitted):
            findings = self._judge(parsed.statement.author, parsed.public)
            decision_kind = "rejected" if findings else "admitted"
            decision = decision_entry(
                decision_kind,
                refers_to=self._next,
                job_id=job_id,
                charter=self._rules.index,
                findings=findings,
                logged_at=self._logged_at,
            )
            following = next_state(following, decision_kind)
        self._take(parsed, job_id)
        # From here on nothing refuses, so that a refused work leaves nothing behind.
        index = self._statement(work, data, deadline)
        self._states[job_id] = following
        if let_out is not None:
            self._let_out[job_id] = let_out
        if decision is not None:
            self.meter.submit(work, index=index)
            self._add_judgement(decision_kind, decision, job_id, findings)
            if not findings:
                assert isinstance(parsed.public, JobSubmitted)
                self.held.take(job_id, parsed.statement.author, parsed.public.gpu_count)
            return Placed(index, created=True, decision_index=index + 1)
        if isinstance(parsed.public, JobEnded):
            self.held.give_back(job_id)
            self._check_weights(index, job_id, parsed.public, work.tags.weights)
        if isinstance(parsed.public, JobWithheld):
            target = self._known.embargoes[parsed.public.withholds]
            self._known.embargoes[target.index] = replace(target, withheld_index=index)
        if disclosure is not None:
            self._disclose(replace(disclosure, opened_by=index))
        return Placed(index, created=True)

    def _take(self, parsed: ParsedStatement, job_id: str) -> None:
        """Debit what a statement lets out. What a ceiling refuses is logged, and then raised."""
        try:
            self.meter.take(
                parsed,
                index=self._next,
                logged_at=self._logged_at,
                charter=self._rules.charter,
            )
        except EgressRefused as refused:
            kind = parsed.statement.schema
            self._find(
                job_id, Code(refused.code), f"The artifact door refused an {kind}: {refused}."
            )
            raise

    def _find(self, job_id: str, code: Code, finding: str) -> int:
        """Log what was found about a job that was admitted; the index."""
        job = self.meter.jobs.get(job_id)
        state = self._states.get(job_id)
        if job is None or state is None or state is State.REJECTED:
            raise OutOfOrder(f"job {job_id} is {state or 'not known'}: nothing is found about it")
        findings = (found(code, finding),)
        data = finding_entry(
            # Its admission, which follows the submission in the same batch.
            refers_to=job["submitted_index"] + 1,
            job_id=job_id,
            charter=self._rules.index,
            findings=findings,
            logged_at=self._logged_at,
        )
        index = self._next
        self._add_judgement(FINDING_KIND, data, job_id, findings)
        return index

    def _judge(self, author: str, public: JobSubmitted) -> tuple[Finding, ...]:
        charter = self._rules.charter
        limited = charter.quotas.member_gpus is not None
        return judge(public, charter, held_gpus=self.held.of(author) if limited else 0)

    def _check_weights(
        self, index: int, job_id: str, public: JobEnded, after: bytes | None
    ) -> None:
        """Log at once where the weights are not what they were, and so quarantine the job."""
        before = self._weights_before(job_id)
        differ = before is not None and after is not None and not compare_digest(before, after)
        if public.weights_unchanged and not differ:
            return
        said = (
            "The sealed digests of the weights before and after the run are not the same."
            if differ
            else "The orchestrator says that the weights are not what they were before the run."
        )
        findings = (found(Code.R1_DIGEST_MISMATCH, f"{said} The job's artifacts are quarantined."),)
        data = finding_entry(
            refers_to=index,
            job_id=job_id,
            charter=self._rules.index,
            findings=findings,
            logged_at=self._logged_at,
        )
        self._add_judgement(FINDING_KIND, data, job_id, findings)

    def _weights_before(self, job_id: str) -> bytes | None:
        if job_id in self._weights:
            return self._weights[job_id]
        index = self._known.jobs[job_id]["submitted_index"]
        tags = self._known.tags.get(index)
        if tags is not None and tags.weights is not None:
            return tags.weights
        # Nothing was named, or it was sealed before there were tags.
        return self._known.sealed_weights(index) if tags is not None else None

    def _add_judgement(
        self, kind: str, data: bytes, job_id: str, findings: tuple[Finding, ...]
    ) -> None:
        if kind == FINDING_KIND:
            self.meter.find(job_id, findings[0].code)
        self._add(
            data,
            Fact(
                index=self._next,
                kind=kind,
                logged_at=self._logged_at,
                job_id=job_id,
                rejection_code=str(findings[0].code) if findings else None,
                charter=self._rules.index,
            ),
        )

    def _check_egress(self, job_id: str, public: Wire) -> tuple[int, int] | None:
        """Check that a job's sums stay integers that every reader has; (bytes, artifacts)."""
        if not is_egress(public):
            return None
        assert isinstance(public, JobEgress | ArtifactWrite | ArtifactRead)
        let_out = self._let_out.get(job_id)
        if let_out is None:
            job = self._known.jobs.get(job_id, {})
            let_out = (job.get("egress_bytes", 0), job.get("artifact_count", 0))
        let_out = (let_out[0] + public.egress_bytes, let_out[1] + public.artifact_count)
        for name, total in zip(("egress_bytes", "artifact_count"), let_out, strict=True):
            if total >= INTEGER_LIMIT:
                raise ValueRefused(
                    f"statement.public.{name}: the job's sum would be {total}, where it stays "
                    f"below 2^53",
                    field=f"statement.public.{name}",
                )
        return let_out

    def _disclose(self, disclosure: Disclosure) -> int:
        check_sealed(disclosure, self._known, logged_at=self._logged_at)
        data = disclosed_entry(
            discloses=disclosure.index,
            job_id=disclosure.job_id,
            reason=disclosure.reason,
            logged_at=self._logged_at,
            fields=disclosure.fields if disclosure.partial is None else None,
            seed=disclosure.seed,
            partial=disclosure.partial,
            opened_by=disclosure.opened_by,
            withheld_by=disclosure.withheld_by,
        )
        index = self._next
        embargo = self._known.embargoes[disclosure.index]
        self._known.embargoes[disclosure.index] = replace(embargo, disclosed_index=index)
        self.disclosures.append((disclosure.index, index))
        self._add(
            data,
            Fact(
                index=index,
                kind="disclosed",
                logged_at=self._logged_at,
                job_id=disclosure.job_id,
                discloses=disclosure.index,
                fields=disclosure.fields
                if disclosure.partial is None
                else disclosure.partial.fields,
            ),
        )
        return index

    def _list_files(self, manifest: Manifest) -> int:
        if manifest.tree_size > self._next:
            raise ValueRefused(
                f"tree_size: files of {manifest.tree_size} entries, and the log has {self._next}",
                field="tree_size",
            )
        index = self._next
        data = manifest_entry(manifest, logged_at=self._logged_at)
        self._add(data, Fact(index=index, kind=MANIFEST_KIND, logged_at=self._logged_at))
        return index

    def _succeed(self, succession: Succession) -> int:
        current = self._known.log_key
        assert current is not None
        if succession.vkey not in self._known.log_keys_here:
            raise LogUnavailable("the new key of the log does not sign here: nothing was logged")
        # Nothing is laid out for a key that the one before it did not name.
        self._known.log_key = heir(succession, of=current)
        index = self._next
        self._add(
            log_key_entry(succession, logged_at=self._logged_at),
            Fact(
                index=index,
                kind=LOG_KEY_KIND,
                logged_at=self._logged_at,
                key_id=f"{self._known.log_key.key_id:08x}",
                log_vkey=succession.vkey,
            ),
        )
        return index

    def _change_charter(self, parsed: ParsedStatement, public: CharterVersion) -> Placed:
        charters = self._known.charters.after(public, index=self._next, logged_at=self._logged_at)
        council.check_charter(parsed, charters.newest, self._known.keys, self._rules)
        data = statement_entry(parsed, logged_at=self._logged_at, publish_by=None)
        index = self._statement(Proposal(parsed=parsed, size=0), data, None)
        self._known.charters = charters
        # One that counts at once judges what comes after it in this very batch.
        self._rules = charters.in_force(self._logged_at)
        return Placed(index, created=True)

    def _register(self, parsed: ParsedStatement, public: Registry) -> Placed:
        ring = self._known.keys
        key = council.check_registration(
            parsed, public, ring, self._rules, charters=self._known.charters, origin=self._origin
        )
        data = statement_entry(parsed, logged_at=self._logged_at, publish_by=None)
        if public.action is RegistryAction.RETIRE:
            ring.retire(key.key_id)
        else:
            ring.add(AuthorKey(public.name, public.role, key.key_id, key.public_key))
        work = Proposal(parsed=parsed, size=0)
        index = self._statement(work, data, None, key_id=f"{key.key_id:08x}")
        return Placed(index, created=True)

    def _statement(
        self, work: Proposal, data: bytes, deadline: int | None, *, key_id: str | None = None
    ) -> int:
        parsed, index = work.parsed, self._next
        statement, job_id = parsed.statement, parsed.job_id
        self._known.statements[parsed.digest] = index
        if deadline is not None:
            assert work.sealed_opening is not None
            assert job_id is not None
            self.openings.append((index, work.sealed_opening, work.tags.weights, work.tags.model))
            if isinstance(parsed.public, JobSubmitted):
                self._weights[job_id] = work.tags.weights
            if self._known.refers:
                self._known.embargoes[index] = StoredEmbargo(
                    index, job_id, statement.author, deadline, None, None
                )
        self._add(
            data,
            # In the order of the fields; by name it costs twice as much.
            Fact(
                index,
                statement.kind,
                self._logged_at,
                job_id,
                deadline,
                statement.author,
                parsed.public,
                key_id,
            ),
            digest=parsed.digest,
        )
        return index

    def _add(self, data: bytes, fact: Fact, *, digest: bytes | None = None) -> None:
        self.entries.append(
            # In the order of the fields; by name it costs twice as much.
            StoredEntry(
                fact.index,
                fact.kind,
                fact.job_id,
                fact.logged_at,
                fact.publish_by,
                leaf_hash(data),
                digest,
                data,
            )
        )
        self.facts.append(fact)
        self._next += 1

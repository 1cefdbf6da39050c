"""Entries folded into the rows that browsing needs; dropped and rebuilt from the entries at will.

One fold serves both: the sequencer feeds it each batch as it is written, ``ledger rebuild`` feeds
it the whole log, and the rows come out the same. It reads no clock and no row that is not folded
from an entry before.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete

from ledger.records import canonical
from ledger.records.deadline import parse_time
from ledger.records.entry import Author, Entry
from ledger.storage.catalogue_fold import CatalogueRows
from ledger.storage.driver import Driver, Row, columns_of, storable
from ledger.storage.tables import (
    AUTHOR_KEYS,
    CHARTERS,
    EMBARGOES,
    FOREVER,
    JOBS,
    LOG_ROLE,
    PROJECTIONS,
)
from ledger.storage.word_index import empty_texts
from ledger.tlog.note import parse_vkey
from schemas.statements import (
    ArtifactRead,
    ArtifactWrite,
    CharterVersion,
    Code,
    JobCorrected,
    JobEgress,
    JobEnded,
    JobStarted,
    JobSubmitted,
    JobWithheld,
    Registry,
    RegistryAction,
    Role,
)
from schemas.values import Wire

JobValues = dict[str, Any]
"""A row of ``jobs``, its keys in the table's order."""

_COLUMNS: Final = tuple(column.name for column in JOBS.columns)
_CURRENT_JOBS: Final = f"SELECT {columns_of(JOBS)} FROM jobs WHERE until = {FOREVER} AND job_id IN"  # noqa: S608 - names are ours
_CLOSE_JOB: Final = "UPDATE jobs SET until = ? WHERE job_id = ? AND since = ?"
_DISCLOSE: Final = "UPDATE embargoes SET disclosed_index = ? WHERE leaf_index = ?"
_WITHHOLD: Final = "UPDATE embargoes SET withheld_index = ? WHERE leaf_index = ?"
_RETIRE: Final = "UPDATE author_keys SET until = ? WHERE key_id = ? AND until = ?"
_BLANK: Final[JobValues] = dict.fromkeys(_COLUMNS)


@dataclass(frozen=True, slots=True)
class FoundingKey:
    """An author's key as the genesis entry names it."""

    name: str
    role: Role
    title: str
    vkey: str
    key_id: str


class Fact(Struct, frozen=True):
    """What one entry says, as far as the projections care."""

    index: int
    kind: str
    logged_at: int
    job_id: str | None = None
    publish_by: int | None = None
    author: str | None = None
    public: Wire | None = None
    key_id: str | None = None
    rejection_code: str | None = None
    discloses: int | None = None
    fields: Mapping[str, Any] | None = None
    founders: tuple[FoundingKey, ...] = ()
    charter: int | None = None
    """The index of the charter that a decision names."""
    first_rules: str | None = None
    """The charter of the genesis entry, canonical."""
    log_vkey: str | None = None
    """The log's own key from this entry on."""


def fact_of(index: int, entry: Entry) -> Fact:
    """What the parsed entry at ``index`` says to the projections.

    The sequencer lays out the same facts from what it has just checked, without parsing entries
    again; that both agree is what ``ledger fsck`` and the tests hold against each other.
    """
    signed, disclosed = entry.signed, entry.disclosed
    public = signed.public if signed else None
    judgement = entry.decision or entry.found
    findings = judgement.findings if judgement else ()
    key_id = None
    if isinstance(public, Registry):
        key_id = f"{parse_vkey(public.vkey).key_id:08x}"
    if entry.succession is not None:
        key_id = f"{parse_vkey(entry.succession.vkey).key_id:08x}"
    return Fact(
        index=index,
        kind=entry.kind,
        logged_at=entry.logged_at,
        job_id=entry.job_id,
        publish_by=entry.publish_by,
        author=signed.statement.author if signed else None,
        public=public,
        key_id=key_id,
        rejection_code=str(findings[0].code) if findings else None,
        discloses=disclosed.discloses if disclosed else None,
        fields=disclosed.fields if disclosed else None,
        founders=tuple(map(_founding_key, entry.genesis.authors)) if entry.genesis else (),
        charter=judgement.charter if judgement else None,
        first_rules=_canonical(entry.genesis.charter.to_dict()) if entry.genesis else None,
        log_vkey=entry.succession.vkey if entry.succession else None,
    )


def _founding_key(author: Author) -> FoundingKey:
    return FoundingKey(
        name=author.name,
        role=author.role,
        title=author.title,
        vkey=author.vkey,
        key_id=f"{parse_vkey(author.vkey).key_id:08x}",
    )


class Projector:
    """Folds one batch of facts, in log order, into new and changed rows; ``write`` stores them.

    ``jobs`` are the current versions of the jobs that the batch touches (``current_jobs``);
    ``first_index`` is the index of the batch's first entry.
    """

    def __init__(self, jobs: Mapping[str, JobValues], *, first_index: int) -> None:
        self.jobs = dict(jobs)
        """The newest versions, of the batch's new jobs too."""
        self._first_index = first_index
        self._submitted: dict[str, JobValues] = {}
        self._new_jobs: list[JobValues] = []
        self._closed: list[Row] = []
        self._new_embargoes: list[Row] = []
        self._disclosed: list[Row] = []
        self._withheld: list[Row] = []
        self._new_keys: list[Row] = []
        self._retired: list[Row] = []
        self._charters: list[Row] = []
        self._catalogue = CatalogueRows()

    def fold(self, fact: Fact) -> None:  # noqa: C901, PLR0912 - one case a kind of entry
        """Take one fact. The facts of one job must arrive in log order."""
        if fact.publish_by is not None:
            self._new_embargoes.append(
                (fact.index, fact.job_id, fact.author, fact.publish_by, None, None)
            )
        match fact.kind:
            case "submitted":
                self._submit(fact)
            case "admitted" | "rejected":
                self._decide(fact)
            case "started" | "interrupted":
                self._run(fact)
            case "egress":
                self._egress(fact)
            case "disclosed":
                self._disclose(fact)
            case "withheld":
                assert isinstance(fact.public, JobWithheld)
                self._withheld.append((fact.index, fact.public.withholds))
            case "corrected":
                assert isinstance(fact.public, JobCorrected)
                assert fact.job_id is not None
                self._catalogue.correction(
                    fact.public,
                    index=fact.index,
                    logged_at=fact.logged_at,
                    job_id=fact.job_id,
                    author=fact.author,
                )
            case "registry":
                self._register(fact)
            case "log_key":
                row = (fact.key_id, fact.index, FOREVER, LOG_ROLE, LOG_ROLE, "", fact.log_vkey)
                self._new_keys.append(row)
            case "charter":
                assert isinstance(fact.public, CharterVersion)
                begins = parse_time(fact.public.in_force_from)
                rules = _canonical(msgspec.to_builtins(fact.public.charter))
                self._charters.append((fact.index, begins, rules))
            case "finding":
                self._find(fact)
            case "genesis":
                self._charters.append((fact.index, fact.logged_at, fact.first_rules))
                self._new_keys.extend(
                    (
                        key.key_id,
                        fact.index,
                        FOREVER,
                        key.name,
                        str(key.role),
                        storable(key.title),
                        key.vkey,
                    )
                    for key in fact.founders
                )
            case "completed" | "failed" | "cancelled" | "terminated_by_policy":
                self._end(fact)

    def write(self, driver: Driver) -> None:
        """Store what the facts have changed, in the caller's transaction. Once."""
        driver.insert(JOBS, [tuple(row.values()) for row in self._new_jobs])
        driver.run_many(_CLOSE_JOB, self._closed)
        driver.insert(EMBARGOES, self._new_embargoes)
        driver.run_many(_DISCLOSE, self._disclosed)
        driver.run_many(_WITHHOLD, self._withheld)
        driver.insert(AUTHOR_KEYS, self._new_keys)
        driver.run_many(_RETIRE, self._retired)
        driver.insert(CHARTERS, self._charters)
        self._catalogue.write(driver)

    def _submit(self, fact: Fact) -> None:
        public = fact.public
        assert isinstance(public, JobSubmitted)
        assert fact.job_id is not None
        row = _BLANK.copy()
        row.update(
            job_id=fact.job_id,
            since=fact.index,
            until=FOREVER,
            submitted_index=fact.index,
            author=fact.author,
            workload_type=str(public.workload_type),
            gradient_scope=str(public.gradient_scope),
            optimizer_targets=" ".join(public.optimizer_targets),
            accelerator=public.accelerator,
            gpu_count=public.gpu_count,
            wall_limit_seconds=public.wall_limit_seconds,
            egress_ceiling_bytes=public.egress_ceiling_bytes,
            submitted_at=fact.logged_at,
            publish_by=fact.publish_by,
            egress_bytes=0,
            artifact_count=0,
        )
        self._submitted[fact.job_id] = row

    def _decide(self, fact: Fact) -> None:
        # A submission and its decision are one batch, so no published tree size lies between
        # them: they make one version, from the submission's index on.
        assert fact.job_id is not None
        row = self._submitted.pop(fact.job_id)
        row["state"] = fact.kind
        row["rejection_code"] = fact.rejection_code
        row["charter_index"] = fact.charter
        self.jobs[fact.job_id] = row
        self._new_jobs.append(row)

    def _next_version(self, fact: Fact) -> JobValues:
        assert fact.job_id is not None
        old = self.jobs[fact.job_id]
        row = old.copy()
        row["since"] = fact.index
        if old["since"] < self._first_index:
            self._closed.append((fact.index, fact.job_id, old["since"]))
        old["until"] = fact.index
        self.jobs[fact.job_id] = row
        self._new_jobs.append(row)
        return row

    def _run(self, fact: Fact) -> None:
        row = self._next_version(fact)
        row["state"] = fact.kind
        if isinstance(fact.public, JobStarted) and row["started_at"] is None:
            row["started_at"] = parse_time(fact.public.started_at)

    def _end(self, fact: Fact) -> None:
        public = fact.public
        assert isinstance(public, JobEnded)
        row = self._next_version(fact)
        row["state"] = fact.kind
        if row["started_at"] is None and public.started_at is not None:
            row["started_at"] = parse_time(public.started_at)
        row["ended_at"] = parse_time(public.ended_at)
        row["wall_seconds"] = public.wall_seconds
        row["gpu_seconds"] = public.gpu_seconds
        row["h200e_seconds"] = public.h200e_seconds
        row["exit_status"] = str(public.exit_status)
        row["weights_unchanged"] = int(public.weights_unchanged)
        row["weights_check"] = str(public.weights_check)

    def _find(self, fact: Fact) -> None:
        row = self._next_version(fact)
        # What quarantines a job stays, whatever is found later.
        if row["finding_code"] != Code.R1_DIGEST_MISMATCH:
            row["finding_code"] = fact.rejection_code

    def _egress(self, fact: Fact) -> None:
        assert isinstance(fact.public, JobEgress | ArtifactWrite | ArtifactRead)
        row = self._next_version(fact)
        row["egress_bytes"] += fact.public.egress_bytes
        row["artifact_count"] += fact.public.artifact_count

    def _disclose(self, fact: Fact) -> None:
        assert fact.discloses is not None
        assert fact.job_id is not None
        self._disclosed.append((fact.index, fact.discloses))
        fields = fact.fields or {}
        job = self.jobs[fact.job_id]
        if job["submitted_index"] == fact.discloses:
            job = self._next_version(fact)
            job["disclosed_index"] = fact.index
            job["disclosed_at"] = fact.logged_at
            job["title"] = storable(fields.get("title"))
            job["model_name"] = storable(fields.get("model.name"))
            job["model_digest"] = self._catalogue.model(fields, index=fact.index)
        self._catalogue.opened(fields, index=fact.index, logged_at=fact.logged_at, job=job)

    def _register(self, fact: Fact) -> None:
        public = fact.public
        assert isinstance(public, Registry)
        if public.action is RegistryAction.ADD:
            self._new_keys.append(
                (
                    fact.key_id,
                    fact.index,
                    FOREVER,
                    public.name,
                    str(public.role),
                    storable(public.title),
                    public.vkey,
                )
            )
        else:
            self._retired.append((fact.index, fact.key_id, FOREVER))


def _canonical(rules: dict[str, Any]) -> str:
    return canonical.encode(rules).decode()


def current_jobs(driver: Driver, job_ids: Collection[str]) -> dict[str, JobValues]:
    """The newest version of each of ``job_ids`` that the log knows."""
    rows = driver.fetch_in(_CURRENT_JOBS, job_ids)
    return {row[0]: dict(zip(_COLUMNS, row, strict=True)) for row in rows}


def drop_projections(connection: Connection) -> None:
    """Empty every projection, in the caller's transaction."""
    empty_texts(connection)
    for table in PROJECTIONS:
        connection.execute(delete(table))


def fold_batch(connection: Connection, facts: Sequence[Fact]) -> None:
    """Fold consecutive facts whose jobs are projected up to the first of them.

    A submission and its decision must be in the same batch.
    """
    if not facts:
        return
    touched = {fact.job_id for fact in facts if fact.job_id is not None}
    driver = Driver(connection)
    projector = Projector(current_jobs(driver, touched), first_index=facts[0].index)
    for fact in facts:
        projector.fold(fact)
    projector.write(driver)

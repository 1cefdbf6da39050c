"""The contract of ``/api/v1``: every address, what it takes and what it gives, in one table.

The OpenAPI document and the page that shows it are made from this table alone; tests hold the
addresses, their parameters and their answers to it on a running server. It answers nothing itself.
The bulk files stand in a table of their own: they are files, and follow the rules of files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from ledger.reader.series import NAMES as SERIES
from ledger.records.charter import Code
from schemas import (
    answers,
    artifacts,
    checking,
    council,
    objections,
    posting,
    reference,
    series,
    signals,
    words,
)
from schemas.bulk import BulkIndex
from schemas.statements import SignedStatement
from web.api import BASE
from web.contract_parameters import (
    AT,
    BOM,
    BY,
    CODE,
    COUNT,
    CURSOR,
    FIELDS,
    FILTERS,
    FROM_SIZE,
    LIMIT,
    SIZE,
    START,
    TO_SIZE,
    Json,
    Parameter,
    codes,
)
from web.i18n import noted
from web.telling import vocabulary
from web.words.library import LIBRARY

JSON: Final = "application/json"
CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain"
ANY: Final = "application/octet-stream"
"""Of files: each has its own, which the list of sets names."""
BULK: Final = "/bulk"
ROOT: Final = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One address and method. ``path`` is below ``base``, ``gives`` the shape of its data.

    ``rows`` says that the data is a list, of which ``fields`` may choose unless ``gives`` is text.
    ``whole`` says that the data is a short list without pages. ``asks`` is what is posted,
    ``heads`` are headers that carry what is signed: only the artifact store's door has them.
    """

    path: str
    name: str
    group: str
    meaning: str
    gives: type[Struct] | type[str] | None
    rows: bool = False
    whole: bool = False
    takes: tuple[Parameter, ...] = ()
    places: tuple[Parameter, ...] = ()
    method: str = "get"
    media: str = JSON
    base: str = BASE
    heads: tuple[Parameter, ...] = ()
    asks: type[Struct] = SignedStatement

    @property
    def address(self) -> str:
        """The whole path."""
        return self.base + self.path

    @property
    def is_file(self) -> bool:
        """Whether it is of the bulk files: no envelope, and no parameter, not even ``at``."""
        return self.base == BULK

    @property
    def is_probe(self) -> bool:
        """Whether it is about the process and not about the ledger: never kept, no parameter."""
        return self.base == ROOT

    @property
    def query(self) -> tuple[Parameter, ...]:
        """Its query parameters but ``at``, which every one has."""
        if not self.rows:
            return self.takes
        return (*self.takes, *(PAGING if self.gives is str else (*PAGING, FIELDS)))


PAGING: Final = (LIMIT, CURSOR, COUNT)
GROUPS: Final[Mapping[str, str]] = {
    "jobs": noted("Jobs"),
    "log": noted("The log and its proofs"),
    "members": noted("Members and rules"),
    "opened": noted("What opened records name"),
    "figures": noted("Figures and freshness"),
    "words": noted("Words and codes"),
    "bulk": noted("Bulk files"),
    "writing": noted("Sending statements"),
    "operating": noted("Whether the server is well"),
}
"""The parts of the contract in their order, and what they are called."""

_JOB: Final = Parameter(
    "job_id",
    noted("The number of a job (ULID)"),
    {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
)
_INDEX: Final = Parameter(
    "index",
    noted("The number of an entry, from 0"),
    {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
)
_NAME: Final = Parameter(
    "name",
    noted("The short name of an author"),
    {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,38}$"},
)
_DIGEST: Final[Json] = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_MODEL: Final = Parameter("model", noted("`sha256:` and the digest of its weights"), _DIGEST)
_ARTIFACT: Final = Parameter("artifact", noted("`sha256:` and its digest"), _DIGEST)
_SERIES: Final = Parameter("series", noted("The name of a series"), codes(SERIES))
_LIST: Final = Parameter("list", noted("The name of a list of codes"), codes(vocabulary.NAMES))
_SLUG: Final = Parameter(
    "slug",
    noted("The address of a page of words"),
    codes(slug for slug in LIBRARY.documents if slug != "glossary"),
)

OPERATIONS: Final = (
    Operation(
        "/jobs", "listJobs", "jobs", noted("Jobs, newest first"),
        answers.JobShown, rows=True, takes=FILTERS,
    ),
    Operation(
        "/facets", "showFacets", "jobs", noted("How many jobs each filter would leave"),
        answers.Facets, takes=FILTERS,
    ),
    Operation(
        "/jobs/{job_id}", "showJob", "jobs",
        noted("One job: everything public, what is sealed, and its history"),
        answers.JobDetail, places=(_JOB,),
    ),
    Operation(
        "/jobs/{job_id}/events", "listEvents", "jobs",
        noted("The history of a job, in the order of the log"),
        answers.Event, rows=True, places=(_JOB,),
    ),
    Operation(
        "/jobs/{job_id}/proof", "proveJob", "jobs",
        noted("The inclusion proof of every entry about a job"),
        answers.InclusionProof, rows=True, places=(_JOB,),
    ),
    Operation(
        "/jobs/{job_id}/artifacts", "listJobArtifacts", "jobs",
        noted("The artifacts that were debited to a job; named once its results are open"),
        artifacts.ArtifactListed, rows=True, places=(_JOB,),
    ),
    Operation(
        "/jobs/{job_id}/admission", "proveAdmission", "jobs",
        noted("The receipt that lets a scheduler start a job: its admission and its submission"),
        None, places=(_JOB,), media=TEXT,
    ),
    Operation(
        "/entries", "listEntries", "log", noted("Entries, in the order of the log"),
        answers.EntryShown, rows=True, takes=(START,),
    ),
    Operation(
        "/entries/{index}", "showEntry", "log",
        noted("One entry: its exact bytes and its leaf hash"),
        answers.EntryShown, places=(_INDEX,),
    ),
    Operation(
        "/entries/{index}/proof", "proveEntry", "log",
        noted("The proof that an entry is in a tree"),
        answers.InclusionProof, takes=(SIZE,), places=(_INDEX,),
    ),
    Operation(
        "/consistency", "proveConsistency", "log",
        noted("The proof that one tree begins with another"),
        answers.ConsistencyProof, takes=(FROM_SIZE, TO_SIZE),
    ),
    Operation(
        "/checkpoint", "showCheckpoint", "log",
        noted("The newest checkpoint, or the one of exactly the size `at`"),
        answers.CheckpointShown,
    ),
    Operation(
        "/embargo", "showEmbargo", "log",
        noted("What is sealed, what opens when, what is overdue"),
        answers.Embargo, takes=(LIMIT,),
    ),
    Operation(
        "/members", "listMembers", "members", noted("Everyone in the registry, with keys"),
        answers.Member, rows=True,
    ),
    Operation(
        "/members/{name}", "showMember", "members",
        noted("One author of the registry, and what it ran"),
        reference.MemberDetail, places=(_NAME,),
    ),
    Operation(
        "/workloads", "listWorkloads", "members",
        noted("Every kind of work, allowed or forbidden, and what was run under it"),
        reference.WorkloadShown, rows=True,
    ),
    Operation(
        "/charter", "showCharter", "members",
        noted("The charter in force, and the version that comes next"),
        council.CharterNow,
    ),
    Operation(
        "/charters", "listCharters", "members", noted("Every version of the charter, newest first"),
        council.CharterShown, rows=True,
    ),
    Operation(
        "/rejections", "listRejections", "members", noted("Rejected jobs, newest first"),
        reference.Rejection, rows=True, takes=(Parameter("code", CODE.meaning, codes(Code)),),
    ),
    Operation(
        "/rejections/codes", "listRejectionCodes", "members",
        noted("How often each code was found: in submissions, at starts, in runs"),
        reference.CodeCount, rows=True,
    ),
    Operation(
        "/refusals", "listRefusals", "members",
        noted("Starts that the orchestrator refused, newest first"),
        objections.RefusedStart, rows=True,
    ),
    Operation(
        "/findings", "listFindings", "members",
        noted("What was found about runs, newest first"),
        objections.RunFinding, rows=True,
    ),
    Operation(
        "/models", "listModels", "opened", noted("Models that opened plans name"),
        answers.ModelShown, rows=True,
    ),
    Operation(
        "/models/{model}", "showModel", "opened", noted("One model"),
        answers.ModelShown, places=(_MODEL,),
    ),
    Operation(
        "/artifacts", "listArtifacts", "opened",
        noted("What jobs put out, as far as their results are open"),
        answers.ArtifactShown, rows=True,
    ),
    Operation(
        "/artifacts/{artifact}", "showArtifact", "opened",
        noted("Every job that put out one artifact, in the order of the log"),
        answers.ArtifactShown, whole=True, places=(_ARTIFACT,),
    ),
    Operation(
        "/corrections", "listCorrections", "opened", noted("Corrections, newest first"),
        answers.CorrectionShown, rows=True,
    ),
    Operation(
        "/withheld", "listWithheld", "opened",
        noted("What the committee keeps closed, newest first"),
        reference.WithheldShown, rows=True,
    ),
    Operation(
        "/stats", "listSeries", "figures", noted("The names of all series of the statistics"),
        str, rows=True,
    ),
    Operation(
        "/stats/{series}", "showSeries", "figures", noted("One series of the statistics"),
        series.Series, takes=(BY,), places=(_SERIES,),
    ),
    Operation(
        "/stats/{series}.csv", "showSeriesAsCsv", "figures",
        noted("The same for a spreadsheet"),
        None, takes=(BY, BOM), places=(_SERIES,), media=CSV,
    ),
    Operation(
        "/status", "showStatus", "figures",
        noted("How fresh the log is, and whether anything is overdue"),
        reference.Status,
    ),
    Operation(
        "/signals", "showSignals", "figures",
        noted("Questions that the record asks, each with its evidence"),
        signals.SignalsFile,
    ),
    Operation(
        "/vocab", "listVocabularies", "words",
        noted("Every list of codes, with their words in each language"),
        reference.Vocabulary, rows=True,
    ),
    Operation(
        "/vocab/{list}", "showVocabulary", "words",
        noted("One list of codes"),
        reference.Vocabulary, places=(_LIST,),
    ),
    Operation(
        "/vocab/fields", "listFields", "words",
        noted("The whole data dictionary: every field of every record"),
        reference.FieldShown, rows=True,
    ),
    Operation(
        "/words", "listWords", "words", noted("The pages of words of this site"),
        words.DocumentShown, rows=True,
    ),
    Operation(
        "/words/{slug}", "showWords", "words",
        noted("One page of words, in all languages"),
        words.DocumentShown, places=(_SLUG,),
    ),
    Operation(
        "/words/glossary", "listTerms", "words", noted("The terms of the glossary"),
        words.TermShown, rows=True,
    ),
    Operation(
        "/statements", "submitStatement", "writing", noted("Send one signed statement"),
        posting.Accepted, method="post",
    ),
    Operation(
        "/statements/batch", "submitBatch", "writing",
        noted("Send up to 1,000, one on each line; each is answered on a line of its own"),
        None, method="post", media=NDJSON,
    ),
    Operation(
        "/check", "checkSubmission", "writing",
        noted("Ask what the charter in force would say of a submission; nothing is logged"),
        checking.SubmissionJudged, method="post", asks=checking.SubmissionAsked,
    ),
)  # fmt: skip
"""Every operation, in the order of the document."""


_SET: Final = Parameter(
    "set",
    noted("The name of a set: the day of its last entry and its tree size"),
    {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}-[1-9][0-9]{0,15}$"},
)
_FILE: Final = Parameter(
    "file",
    noted("The name of a file, as the list of sets has it"),
    {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
)
FILES: Final = (
    Operation(
        "/index.json", "listBulkFiles", "bulk",
        noted("Every set of bulk files, the largest tree first"),
        BulkIndex, base=BULK,
    ),
    Operation(
        "/latest/{file}", "findBulkFile", "bulk", noted("Where a file of the newest set is"),
        None, places=(_FILE,), base=BULK,
    ),
    Operation(
        "/{set}/{file}", "readBulkFile", "bulk",
        noted("A file of a set, or with `Range` a part of it"),
        None, places=(_SET, _FILE), media=ANY, base=BULK,
    ),
)  # fmt: skip
"""The addresses of the bulk files."""


_ARTIFACT_NAME: Final = Parameter(
    "name",
    noted("The name or the id of an artifact"),
    {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$"},
)
_SIGNED: Final = Parameter(
    "Ledger-Statement",
    noted("The signed statement, in base64"),
    {"type": "string", "minLength": 1, "maxLength": 8192, "pattern": "^[A-Za-z0-9+/]+=*$"},
)
_ATTEMPT: Final = Parameter(
    "Idempotency-Key",
    noted("What this attempt is taken up with again where the witnesses came too late"),
    {"type": "string", "minLength": 22, "maxLength": 128, "pattern": "^[A-Za-z0-9_-]+$"},
)
DOOR: Final = (
    Operation(
        "/jobs/{job_id}/artifacts/{name}", "readArtifact", "jobs",
        noted("An artifact: for everybody once it is public, for its member by a statement"),
        None, places=(_JOB, _ARTIFACT_NAME), heads=(_SIGNED, _ATTEMPT), media=ANY,
    ),
    Operation(
        "/jobs/{job_id}/artifacts/{name}", "bringArtifact", "writing",
        noted("Bring an artifact in, by the gateway's statement"),
        artifacts.ArtifactKept, places=(_JOB, _ARTIFACT_NAME), heads=(_SIGNED, _ATTEMPT),
        method="put",
    ),
)  # fmt: skip
"""The addresses of the artifact store's door."""


PROBES: Final = (
    Operation(
        "/healthz", "showHealth", "operating",
        noted("`ok`: the process answers; nothing else is looked at"),
        None, media=TEXT, base=ROOT,
    ),
    Operation(
        "/readyz", "showReadiness", "operating",
        noted("`ready`, or 503 and which part is not: database, schema, writer, checkpoint"),
        None, media=TEXT, base=ROOT,
    ),
)  # fmt: skip
"""What load balancers and supervisors ask."""


def operations_of(group: str) -> tuple[Operation, ...]:
    """What a part of the contract holds."""
    return tuple(each for each in (*OPERATIONS, *DOOR, *FILES, *PROBES) if each.group == group)


def all_parameters(operation: Operation) -> tuple[tuple[str, Parameter], ...]:
    """Every parameter of an operation with where it stands: ``path`` or ``query``."""
    of_a_tree = not (operation.is_file or operation.is_probe or operation.heads)
    has_size = operation.method == "get" and of_a_tree
    reading = (*operation.query, AT) if has_size else ()
    return (
        *(("path", each) for each in operation.places),
        *(("header", each) for each in operation.heads),
        *(("query", each) for each in reading),
    )

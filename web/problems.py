"""Errors as RFC 9457 problems: the only place that knows which HTTP status an error has.

A refusal (4xx) passes on its message, which the error's author wrote for the person who must act.
What is the house's own trouble (5xx) says only what the client can do; the rest goes to the log.
"""

import logging
import traceback
from dataclasses import dataclass
from typing import Final

from litestar.exceptions import HTTPException
from msgspec import UNSET

from ledger.errors import (
    ArtifactRefused,
    AuthorUnknown,
    CommitmentError,
    Conflict,
    Damaged,
    EgressRefused,
    FormatError,
    LedgerError,
    LogUnavailable,
    NotFound,
    NotReady,
    OutOfOrder,
    Overloaded,
    ProofError,
    Quarantined,
    SecondHistory,
    SignatureError,
    TooLarge,
    TooOften,
    Unwitnessed,
    ValueRefused,
)
from ledger.journal import REQUEST
from schemas.posting import Problem
from web.bodies import BeingStopped, Malformed, TooSlow
from web.i18n import noted
from web.query import FormatNotOffered, ParameterRefused
from web.rates import RateExceeded

LOG: Final = logging.getLogger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
PAGE: Final = "/en/docs/problems/"
RETRY_AFTER_S: Final = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of problem, with what its page says. ``slug`` never changes."""

    slug: str
    status: int
    title: str
    meaning: str
    remedy: str


KINDS: Final = {
    kind.slug: kind
    for kind in (
        Kind(
            "parameter-refused",
            400,
            noted("A parameter of the address is not one that it takes"),
            noted(
                "The address has a parameter that is unknown here, is given twice, or has a value"
                " that it cannot have. Nothing is guessed and nothing is ignored, so that a list"
                " is never another one than was asked for."
            ),
            noted(
                "Change the parameter named in `field`. `allowed` lists what it can be, where"
                " that is a short list."
            ),
        ),
        Kind(
            "malformed",
            400,
            noted("The bytes are not in the one form that they can have"),
            noted(
                "What was sent is not canonical JSON (RFC 8785): one spelling for every value,"
                " sorted names, no spaces, no fractions."
            ),
            noted(
                "Send the bytes that were signed, unchanged. `detail` says where the first"
                " difference is."
            ),
        ),
        Kind(
            "value-refused",
            422,
            noted("A field has a value that it does not take"),
            noted(
                "The statement is well-formed, and one of its fields is unknown, missing, or"
                " outside of its range."
            ),
            noted("Change the field named in `field`, sign again, and send it again."),
        ),
        Kind(
            "opening-refused",
            422,
            noted("The opening does not belong to the sealed root"),
            noted(
                "The seed and the fields that came with the statement do not recompute the root"
                " that the author signed, so they could not be published later."
            ),
            noted("Send the seed and all fields exactly as they were committed to."),
        ),
        Kind(
            "proof-refused",
            422,
            noted("A hash chain does not lead where it claims"),
            noted("The proof that was sent does not lead to the root that it names."),
            noted("Fetch the proof again, and check it against a checkpoint from a witness."),
        ),
        Kind(
            "signature-refused",
            403,
            noted("The signature does not verify"),
            noted(
                "The signature is not one of the author's registered key over exactly these bytes."
            ),
            noted(
                "Sign the DSSE pre-authentication encoding of the canonical statement with the"
                " key that is in the registry."
            ),
        ),
        Kind(
            "author-unknown",
            403,
            noted("This author has no valid key for this statement"),
            noted(
                "No key of this author is valid at this point of the log, or the author's role"
                " may not say this."
            ),
            noted(
                "Look at /api/v1/members. Keys are added and retired by the council, in the log."
            ),
        ),
        Kind(
            "not-found",
            404,
            noted("There is no such thing in the log"),
            noted(
                "No job, entry, tile, tree size or page has this address. Nothing is ever"
                " removed, so it was not there before either."
            ),
            noted("Check the address. With `?at=` only what the log held at that size exists."),
        ),
        Kind(
            "method-not-allowed",
            405,
            noted("This address does not take this method"),
            noted("Addresses here are read with GET and HEAD; statements are sent with POST."),
            noted("Use one of the methods in the `Allow` header."),
        ),
        Kind(
            "conflict",
            409,
            noted("The log already says something that excludes this"),
            noted(
                "A statement is in the log that this one contradicts, for example the same job"
                " with other content."
            ),
            noted(
                "Nothing was written. The log cannot be edited; a correction is a new statement."
            ),
        ),
        Kind(
            "egress-refused",
            403,
            noted("A ceiling does not let these bytes out"),
            noted(
                "A job, a class of artifacts, a member and a member's model each have a ceiling of"
                " bytes. This would pass one of them; nothing was taken, and the log says that it"
                " was tried."
            ),
            noted("Send less. What has left is never given back; the council sets the ceilings."),
        ),
        Kind(
            "artifact-refused",
            422,
            noted("The artifact is not what it was declared as"),
            noted(
                "The bytes are of another class than the statement says, are damaged, or are fewer"
                " or more than were debited. The debit stays, and nothing was kept."
            ),
            noted("`detail` says what was found. A new attempt needs a new statement."),
        ),
        Kind(
            "quarantined",
            403,
            noted("The job's artifacts are in quarantine"),
            noted(
                "The weights were not what they were before the run. The job's artifacts are"
                " neither served nor taken any more."
            ),
            noted("The finding stands in the log, and on the job's page."),
        ),
        Kind(
            "out-of-order",
            409,
            noted("The event may not follow the state that the job is in"),
            noted("A job's events have an order: submitted, admitted or rejected, started, ended."),
            noted("`detail` names the state that the event met and what may follow it."),
        ),
        Kind(
            "too-large",
            413,
            noted("This is over a size limit"),
            noted(
                "What was sent is larger than the limit, or would make an entry larger than one"
                " can be."
            ),
            noted(
                "`limit` and `size` say by how much. A batch has at most 1,000 lines and 32 MiB,"
                " a statement at most 1 MiB."
            ),
        ),
        Kind(
            "too-slow",
            408,
            noted("The body came too slowly"),
            noted(
                "A server cannot hold a place for everyone who sends a byte now and then. Nothing"
                " was promised and nothing was written."
            ),
            noted("Send it again. The same statement cannot be logged twice."),
        ),
        Kind(
            "too-many-requests",
            429,
            noted("Too many requests from one address"),
            noted(
                "The server limits how many answers it makes for one address on the internet in a"
                " minute. Files that never change and answers that it has at hand do not count."
            ),
            noted(
                "Wait `retry_after` seconds. It helps to ask with `If-None-Match`, and to take"
                " 1,000 items at once."
            ),
        ),
        Kind(
            "too-many-statements",
            429,
            noted("Too many statements by one key"),
            noted(
                "The server limits how many statements it takes in a minute that one key has"
                " signed, so that no author can crowd out the others. Nothing was promised and"
                " nothing was written."
            ),
            noted(
                "Send the same statement again after `retry_after` seconds: it cannot be logged"
                " twice."
            ),
        ),
        Kind(
            "not-offered",
            501,
            noted("This format is not made here"),
            noted("The address offers what was asked for in other formats."),
            noted("`detail` names the formats that there are."),
        ),
        Kind(
            "overloaded",
            503,
            noted("The queue is full"),
            noted("Nothing was promised and nothing was written."),
            noted(
                "Send the same statement again after `retry_after` seconds: it cannot be logged"
                " twice."
            ),
        ),
        Kind(
            "unavailable",
            503,
            noted("The log takes no entries now"),
            noted(
                "Storage or signer refuse. The log would rather stop than say something that it"
                " cannot keep."
            ),
            noted(
                "Send the same statement again after `retry_after` seconds: it cannot be logged"
                " twice."
            ),
        ),
        Kind(
            "damaged",
            503,
            noted("What is stored here is damaged"),
            noted(
                "Before an answer leaves, it is held against the tree that the log has signed. What"
                " is stored here does not lead to that tree, so nothing is answered: a bit has"
                " flipped, or somebody has changed what is stored."
            ),
            noted(
                "`detail` says what it is about. Ask a mirror or another server of this log, and"
                " tell the operator: `ledger fsck` finds the place."
            ),
        ),
        Kind(
            "not-ready",
            503,
            noted("This server is not ready"),
            noted(
                "A server answers `/readyz` so where it should get no requests now: its database,"
                " its schema, its writer or its newest checkpoint is not as it must be."
            ),
            noted("`detail` says which. Whatever sends requests here sends them elsewhere."),
        ),
        Kind(
            "bad-request",
            400,
            noted("The request cannot be read"),
            noted("The request is not one that HTTP allows here."),
            noted("Change the request as `detail` says."),
        ),
        Kind(
            "internal",
            500,
            noted("Something went wrong here"),
            noted(
                "An error in the ledger itself. It was noted under the request id in `request_id`."
            ),
            noted("Try again later, and tell the operator the request id."),
        ),
    )
}

# The first that fits: subclasses stand before their parents.
_ERRORS: Final[tuple[tuple[type[LedgerError], str], ...]] = (
    (ParameterRefused, "parameter-refused"),
    (ValueRefused, "value-refused"),
    (FormatError, "malformed"),
    (ProofError, "proof-refused"),
    (SignatureError, "signature-refused"),
    (CommitmentError, "opening-refused"),
    (TooLarge, "too-large"),
    (AuthorUnknown, "author-unknown"),
    (ArtifactRefused, "artifact-refused"),
    (EgressRefused, "egress-refused"),
    (Quarantined, "quarantined"),
    (OutOfOrder, "out-of-order"),
    (Conflict, "conflict"),
    (NotFound, "not-found"),
    (FormatNotOffered, "not-offered"),
    (RateExceeded, "too-many-requests"),
    (TooSlow, "too-slow"),
    (Malformed, "bad-request"),
    (TooOften, "too-many-statements"),
    (Overloaded, "overloaded"),
    (LogUnavailable, "unavailable"),
    (NotReady, "not-ready"),
    (Damaged, "damaged"),
)
_STATUSES: Final = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def problem_of(error: BaseException) -> Problem:
    """The problem that ``error`` is. Logs it where it is the house's own trouble."""
    for kind, slug in _ERRORS:
        if isinstance(error, kind):
            return _expected(error, slug)
    if isinstance(error, HTTPException) and error.status_code < 500:
        slug = _STATUSES.get(error.status_code, "bad-request")
        return _problem(slug, _http_detail(error, slug))
    # The message of an unforeseen error may hold anything, a sealed value too: only its type and
    # the lines it passed are noted.
    LOG.error(
        "request %s failed: %s\n%s",
        REQUEST.get(),
        type(error).__qualname__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    return _problem("internal", KINDS["internal"].meaning)


def kind_of(problem: Problem) -> Kind:
    """What the page of a problem says about it."""
    return KINDS[problem.type.removeprefix(PAGE)]


def headers_of(problem: Problem) -> dict[str, str]:
    """The headers that a problem asks for beside its content type."""
    if isinstance(problem.retry_after, int):
        return {"Retry-After": str(problem.retry_after)}
    return {}


def _expected(error: LedgerError, slug: str) -> Problem:
    if isinstance(error, LogUnavailable):
        if not isinstance(error, BeingStopped):
            LOG.error("%s: %s", type(error).__name__, error)
        # Both are about what everybody can see: who is turned away is told.
        public = isinstance(error, SecondHistory | Unwitnessed)
        said = str(error) if public else KINDS[slug].meaning
        return _problem(slug, said, retry_after=RETRY_AFTER_S)
    detail = str(error)
    if isinstance(error, ParameterRefused):
        return _problem(slug, detail, field=error.field, allowed=error.allowed or UNSET)
    if isinstance(error, ValueRefused):
        return _problem(slug, detail, field=error.field)
    if isinstance(error, TooLarge):
        return _problem(slug, detail, limit=error.limit, size=error.size)
    if isinstance(error, Overloaded | RateExceeded | TooOften | NotReady | Damaged):
        return _problem(slug, detail, retry_after=error.retry_after_s)
    return _problem(slug, detail)


def _problem(slug: str, detail: str, **more: object) -> Problem:
    kind = KINDS[slug]
    return Problem(
        type=PAGE + slug,
        title=kind.title,
        status=kind.status,
        detail=detail,
        request_id=REQUEST.get() or UNSET,
        **more,  # type: ignore[arg-type] # the callers above name fields of Problem
    )


def _http_detail(error: HTTPException, slug: str) -> str:
    if slug in {"not-found", "method-not-allowed"}:
        return KINDS[slug].meaning
    return error.detail

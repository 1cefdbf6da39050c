"""Talking to a ledger over HTTP: post a statement until it is answered, and check the answer.

A statement's signature is made once. Sent again after a lost connection it is the same statement,
and the ledger answers as it did the first time: so trying again never logs anything twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx
import msgspec

from ledger.cli.common import CommandFailed, Disproved, printable
from ledger.errors import LedgerError
from ledger.records import canonical
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import ED25519, VerifierKey, parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof
from schemas.checking import SubmissionJudged
from schemas.posting import Accepted, Problem

TIMEOUT_S: Final = 30.0
GIVE_UP_AFTER_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 8.0
MAX_ANSWER: Final = 8 << 20
AGAIN: Final = frozenset({429, 502, 503, 504})
"""Statuses that promise nothing and mean: later."""


PROBLEM: Final = "application/problem+json"
PROBLEMS: Final = "/en/docs/problems/"
FOR_GOOD: Final = frozenset(
    f"{PROBLEMS}{slug}"
    for slug in (
        "malformed", "value-refused", "opening-refused", "proof-refused", "signature-refused",
        "author-unknown", "conflict", "egress-refused", "artifact-refused", "quarantined",
        "out-of-order", "too-large",
    )
)  # fmt: skip
"""Types of the ledger's own problems that say no to what was sent, and not to how or when."""


class Refused(CommandFailed):
    """The answer was no: by the ledger, or by somebody on the way to it."""


class RefusedForGood(Refused):
    """The ledger itself said no to what was sent: nothing was logged, and nothing will be."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer whose receipt has verified; ``proof`` is the ``.tlog-proof``, byte for byte."""

    accepted: Accepted
    proof: bytes


class Client:
    """One ledger at ``url``. Gives up after ``give_up_after_s`` seconds without an answer."""

    def __init__(
        self,
        url: str,
        *,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise CommandFailed(f"--url {url[:80]!a} is not an address: {error}") from None
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise CommandFailed(f"--url {url[:80]!a} is not an http:// or https:// address")
        self.url = url.rstrip("/")
        self._give_up_after_s = give_up_after_s
        self._pause = pause
        # Proxy variables do not lead a loopback address astray; redirects would resend a body.
        self._http = httpx.Client(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            transport=transport,
            trust_env=not is_local(parsed.host),
            headers={"User-Agent": "apsci-ledger"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> Any:  # noqa: ANN401 - decoded JSON
        """The ``data`` of a JSON answer. Raises CommandFailed."""
        answer = self._ask("GET", path)
        try:
            return msgspec.json.decode(answer.content)["data"]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise CommandFailed(f"{self.url}{path} did not answer as a ledger does") from None

    def vkey(self) -> VerifierKey:
        """The log's key as the ledger itself gives it, which proves nothing about who it is."""
        text = self._ask("GET", "/log/vkey").text.removesuffix("\n")
        try:
            return parse_vkey(text)
        except LedgerError as error:
            raise CommandFailed(f"{self.url}/log/vkey is not a log's key: {error}") from None

    def post(self, body: bytes, *, log_key: VerifierKey) -> Answered:
        """Post a signed statement; its answer once the receipt has verified.

        Raises CommandFailed where it is refused or nobody answers in time, Disproved where the
        answer's receipt does not prove that this very statement is in the log of ``log_key``.
        """
        answer = self._ask("POST", "/api/v1/statements", body)
        try:
            accepted = msgspec.json.decode(answer.content, type=Accepted)
        except msgspec.MsgspecError:
            raise CommandFailed(
                f"{self.url} did not answer as a ledger does: nothing is known of the statement"
            ) from None
        proof = accepted.receipt.encode("utf-8")
        check_receipt(accepted, proof, body=body, log_key=log_key)
        return Answered(accepted, proof)

    def check(self, question: bytes) -> SubmissionJudged:
        """What the ledger would decide about a submission; nothing is logged.

        Raises CommandFailed where the question is refused or nobody answers in time.
        """
        answer = self._ask("POST", "/api/v1/check", question)
        try:
            return msgspec.json.decode(answer.content, type=SubmissionJudged)
        except msgspec.MsgspecError:
            raise CommandFailed(f"{self.url} did not answer as a ledger does") from None

    def _ask(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        until = time.monotonic() + self._give_up_after_s
        pause = FIRST_PAUSE_S
        while True:
            try:
                answer = self._http.request(method, self.url + path, content=body, headers=headers)
            except httpx.HTTPError as error:
                trouble, wait = f"{type(error).__name__}: {error}".rstrip(": "), pause
            except (httpx.InvalidURL, ValueError) as error:
                raise CommandFailed(f"{self.url}: {error}") from None
            else:
                if answer.status_code not in AGAIN:
                    return self._settled(answer)
                trouble, wait = _problem_text(answer), max(pause, retry_after(answer))
            if time.monotonic() + wait > until:
                raise CommandFailed(f"{self.url} cannot be reached or takes nothing: {trouble}")
            self._pause(wait)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _settled(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code in {200, 201}:
            if len(answer.content) > MAX_ANSWER:
                raise CommandFailed(f"{self.url} answered with {len(answer.content)} bytes")
            return answer
        refusal = Refused if 400 <= answer.status_code < 500 else CommandFailed
        if _is_for_good(answer):
            refusal = RefusedForGood
        raise refusal(f"{self.url} refused: {_problem_text(answer)}")


def check_receipt(accepted: Accepted, proof: bytes, *, body: bytes, log_key: VerifierKey) -> None:
    """Check that ``proof`` shows the posted statement at ``accepted.index`` of the log.

    Raises Disproved.
    """
    try:
        trouble = _wrong_about(accepted, proof, body=body, log_key=log_key)
    except LedgerError as error:
        trouble = f"does not verify: {error}"
    if trouble is not None:
        raise Disproved(f"the answer's receipt {trouble}")


def _wrong_about(
    accepted: Accepted, proof: bytes, *, body: bytes, log_key: VerifierKey
) -> str | None:
    parsed = parse_proof(proof)
    extra = canonical.decode(parsed.extra or b"null", limit=len(proof))
    entry = extra.get("entry") if type(extra) is dict else None
    posted = canonical.decode(body, limit=len(body))
    if type(entry) is not dict:
        return "holds no entry"
    if any(entry.get(part) != posted[part] for part in ("statement", "signature")):
        return "is about another statement than the one sent"
    if parsed.index != accepted.index:
        return f"is of index {parsed.index}, and the answer of index {accepted.index}"
    verify_proof(parsed, leaf=leaf_hash(canonical.encode(entry)), verifiers=[log_key])
    return None


def log_key_of(text: str) -> VerifierKey:
    """The log's key that a person gave. Raises CommandFailed."""
    try:
        key = parse_vkey(text.strip())
    except LedgerError as error:
        raise CommandFailed(f"--vkey: {error}") from None
    if key.type != ED25519:
        raise CommandFailed(
            f"--vkey: the key of {key.name} has the type {key.type:#04x}; a log's Ed25519 key"
            f" has {ED25519:#04x}"
        )
    return key


def is_local(host: str) -> bool:
    """Whether a host of an address is this machine."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def retry_after(answer: httpx.Response) -> float:
    """Seconds after which a ledger wants to be asked again; 0 where it does not say."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), LONGEST_PAUSE_S) if text.isascii() and text.isdigit() else 0.0


def _is_for_good(answer: httpx.Response) -> bool:
    """Whether it is the ledger that says no: a proxy on the way has statuses of its own."""
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != PROBLEM or not 400 <= answer.status_code < 500:
        return False
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError:
        return False
    return problem.type in FOR_GOOD and problem.status == answer.status_code


def _problem_text(answer: httpx.Response) -> str:
    """What a problem document says, on one line; a stranger's answer is not repeated."""
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError:
        return f"HTTP {answer.status_code}"
    said = " ".join(problem.detail.split())[:1000]
    return f"HTTP {answer.status_code}: {printable(said)}"

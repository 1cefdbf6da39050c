"""Checks a signed statement, and makes a proposal of it.

Whatever an author could have got wrong is found here, before the sequencer sees it; what depends
on the order of the log, and so the judgement by the charter in force, is the sequencer's. Stores
nothing.
"""

from ledger.errors import (
    AuthorUnknown,
    CommitmentError,
    LogUnavailable,
    SignatureError,
    TooOften,
    ValueRefused,
)
from ledger.quota import Quota
from ledger.records.commitment import check_opening
from ledger.records.entry import Reason, check_disclosable, parse_entry
from ledger.records.proposal import Disclosure, Proposal
from ledger.records.statement import ParsedStatement, decode_signed, sealed_paths, verify_statement
from ledger.storage.keyring import KeyRing
from ledger.storage.store import Store
from ledger.vault import Vault, prepare_disclosure
from schemas.statements import JobOpen, JobWithheld


class Intake:
    """The desk of one process. Thread-safe.

    ``verify_signatures=False`` is for measuring what the signatures cost, and for nothing else.
    ``authors`` limits how many statements each key makes, where there is such a limit.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        verify_signatures: bool = True,
        authors: Quota | None = None,
    ) -> None:
        self._store = store
        self._authors = authors
        self._vault = vault
        self._verify = verify_signatures
        # The size of the log that its keys were read at, and they.
        self._known = (-1, KeyRing([]))
        self._read_keys()

    def check(self, body: bytes) -> Proposal:
        """The proposal that a posted statement makes.

        Raises TooLarge, FormatError and ValueRefused for what is malformed, AuthorUnknown,
        SignatureError, TooOften, CommitmentError, and LogUnavailable for an opening that this
        ledger lost.
        """
        parsed = decode_signed(body)
        self._check_signature(parsed)
        self._count(parsed)
        try:
            return self._proposal(parsed, size=len(body))
        except BaseException:
            self._give_back(parsed)
            raise

    def give_back(self, proposal: Proposal) -> None:
        """Do not count a statement that made no entry.

        Statements are public with their signatures: anybody can send them again, and would use up
        what their author may write.
        """
        self._give_back(proposal.parsed)

    def _proposal(self, parsed: ParsedStatement, *, size: int) -> Proposal:
        locked = None
        if parsed.sealed_root is not None:
            assert parsed.seed is not None
            assert parsed.fields is not None
            try:
                check_opening(parsed.sealed_root, seed=parsed.seed, fields=parsed.fields)
            except CommitmentError as error:
                raise CommitmentError(
                    f"opening: it does not belong to statement.sealed.root: {error}"
                ) from None
            check_disclosable(parsed.fields)
            locked = self._vault.lock(
                seed=parsed.seed, fields=dict(parsed.fields), root=parsed.sealed_root
            )
        opens: Disclosure | None = None
        match parsed.public:
            case JobOpen() as opening:
                opens = self._prepare_opening(parsed, opening)
            case JobWithheld() as withheld:
                self._check_paths(withheld)
        return Proposal(
            parsed=parsed,
            size=size,
            sealed_opening=locked,
            opens=opens,
            tags=self._vault.tags(parsed),
        )

    def _check_signature(self, parsed: ParsedStatement) -> None:
        self._check_one(parsed, parsed.statement.author, parsed.key_id, parsed.signature, "")
        for n, each in enumerate(parsed.endorsements):
            self._check_one(parsed, each.author, each.key_id, each.signature, f"endorsements[{n}].")

    def _count(self, parsed: ParsedStatement) -> None:
        """Take the statement off what its key may make: after its signature has been verified.

        Before that, anybody could use up another's share. What makes no entry is given back.
        """
        if self._authors is None:
            return
        author = parsed.statement.author
        wait_s = self._authors.take(_bucket(parsed))
        if wait_s is not None:
            raise TooOften(
                f"{author}'s key {parsed.key_id:08x} makes more statements than one key may in a"
                f" minute: nothing was stored, send it again in {wait_s} s",
                retry_after_s=wait_s,
            )

    def _give_back(self, parsed: ParsedStatement) -> None:
        if self._authors is not None:
            self._authors.give_back(_bucket(parsed))

    def _check_one(
        self, parsed: ParsedStatement, author: str, key_id: int, signature: bytes, at: str
    ) -> None:
        try:
            key = self._known[1].find(author, key_id)
        except AuthorUnknown:
            # Registered since this process last looked, perhaps by another process.
            self._read_keys()
            key = self._known[1].find(author, key_id)
        if not self._verify:
            return
        try:
            verify_statement(parsed.body, public_key=key.public_key, signature=signature)
        except SignatureError:
            raise SignatureError(
                f"{at}signature.value: it is not the signature of {author}'s key {key.key_id:08x} "
                f"over this statement, in canonical JSON under DSSE"
            ) from None

    def _read_keys(self) -> None:
        """Take in what was registered meanwhile: nothing, where the log has not grown since.

        Whoever sends statements of nobody does not have all keys read for each.
        """
        with self._store.snapshot() as reads:
            size = reads.head().size
            if size != self._known[0]:
                self._known = (size, KeyRing.of_stored(reads.author_keys(size=size)))

    def _prepare_opening(self, parsed: ParsedStatement, public: JobOpen) -> Disclosure:
        field = "statement.public.discloses"
        with self._store.snapshot() as reads:
            embargo = reads.embargo(public.discloses)
            if embargo is None or embargo.job_id != parsed.job_id:
                raise ValueRefused(
                    f"{field}: entry {public.discloses} is not a sealed entry of this job",
                    field=field,
                )
            if embargo.author != parsed.statement.author:
                raise ValueRefused(
                    f"{field}: entry {public.discloses} was made by {embargo.author}, and only "
                    f"its author may open it before the deadline",
                    field=field,
                )
            try:
                return prepare_disclosure(reads, self._vault, embargo, reason=Reason.EARLY)
            except CommitmentError as error:
                # Not the author's doing: it gave an opening that fitted, and this ledger lost it.
                raise LogUnavailable(f"entry {embargo.index} cannot be opened: {error}") from None

    def _check_paths(self, public: JobWithheld) -> None:
        field = "statement.public.paths"
        with self._store.snapshot() as reads:
            entry = reads.entry(public.withholds)
        signed = parse_entry(entry.data).signed if entry else None
        known = sealed_paths(signed.schema) if signed else frozenset()
        unknown = sorted(set(public.paths) - known)
        if unknown:
            raise ValueRefused(
                f"{field}: {unknown[0]} is not a sealed field of entry {public.withholds}",
                field=field,
            )
        if len(set(public.paths)) != len(public.paths):
            raise ValueRefused(f"{field}: a path is named twice", field=field)


def _bucket(parsed: ParsedStatement) -> str:
    return f"{parsed.statement.author} {parsed.key_id:08x}"

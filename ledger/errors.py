"""Everything that can go wrong, by what happened.

LedgerError
├── FormatError           bytes from outside that are not in their one spelling
│   └── ValueRefused      well-formed, but not a value this field takes (``field`` names it)
├── ProofError            a hash chain that does not lead where it claims
├── SignatureError        a signature that does not verify, or whose signer is unknown
│   └── NotEndorsed       fewer of the council have signed than the charter asks for
├── CommitmentError       an opening that does not belong to its root
├── TooLarge              over a size limit (``limit`` and ``size`` in bytes or items)
├── AuthorUnknown         no valid registry entry for this author, key or role
├── Conflict              the log already says something that excludes this
│   └── OutOfOrder        the event may not follow the state that the job is in
├── EgressRefused         bytes that a ceiling does not let out (``code``), or no door takes
│   └── ArtifactRefused   an artifact that is not what it was declared as, or not whole
├── Quarantined           a job whose artifacts are neither served nor taken any more
├── NotFound              no such job, entry, tile or tree size
├── TooOften              more statements than one key may make in a minute (``retry_after_s``)
├── Overloaded            the queue is full; nothing was promised (``retry_after_s``)
├── LogUnavailable        the writer has stopped: storage or signer refuses; says what to do
│   ├── WriterLocked      another process holds the SQLite writer lock
│   ├── Unwitnessed       too few witnesses hold the tree; nothing is promised by it yet
│   └── ForkRefused       signing would contradict what the signer remembers
│       └── SecondHistory this log's key has signed what this database lacks (``note``)
├── NotReady              a part of this process that does not do its work now; says which
├── Damaged               what is stored is not what was signed; nothing of it is handed out
├── Misbehaviour          somebody lied; ``evidence`` holds the bytes that prove it
└── SettingsError         a setting that is missing, unknown or out of range

The messages are for the person who must act on them: what was wrong, where, and the two values
that disagree. No message ever holds a key, a seed or a sealed value.
"""


class LedgerError(Exception):
    """The root: whatever the ledger raises on purpose."""


class FormatError(LedgerError):
    """Bytes or text that are not in the one spelling that their format has."""


class ValueRefused(FormatError):
    """A well-formed value that its field does not take; ``field`` is the path of it."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class ProofError(LedgerError):
    """A proof that does not lead from its leaf or old root to the given root."""


class SignatureError(LedgerError):
    """A signature that does not verify, or no signature by a known key."""


class NotEndorsed(SignatureError):
    """A change of the charter or the council that too few of the council have signed."""


class CommitmentError(LedgerError):
    """An opening that does not recompute the root it was committed to."""


class TooLarge(LedgerError):
    """Something above its limit; ``limit`` and ``size`` in the unit that the message names."""

    def __init__(self, message: str, *, limit: int, size: int) -> None:
        super().__init__(message)
        self.limit = limit
        self.size = size


class AuthorUnknown(LedgerError):
    """No key of this author is valid at this point of the log, or its role may not say this."""


class Conflict(LedgerError):
    """The log already holds something that excludes this statement."""


class OutOfOrder(Conflict):
    """An event that may not follow the state that the job is in."""


class EgressRefused(LedgerError):
    """Bytes that may not leave; ``code`` is the one of record.md that the log notes."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ArtifactRefused(EgressRefused):
    """The bytes that came are not the artifact that was declared. Its debit stays."""


class Quarantined(LedgerError):
    """The job's weights were found changed: its artifacts stay where they are."""


class NotFound(LedgerError):
    """No such job, entry, tile, checkpoint or tree size."""


class TooOften(LedgerError):
    """A statement beyond what one key may make in a minute; nothing was promised.

    ``retry_after_s`` says when to try again.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Overloaded(LedgerError):
    """The queue is full. Nothing was promised; the same statement may be sent again."""

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LogUnavailable(LedgerError):
    """The log takes no entries now. The message says why and how to bring it back."""


class WriterLocked(LogUnavailable):
    """Another process is the one writer that a SQLite ledger has."""


class Unwitnessed(LogUnavailable):
    """Too few witnesses have cosigned the newest tree; the message is for everybody.

    ``created``: whether this very work is what the tree holds, stored now and not before.
    """

    def __init__(self, message: str, *, created: bool = False) -> None:
        super().__init__(message)
        self.created = created


class ForkRefused(LogUnavailable):
    """Signing would contradict a checkpoint that the signer has signed before."""


class SecondHistory(ForkRefused):
    """The log's key has signed a tree that this database does not hold; ``note`` proves it.

    The message is for everybody: it names sizes and roots, never an address.
    """

    def __init__(self, message: str, *, note: bytes) -> None:
        super().__init__(message)
        self.note = note


class NotReady(LedgerError):
    """This process should get no requests now; the message is for everybody and says why."""

    retry_after_s = 5


class Damaged(LedgerError):
    """What is stored is not what was hashed or signed; the message, for everybody, says where.

    A bit that flipped, or a hand in the database: nothing was changed, and nothing is handed out.
    """

    retry_after_s = 5

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: run `ledger fsck`")
        self.where = where
        self.is_noted = False
        """Whether a process's list of damage has it already."""


class Misbehaviour(LedgerError):
    """Proof that somebody lied; ``evidence`` maps a file name to the bytes that show it."""

    def __init__(self, message: str, *, evidence: dict[str, bytes]) -> None:
        super().__init__(message)
        self.evidence = evidence


class SettingsError(LedgerError):
    """A setting that is missing, unknown or out of range: its name, its value, what is allowed."""

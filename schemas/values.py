"""The values that statements are made of: types with one spelling each.

Integers stay below 2^53 so that every JSON reader sees the same number (RFC 8785, RFC 7493).
Times are strings, checked by pattern: a date type would respell ``.5Z`` as ``.500000Z``.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A non-negative amount in the unit that the field's name ends in."""
Index = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A leaf index: the position of an entry in the log, from 0."""
Positive = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Slug = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}\Z")]
"""A code or short name: lower case, digits, underscores."""
AuthorName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,38}\Z")]
Ulid = Annotated[str, Meta(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]
"""128 bits in Crockford's base 32, upper case (the ULID specification)."""
Time = Annotated[
    str,
    Meta(
        pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z\Z"
    ),
]
"""RFC 3339, whole seconds, UTC: ``2026-11-21T19:00:00Z``."""
Sha256Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}\Z")]
"""The four bytes of a signed-note key ID, big-endian, in hex."""
Base64Seed = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=\Z")]
"""32 bytes, base64."""
Base64Signature = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{86}==\Z")]
"""64 bytes, base64."""
Decimal = Annotated[str, Meta(pattern=r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?\Z")]
"""A number with a fraction, as a string: ``0.8125``."""
Title = Annotated[str, Meta(max_length=120)]
Line = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]
Vkey = Annotated[str, Meta(max_length=200)]
"""A signed-note verifier key: ``name+hex8+base64``."""


class Wire(Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every shape that comes in: unknown fields are refused, nothing can be changed."""


class DigestSet(Wire, frozen=True):
    """in-toto's DigestSet with the one algorithm that the ledger takes."""

    sha256: Sha256Hex


class ContentAccess(StrEnum):
    """Who may fetch the bytes that a descriptor names."""

    PUBLIC = "public"
    ON_REQUEST = "on_request"
    CLOSED = "closed"


class ResourceDescriptor(Wire, frozen=True, omit_defaults=True):
    """What something is, by digest: the part of in-toto's ResourceDescriptor that is taken."""

    digest: DigestSet
    name: Line | None = None
    uri: Annotated[str, Meta(max_length=500)] | None = None
    media_type: Line | None = None


class ArtifactClass(StrEnum):
    """What an artifact is to the charter, which has a ceiling of bytes for each class."""

    DOCUMENT = "document"
    TABLE = "table"
    IMAGE = "image"
    OPAQUE = "opaque"
    TENSOR = "tensor"


class Artifact(Wire, frozen=True, omit_defaults=True):
    """One output of a job."""

    digest: DigestSet
    name: Line
    kind: Slug
    bytes: Count
    content_access: ContentAccess
    uri: Annotated[str, Meta(max_length=500)] | None = None


class Prompts(Wire, frozen=True):
    """What the model was asked, by descriptor and by count."""

    descriptor: ResourceDescriptor
    count: Count
    distinct_count: Count
    content_access: ContentAccess


class PromptSketch(Wire, frozen=True):
    """A FracMinHash sketch of the distinct prompts: what two sets share can be told from it.

    A prompt's hash is the first 8 bytes of the SHA-256 of its normalised text, big-endian. Kept
    are those below 2^64 / ``scale``, in ascending order.
    """

    scale: Annotated[int, Meta(ge=1, le=2**32)]
    hashes: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")], ...], Meta(max_length=1024)
    ]


class OutputType(StrEnum):
    """What was kept of the model's answers."""

    NONE = "none"
    SCALAR = "scalar"
    PAIRWISE = "pairwise"
    RANKING = "ranking"


class HistogramBin(Wire, frozen=True):
    """How many prompts got this many completions."""

    completions: Count
    prompts: Count


class Completions(Wire, frozen=True):
    """How many answers the model gave, and what was kept of them."""

    count: Count
    output_type: OutputType
    per_prompt_histogram: Annotated[tuple[HistogramBin, ...], Meta(max_length=64)]


class Metric(Wire, frozen=True, omit_defaults=True):
    """One result: a decimal string, so that no reader rounds it."""

    name: Line
    value: Decimal
    n: Count | None = None
    stderr: Decimal | None = None


class Source(Wire, frozen=True):
    """The raw record that a statement was made from."""

    system: Slug
    record_id: Line
    record_digest: DigestSet

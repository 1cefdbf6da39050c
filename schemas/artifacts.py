"""What the artifact store answers: one artifact that it keeps, and the list of a job's."""

from schemas.answers import Shape


class ArtifactKept(Shape, frozen=True):
    """An artifact as it was kept, told to the gateway that brought it.

    ``index`` is the debit's entry; ``bytes`` and ``sha256`` are of the one spelling that is kept.
    """

    artifact_id: str
    artifact_class: str
    index: int
    name: str
    media_type: str
    bytes: int
    sha256: str


class ArtifactListed(Shape, frozen=True):
    """An artifact that was debited to a job, by the entry ``index``.

    What it is called and what it is stays null until the job's results are open, and for ever
    where it never came whole.
    """

    artifact_id: str
    artifact_class: str
    egress_bytes: int
    index: int
    name: str | None
    media_type: str | None
    bytes: int | None
    sha256: str | None

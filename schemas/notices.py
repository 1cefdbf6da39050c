"""What a feed tells, before it is put into words: an entry, and the job as it was at that entry."""

from schemas.answers import Event, JobShown, Published, Shape


class Notice(Shape, frozen=True):
    """One entry. ``published`` is what it opened, where it is a disclosure."""

    event: Event
    job: JobShown
    published: Published | None


class OverdueNotice(Shape, frozen=True):
    """A sealed entry that was not opened in time.

    ``days_late`` counts begun days, until now or until it was opened.
    """

    index: int
    kind: str
    job: JobShown
    publish_by: str
    days_late: int
    opened_at: str | None
    opened_index: int | None

"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), the part that the ledger fills."""

from typing import Final

from msgspec import UNSET, Struct, UnsetType, field

VERSION: Final = "https://jsonfeed.org/version/1.1"


class FeedAuthor(Struct, frozen=True):
    """Who the feed is by."""

    name: str
    url: str


class Attachment(Struct, frozen=True):
    """A file that belongs to an item."""

    url: str
    mime_type: str
    title: str


class ItemExtension(Struct, frozen=True, omit_defaults=True):
    """What the ledger adds to an item: where it stands in the log, and what it is about.

    ``about`` is the address that explains the extension. ``entry_kind`` is the kind of the entry
    at ``index``; ``kind`` is the same but where an entry opens another: then it is the kind of
    that one, which is at ``discloses``. ``gpu_seconds`` is null while the job runs and for jobs
    that never ran. What an item has nothing to say about is left out.
    """

    about: str
    index: int
    entry_kind: str
    kind: str
    proof: str | None = None
    discloses: int | None = None
    reason: str | None = None
    job_id: str | None = None
    member: str | None = None
    workload: str | None = None
    state: str | None = None
    gpu_seconds: int | UnsetType | None = UNSET
    codes: tuple[str, ...] = ()
    corrects: int | None = None
    tree_size: int | None = None
    root: str | None = None
    publish_by: str | None = None
    days_late: int | None = None
    opened_by: int | None = None


class FeedExtension(Struct, frozen=True, omit_defaults=True):
    """What the ledger adds to a feed: the tree that this page of it was made from.

    ``since_url`` is what to ask for next time: everything that came after this tree. ``seen_at``
    is the time at which a feed was looked at that depends on time, as what is overdue does.
    """

    about: str
    tree_size: int
    root: str
    since_url: str | None = None
    seen_at: str | None = None


class FeedItem(Struct, frozen=True, omit_defaults=True):
    """One item. ``date_modified`` is given where something was added after it was published."""

    id: str
    url: str
    title: str
    content_text: str
    date_published: str
    authors: tuple[FeedAuthor, ...]
    tags: tuple[str, ...]
    language: str
    attachments: tuple[Attachment, ...]
    apsci: ItemExtension = field(name="_apsci")
    date_modified: str | None = None


class Hub(Struct, frozen=True):
    """Who tells subscribers at once when there is something new."""

    type: str
    url: str


class Feed(Struct, frozen=True, omit_defaults=True):
    """One page of a feed, newest first; ``next_url`` has the older ones.

    Where it was asked for what came ``since`` an index, the oldest of that comes first.
    """

    version: str
    title: str
    home_page_url: str
    feed_url: str
    description: str
    language: str
    authors: tuple[FeedAuthor, ...]
    items: tuple[FeedItem, ...]
    apsci: FeedExtension = field(name="_apsci")
    next_url: str | None = None
    hubs: tuple[Hub, ...] = ()

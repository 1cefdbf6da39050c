"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), the part that the ledger fills."""

from typing import Final

from msgspec import Struct, field

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


class ItemExtension(Struct, frozen=True):
    """What the ledger adds to an item: where it stands in the log, and what kind of work it was.

    ``about`` is the address that explains the extension. ``gpu_seconds`` is null while the job
    runs and for jobs that never ran.
    """

    about: str
    index: int
    discloses: int
    kind: str
    reason: str
    job_id: str
    member: str
    workload: str
    gpu_seconds: int | None
    proof: str


class FeedExtension(Struct, frozen=True):
    """What the ledger adds to a feed: the tree that this page of it was made from."""

    about: str
    tree_size: int
    root: str


class FeedItem(Struct, frozen=True):
    """One item."""

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


class Feed(Struct, frozen=True, omit_defaults=True):
    """One page of a feed, newest first; ``next_url`` has the older ones."""

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

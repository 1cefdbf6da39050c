"""The body of a signed webhook: what happened at one log index, and where to read the rest.

Its fields are those of the feeds' items and of the API. What a disclosure opened is not in it: that
is fetched from the addresses that it gives.
"""

from schemas.answers import JobShown, Shape


class WebhookData(Shape, frozen=True, omit_defaults=True):
    """One entry of the log, or of a checkpoint the last entry of its tree.

    ``webhook`` is the operator's name of this webhook. ``tree_size`` is that of the first
    published tree which holds the entry. ``kind`` is the kind of the entry at ``index``, but where
    that opens another: then it is the kind of the one at ``discloses``. ``job`` is the job as it
    was at that entry, ``api`` where it stands now. What there is nothing to say about is left out.
    """

    webhook: str
    index: int
    entry_kind: str
    kind: str
    tree_size: int
    url: str
    api: str
    entry: str | None = None
    proof: str | None = None
    job_id: str | None = None
    member: str | None = None
    discloses: int | None = None
    reason: str | None = None
    codes: tuple[str, ...] = ()
    corrects: int | None = None
    root: str | None = None
    job: JobShown | None = None


class WebhookEvent(Shape, frozen=True):
    """The whole body. ``timestamp`` is when the entry was logged; every attempt has the same."""

    type: str
    timestamp: str
    data: WebhookData


class WebhookPing(Shape, frozen=True):
    """What ``ledger webhooks test`` sends: an event of type ``webhook.test`` about no entry."""

    type: str
    timestamp: str
    data: dict[str, str]

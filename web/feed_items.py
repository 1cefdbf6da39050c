"""One item of a feed in words: what an entry says, where its record and its proof are.

Made from the entry and from its job as it was at that entry, so an item says the same for ever.
What members wrote is a value in the sentences; it is text and never markup.
"""

from typing import Final

from msgspec import UNSET

from schemas.answers import CheckpointShown, Event, JobShown, Published
from schemas.feeds import Attachment, FeedAuthor, FeedItem, ItemExtension
from schemas.notices import Notice, OverdueNotice
from schemas.objections import RefusedStart, RunFinding
from web.doors import Asked
from web.i18n import current, gettext, in_sequence
from web.telling.formats import day, hardware, number
from web.telling.labels import label
from web.telling.plain import shown, shown_line
from web.telling.sentences import called, event_text, headline, published_text, published_title

JSON: Final = "application/json"
PROOF: Final = "text/plain"


def about(asking: Asked) -> str:
    """The address that explains the extension ``_apsci``."""
    return f"{asking.public_url}/{current().tag}/about#feed"


def item(asking: Asked, notice: Notice) -> FeedItem:
    """The item of one entry."""
    event, job, published = notice.event, notice.job, notice.published
    base = asking.public_url
    proven = published.discloses if published else event.index
    proof = f"{base}/entries/{proven}.proof"
    author = published.author if published else event.author
    public = event.public or {}
    return FeedItem(
        id=f"{base}/entries/{event.index}",
        url=f"{base}/jobs/{job.job_id}",
        title=_title(event, job, published),
        content_text=_text(event, job, published),
        date_published=event.logged_at,
        authors=(_by(asking, author),),
        tags=(job.workload_type, job.member, published.kind if published else event.kind),
        language=current().tag,
        attachments=(
            Attachment(
                url=f"{base}/entries/{event.index}.json",
                mime_type=JSON,
                title=gettext("Entry %(index)s, as it stands in the log")
                % {"index": number(event.index)},
            ),
            Attachment(
                url=proof,
                mime_type=PROOF,
                title=gettext("Proof of entry %(index)s (tlog-proof)") % {"index": number(proven)},
            ),
        ),
        apsci=ItemExtension(
            about=about(asking),
            index=event.index,
            entry_kind=event.kind,
            kind=published.kind if published else event.kind,
            proof=proof,
            discloses=published.discloses if published else None,
            reason=published.disclosure.reason if published else None,
            job_id=job.job_id,
            member=job.member,
            workload=job.workload_type,
            state=job.state,
            gpu_seconds=job.gpu_seconds,
            codes=tuple(each.code for each in event.findings or ()),
            corrects=public.get("corrects") if event.kind == "corrected" else None,
        ),
    )


def checkpoint_item(asking: Asked, found: CheckpointShown) -> FeedItem:
    """The item of one published checkpoint; its index is that of the tree's last entry."""
    base, size = asking.public_url, found.tree_size
    record = f"{base}/api/v1/checkpoint?at={size}"
    return FeedItem(
        id=record,
        url=f"{base}/{current().tag}/log?at={size}",
        title=gettext("Checkpoint at %(size)s entries") % {"size": number(size)},
        content_text=gettext(
            "The log of %(size)s entries, signed. Its root hash in hexadecimal: %(root)s"
        )
        % {"size": number(size), "root": found.root},
        date_published=found.logged_at,
        authors=(_by(asking, None),),
        tags=("checkpoint",),
        language=current().tag,
        attachments=(
            Attachment(url=record, mime_type=JSON, title=gettext("The signed checkpoint")),
        ),
        apsci=ItemExtension(
            about=about(asking),
            index=size - 1,
            entry_kind="checkpoint",
            kind="checkpoint",
            tree_size=size,
            root=found.root,
            gpu_seconds=UNSET,
        ),
    )


def objection_item(asking: Asked, found: RefusedStart | RunFinding) -> FeedItem:
    """The item of a refused start, or of what was found about a run."""
    base = asking.public_url
    entry = f"{base}/entries/{found.index}"
    codes: tuple[str, ...]
    author: str | None
    workload: str | None
    if isinstance(found, RefusedStart):
        kind, author, codes, workload = "refused", found.author, (found.code,), None
        who = called(found.member) if found.member else found.system
        title = gettext("Start refused: %(who)s") % {"who": shown(who)}
        findings = [(found.code, found.finding)]
    else:
        kind, author, workload = "finding", None, found.workload_type
        codes = tuple(each.code for each in found.findings)
        what = shown_line(found.title) or label(found.workload_type)
        title = gettext("Finding: %(member)s: %(title)s") % {
            "member": called(found.member),
            "title": what,
        }
        findings = [(each.code, each.finding) for each in found.findings]
    told = [
        gettext("%(code)s: %(finding)s") % {"code": label(code), "finding": shown(finding)}
        for code, finding in findings
    ]
    return FeedItem(
        id=entry,
        url=f"{base}/jobs/{found.job_id}" if found.job_id else entry,
        title=title,
        content_text=in_sequence(told),
        date_published=found.logged_at,
        authors=(_by(asking, author),),
        tags=tuple(filter(None, (workload, found.member, kind))),
        language=current().tag,
        attachments=(
            Attachment(
                url=f"{entry}.json",
                mime_type=JSON,
                title=gettext("Entry %(index)s, as it stands in the log")
                % {"index": number(found.index)},
            ),
            Attachment(
                url=f"{entry}.proof",
                mime_type=PROOF,
                title=gettext("Proof of entry %(index)s (tlog-proof)")
                % {"index": number(found.index)},
            ),
        ),
        apsci=ItemExtension(
            about=about(asking),
            index=found.index,
            entry_kind=kind,
            kind=kind,
            proof=f"{entry}.proof",
            job_id=found.job_id,
            member=found.member,
            workload=workload,
            codes=codes,
        ),
    )


def overdue_item(asking: Asked, found: OverdueNotice) -> FeedItem:
    """The item of an entry that was not opened in time, opened since or not."""
    base, job = asking.public_url, found.job
    told = [
        gettext("Entry %(index)s of the log should have been opened on %(day)s and was not.")
        % {"index": number(found.index), "day": day(found.publish_by)}
    ]
    if found.opened_at is not None:
        told.append(
            gettext("It was opened on %(day)s by entry %(index)s.")
            % {"day": day(found.opened_at), "index": number(found.opened_index or 0)}
        )
    proof = f"{base}/entries/{found.index}.proof"
    return FeedItem(
        id=f"{base}/entries/{found.index}#overdue",
        url=f"{base}/jobs/{job.job_id}",
        title=gettext("Overdue: %(what)s") % {"what": headline(job)},
        content_text=in_sequence(told),
        date_published=found.publish_by,
        date_modified=found.opened_at,
        authors=(_by(asking, None),),
        tags=(job.workload_type, job.member, found.kind),
        language=current().tag,
        attachments=(
            Attachment(
                url=f"{base}/entries/{found.index}.json",
                mime_type=JSON,
                title=gettext("Entry %(index)s, as it stands in the log")
                % {"index": number(found.index)},
            ),
        ),
        apsci=ItemExtension(
            about=about(asking),
            index=found.index,
            entry_kind=found.kind,
            kind="overdue",
            proof=proof,
            job_id=job.job_id,
            member=job.member,
            workload=job.workload_type,
            gpu_seconds=job.gpu_seconds,
            publish_by=found.publish_by,
            days_late=found.days_late,
            opened_by=found.opened_index,
        ),
    )


def _by(asking: Asked, author: str | None) -> FeedAuthor:
    base, tag = asking.public_url, current().tag
    if author is None:
        return FeedAuthor(name=asking.house.origin, url=f"{base}/{tag}/")
    return FeedAuthor(name=called(author), url=f"{base}/{tag}/members/{author}")


def _title(event: Event, job: JobShown, published: Published | None) -> str:
    if published is not None:
        return published_title(published)
    if event.kind == "submitted":
        return headline(job)
    if event.kind == "rejected":
        return gettext("Rejected: %(what)s") % {"what": headline(job)}
    if event.kind == "corrected":
        return gettext("Correction: %(what)s") % {"what": headline(job)}
    return gettext("%(what)s (%(state)s)") % {"what": headline(job), "state": label(event.kind)}


def _text(event: Event, job: JobShown, published: Published | None) -> str:
    if published is not None:
        return published_text(published)
    if event.kind == "submitted":
        return in_sequence(_submission(job))
    told = [event_text(event)]
    told += [
        gettext("%(code)s: %(finding)s")
        % {"code": label(found.code), "finding": shown(found.finding)}
        for found in event.findings or ()
    ]
    return in_sequence(told)


def _submission(job: JobShown) -> list[str]:
    asked = gettext("%(member)s submitted this job on %(day)s: %(work)s, on %(hardware)s.") % {
        "member": called(job.member),
        "day": day(job.submitted_at),
        "work": label(job.workload_type),
        "hardware": hardware(job.gpu_count, job.accelerator),
    }
    if job.state == "rejected":
        decided = gettext("The charter's rules rejected it, so it never ran.")
    else:
        decided = gettext("The ledger admitted it: no rule of the charter found anything.")
    plan = gettext("Its plan is sealed until %(day)s at the latest.")
    return [asked, decided, plan % {"day": day(job.publish_by)}]

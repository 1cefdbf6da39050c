"""What happened, in sentences. Whatever members wrote is a value in them and stays text."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from ledger.records.deadline import DAY_S, days_late, days_left, is_overdue
from schemas.answers import Event, JobDetail, JobShown, Published, SealedPart
from web.i18n import gettext, in_sequence, ngettext
from web.telling.formats import (
    HOUR_S,
    MINUTE_S,
    day,
    days,
    duration,
    hardware,
    minutes,
    number,
    seconds_of,
    size,
    whole_hours,
)
from web.telling.labels import label
from web.telling.plain import shown, shown_line

GRACE_S: Final = 300

_names: ContextVar[Mapping[str, str]] = ContextVar("names")


@contextmanager
def calling(names: Mapping[str, str]) -> Iterator[None]:
    """Call authors what the registry calls them, as of the tree size that is shown."""
    token = _names.set(names)
    try:
        yield
    finally:
        _names.reset(token)


def called(author: str) -> str:
    """What an author is called; its name in the log where the registry has no other."""
    return shown_line(_names.get({}).get(author)) or author


def job_title(job: JobShown) -> str:
    """What a job is called: its author's title once that is open, else its kind of work."""
    return shown_line(job.title) or label(job.workload_type)


def headline(job: JobShown) -> str:
    """Whose job it is, and what it is called."""
    return gettext("%(member)s: %(title)s") % {
        "member": called(job.member),
        "title": job_title(job),
    }


def job_summary(detail: JobDetail, *, now: int) -> str:
    """What happened to a job, and what is sealed about it at ``now``, in a few sentences."""
    job = detail.job
    asked = gettext("%(member)s submitted this job on %(day)s: %(work)s, on %(hardware)s.") % {
        "member": called(job.member),
        "day": day(job.submitted_at),
        "work": label(job.workload_type),
        "hardware": hardware(job.gpu_count, job.accelerator),
    }
    told = [asked, _outcome(job)]
    if job.quarantined:
        told.append(
            gettext("The weights of the model were found to have changed: it is in quarantine.")
        )
    elif job.weights_unchanged is False:
        told.append(gettext("The weights of the model were found to have changed."))
    told.extend(_plan(part, now=now) for part in detail.sealed[:1])
    return in_sequence(told)


def _plan(part: SealedPart, *, now: int) -> str:
    if part.disclosure is not None:
        text = gettext("Its plan was opened on %(day)s and is public.")
        if part.disclosure.closed:
            text = gettext("Its plan was opened on %(day)s, except for what is withheld.")
        return text % {"day": day(part.disclosure.logged_at)}
    if seal_status(part, now=now) == "overdue":
        text = gettext("Its plan should have been opened on %(day)s and was not.")
    else:
        text = gettext("Its plan is sealed until %(day)s at the latest.")
    return text % {"day": day(part.publish_by)}


def _outcome(job: JobShown) -> str:
    if job.state == "rejected":
        return gettext("The charter's rules rejected it, so it never ran.")
    if job.state == "admitted":
        return gettext("It was admitted and has not started yet.")
    if job.state in {"started", "interrupted"}:
        running = {
            "started": gettext("It was admitted and has been running since %(day)s."),
            "interrupted": gettext("It was admitted, ran from %(day)s on, and is interrupted."),
        }
        return running[job.state] % {"day": day(job.started_at or job.submitted_at)}
    endings = {
        "completed": gettext("It was admitted, ran for %(time)s and completed."),
        "failed": gettext("It was admitted, ran for %(time)s and failed."),
        "cancelled": gettext("It was admitted, ran for %(time)s and was cancelled."),
        "terminated_by_policy": gettext(
            "It was admitted, ran for %(time)s and was stopped by policy."
        ),
    }
    if job.started_at is None:
        return gettext("It was admitted and ended without having run.")
    ending = endings.get(job.state, gettext("It was admitted and ran for %(time)s."))
    return ending % {"time": duration(job.wall_seconds or 0)}


def seal_status(part: SealedPart, *, now: int) -> str:
    """``published``, ``sealed`` or ``overdue``."""
    if part.disclosure is not None:
        return "published"
    return "overdue" if is_overdue(seconds_of(part.publish_by), now=now) else "sealed"


def plan_status(job: JobShown, *, now: int) -> str:
    """``published``, ``sealed`` or ``overdue``: the plan of a job, as a list shows it."""
    if job.disclosed_index is not None:
        return "published"
    return "overdue" if is_overdue(seconds_of(job.publish_by), now=now) else "sealed"


def countdown(publish_by: str, *, now: int) -> str:
    """How long until a deadline, or how late: to the hour on the last day, then to the minute."""
    deadline = seconds_of(publish_by)
    if is_overdue(deadline, now=now):
        return gettext("%(days)s late") % {"days": days(days_late(deadline, now=now))}
    left_s = deadline - now
    if left_s <= HOUR_S - MINUTE_S:
        left = minutes(-(-left_s // MINUTE_S))
    elif left_s <= DAY_S:
        left = whole_hours((left_s + HOUR_S // 2) // HOUR_S)
    else:
        left = days(days_left(deadline, now=now))
    return gettext("in %(time)s") % {"time": left}


def lateness(part: SealedPart) -> str:
    """How long after its deadline a part was opened; empty where that was in time.

    A sweep takes a moment: up to five minutes are not late, as for whoever verifies the log.
    """
    if part.disclosure is None:
        return ""
    late_s = seconds_of(part.disclosure.logged_at) - seconds_of(part.publish_by)
    if late_s <= GRACE_S:
        return ""
    return gettext("%(time)s after its deadline") % {"time": duration(late_s)}


def part_name(kind: str) -> str:
    """What a sealed part is about: the plan of a submission, the results of a run."""
    return gettext("Plan") if kind == "submitted" else gettext("Results")


def event_text(event: Event) -> str:
    """One step of a job's history."""
    tell = _EVENTS.get(event.kind)
    return tell(event) if tell else gettext("An entry of a kind that this page does not know.")


def _author(event: Event) -> str:
    return called(event.author) if event.author else gettext("the ledger")


def _public(event: Event, name: str) -> str:
    return str((event.public or {}).get(name, ""))


def _amount(event: Event, name: str) -> int:
    return int((event.public or {}).get(name, 0))


def _submitted(event: Event) -> str:
    return gettext("%(author)s submitted the job and committed to its sealed plan.") % {
        "author": _author(event)
    }


def _admitted(_event: Event) -> str:
    return gettext("The ledger admitted it: no rule of the charter found anything.")


def _rejected(event: Event) -> str:
    found = len(event.findings or ())
    return ngettext(
        "The ledger rejected it: %(n)s finding.", "The ledger rejected it: %(n)s findings.", found
    ) % {"n": found}


def _started(event: Event) -> str:
    gpus = _amount(event, "gpu_count")
    return ngettext("The run began on %(n)s GPU.", "The run began on %(n)s GPUs.", gpus) % {
        "n": number(gpus)
    }


def _interrupted(event: Event) -> str:
    return gettext("The run was interrupted: %(how)s.") % {
        "how": label(_public(event, "exit_status"))
    }


def _ended(event: Event) -> str:
    return gettext("The run ended after %(time)s: %(how)s.") % {
        "time": duration(_amount(event, "wall_seconds")),
        "how": label(event.kind),
    }


def _refused(event: Event) -> str:
    return gettext("%(author)s refused to start it: %(why)s.") % {
        "author": _author(event),
        "why": label(_public(event, "code")),
    }


def _finding(event: Event) -> str:
    codes = [label(found.code) for found in event.findings or ()]
    return gettext("The ledger found about the run: %(what)s.") % {
        "what": gettext(", ").join(codes)
    }


def _egress(event: Event) -> str:
    if "offset" in (event.public or {}):
        return gettext("%(author)s read %(bytes)s of an artifact of its own.") % {
            "author": _author(event),
            "bytes": size(_amount(event, "egress_bytes")),
        }
    if "artifact_class" in (event.public or {}):
        return gettext("The gateway let out %(bytes)s as an artifact (%(kind)s).") % {
            "bytes": size(_amount(event, "egress_bytes")),
            "kind": label(_public(event, "artifact_class")),
        }
    artifacts = _amount(event, "artifact_count")
    return ngettext(
        "The gateway let out %(bytes)s in %(n)s artifact.",
        "The gateway let out %(bytes)s in %(n)s artifacts.",
        artifacts,
    ) % {"bytes": size(_amount(event, "egress_bytes")), "n": number(artifacts)}


def _open(event: Event) -> str:
    return gettext("%(author)s asked to open entry %(index)s before its deadline.") % {
        "author": _author(event),
        "index": number(_amount(event, "discloses")),
    }


def _disclosed(event: Event) -> str:
    return gettext("Entry %(index)s was opened %(reason)s.") % {
        "index": number(event.discloses or 0),
        "reason": label(event.reason or ""),
    }


def _withheld(event: Event) -> str:
    return gettext("%(author)s keeps fields of entry %(index)s closed until %(day)s.") % {
        "author": _author(event),
        "index": number(_amount(event, "withholds")),
        "day": day(_public(event, "review_by")),
    }


def _corrected(event: Event) -> str:
    return gettext(
        "%(author)s corrected entry %(index)s: %(field)s should have been “%(value)s” (%(reason)s)."
    ) % {
        "author": _author(event),
        "index": number(_amount(event, "corrects")),
        "field": shown(_public(event, "field")),
        "value": shown(_public(event, "value")),
        "reason": shown(_public(event, "reason")),
    }


_EVENTS: Final[Mapping[str, Callable[[Event], str]]] = {
    "submitted": _submitted,
    "admitted": _admitted,
    "rejected": _rejected,
    "started": _started,
    "interrupted": _interrupted,
    "completed": _ended,
    "failed": _ended,
    "cancelled": _ended,
    "terminated_by_policy": _ended,
    "egress": _egress,
    "refused": _refused,
    "finding": _finding,
    "open": _open,
    "disclosed": _disclosed,
    "withheld": _withheld,
    "corrected": _corrected,
}


def published_title(found: Published) -> str:
    """The title of a disclosure in a feed or list."""
    if found.kind == "submitted":
        return headline(found.job)
    return gettext("%(member)s: results of %(title)s") % {
        "member": called(found.job.member),
        "title": job_title(found.job),
    }


def published_text(found: Published) -> str:
    """What a disclosure opened, in a sentence or two."""
    opened = found.disclosure
    told = gettext(
        "Entry %(sealed)s of the log, about job %(job)s of %(member)s (%(work)s), was opened"
        " %(reason)s by entry %(index)s."
    ) % {
        "sealed": found.discloses,
        "job": found.job.job_id,
        "member": called(found.job.member),
        "work": label(found.job.workload_type),
        "reason": label(opened.reason),
        "index": opened.index,
    }
    text = [told]
    purpose = opened.fields.get("purpose")
    if isinstance(purpose, str) and purpose:
        text.append(gettext("Purpose: %(purpose)s") % {"purpose": shown(purpose)})
    if opened.closed:
        paths = gettext(", ").join(opened.closed)
        text.append(gettext("Still closed: %(paths)s.") % {"paths": paths})
    return in_sequence(text)

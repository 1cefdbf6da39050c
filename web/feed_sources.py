"""Which feeds there are: how each is called, where its page is, which entries are its items."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.errors import NotFound
from ledger.reader import View
from ledger.reader.streams import Stream
from schemas.feeds import FeedItem
from web import feed_addresses, feed_items
from web.doors import Asked
from web.feed_addresses import BASE, JOBS, MEMBERS
from web.i18n import gettext, noted
from web.query import address
from web.search.filters import JOB_FILTERS, given_filters, job_filter
from web.search.narrowing import in_words
from web.telling.sentences import called

Tell = Callable[[Asked, View, Sequence[int]], list[FeedItem]]


@dataclass(frozen=True, slots=True)
class Source:
    """One feed. ``path`` is its address without the ending, ``page`` that of its page.

    ``is_announced``: whether a hub is told of what is new in it. Nobody knows every search.
    """

    path: str
    page: str
    title: str
    description: str
    stream: Stream
    tell: Tell
    filters: Mapping[str, str] = field(default_factory=dict)
    is_announced: bool = True


_TITLES: Final[Mapping[str, tuple[str, str, str]]] = {
    "published": (
        noted("Published records"),
        noted(
            "Every record of the ledger whose sealed part has been opened, in the order of the"
            " log, each with its record and its proof."
        ),
        "embargo",
    ),
    "submitted": (
        noted("Submitted jobs"),
        noted("Every job that was submitted, admitted or not, in the order of the log."),
        "jobs",
    ),
    "rejected": (
        noted("Rejected jobs"),
        noted("Every job that the charter's rules rejected, and what they found."),
        "rejections",
    ),
    "findings": (
        noted("Refused starts and findings about runs"),
        noted(
            "Every start that the orchestrator refused, and everything that the ledger found about"
            " a run, in the order of the log."
        ),
        "rejections",
    ),
    "corrections": (
        noted("Corrections"),
        noted("Everything that was corrected afterwards. What was said first stays in the log."),
        "corrections",
    ),
    "checkpoints": (
        noted("Checkpoints"),
        noted("Every signed checkpoint of the log: its size and its root hash."),
        "log",
    ),
}


def _tell_entries(asking: Asked, view: View, places: Sequence[int]) -> list[FeedItem]:
    return [feed_items.item(asking, each) for each in view.notices(places)]


def _tell_objections(asking: Asked, view: View, places: Sequence[int]) -> list[FeedItem]:
    return [feed_items.objection_item(asking, each) for each in view.objections_at(places)]


def _tell_checkpoints(asking: Asked, view: View, places: Sequence[int]) -> list[FeedItem]:
    return [feed_items.checkpoint_item(asking, each) for each in view.checkpoints_at(places)]


_TELL: Final[Mapping[str, Tell]] = {
    "findings": _tell_objections,
    "checkpoints": _tell_checkpoints,
}
"""Of feeds whose items are not entries about a job."""


def source(asking: Asked, view: View, name: str, slug: str | None = None) -> Source:
    """The feed called ``name``, or with ``slug`` the one of a member.

    Raises NotFound, and ParameterRefused for a search that is none.
    """
    if slug is not None:
        return _of_member(view, slug)
    if name == JOBS:
        return _of_search(asking, view)
    if name not in _TITLES:
        there = ", ".join((*feed_addresses.FIXED, feed_addresses.OVERDUE, JOBS, f"{MEMBERS}/…"))
        raise NotFound(f"there is no feed of that name; there are {there}")
    title, description, page = _TITLES[name]
    return Source(
        path=f"{BASE}/{name}",
        page=page,
        title=gettext(title),
        description=gettext(description),
        stream=fixed_stream(view, name),
        tell=_TELL.get(name, _tell_entries),
    )


def fixed_stream(view: View, name: str) -> Stream:
    """Where the items of one of ``feed_addresses.FIXED`` stand."""
    streams: Mapping[str, Callable[[], Stream]] = {
        "published": view.stream_published,
        "submitted": view.stream_submitted,
        "rejected": view.stream_rejected,
        "findings": view.stream_findings,
        "corrections": view.stream_corrections,
        "checkpoints": view.stream_checkpoints,
    }
    return streams[name]()


def known_parameters(name: str, slug: str | None) -> tuple[str, ...]:
    """The parameters that choose the items of a feed."""
    return JOB_FILTERS if slug is None and name == JOBS else ()


def _of_member(view: View, slug: str) -> Source:
    if slug not in view.titles():
        raise NotFound(f"the registry at {view.size} entries knows no author {slug[:40]!a}")
    return Source(
        path=f"{BASE}/{MEMBERS}/{slug}",
        page=f"members/{slug}",
        title=called(slug),
        description=gettext(
            "What %(member)s submitted, what was rejected or opened of it, and what it corrected."
        )
        % {"member": called(slug)},
        stream=view.stream_author(slug),
        tell=_tell_entries,
    )


def _of_search(asking: Asked, view: View) -> Source:
    # Values are checked before they are put into words.
    chosen = job_filter(asking.params, view.titles())
    filters = given_filters(asking.params)
    title = gettext("Jobs")
    if filters:
        title = gettext("Jobs: %(filters)s") % {"filters": in_words(filters)}
    return Source(
        path=f"{BASE}/{JOBS}",
        page=address("jobs", filters),
        title=title,
        description=gettext(
            "Every entry by which a job came to match this search, in the order of the log."
        ),
        stream=view.stream_jobs(chosen),
        tell=_tell_entries,
        filters=filters,
        is_announced=False,
    )

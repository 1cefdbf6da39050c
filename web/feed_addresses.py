"""The addresses of feeds, and the fixed ranges of log indices that their archives cover.

An archive holds the items of ``RANGE`` consecutive indices and is there once the log has all of
them: its bytes then never change, and it counts as made from the tree that ends with them.
"""

import re
from collections.abc import Mapping
from typing import Final

from web import query
from web.search.filters import JOB_FILTERS

BASE: Final = "/feeds"
RANGE: Final = 256
"""As many indices as an entry bundle of the log holds: archive n is about bundle n."""
FIXED: Final = ("published", "submitted", "rejected", "findings", "corrections", "checkpoints")
"""Feeds of entries, one each. ``overdue``, ``jobs`` and those of members stand beside them."""
OVERDUE: Final = "overdue"
JOBS: Final = "jobs"
MEMBERS: Final = "members"
JSON: Final = ".json"
ATOM: Final = ".atom"

_ARCHIVE: Final = re.compile(
    r"/feeds/(?:[a-z]+|members/[^/]+)/(0|[1-9][0-9]{0,12})\.atom", re.ASCII
)


def archive_size(path: str) -> int | None:
    """The size of the tree that an archive is made from; None for any other address."""
    found = _ARCHIVE.fullmatch(path)
    return None if found is None else (int(found[1]) + 1) * RANGE


def archive_path(stem: str, number: int) -> str:
    """The address of archive ``number`` of the feed at ``stem``."""
    return f"{stem}/{number}{ATOM}"


def of_jobs(filters: Mapping[str, str], form: str) -> str:
    """The feed of a search for jobs; of no filters at all, that of every submission."""
    given = {name: filters[name] for name in JOB_FILTERS if name in filters}
    return query.address(f"{BASE}/{JOBS}{form}", given)

"""One box for everything: what somebody typed is a thing of the ledger, or words to look for.

A number of a job or an entry, a digest and a member's name each lead to their page. Whether a
digest leads anywhere depends on what the log shows at the tree size asked for, and on nothing else.
"""

import re
from collections.abc import Callable
from typing import Final

from ledger.errors import NotFound
from ledger.reader import View

_JOB_ID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)
_INDEX: Final = re.compile(r"#?(0|[1-9][0-9]{0,14}|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4})", re.ASCII)
"""Plain, or with commas as the pages show it."""
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.ASCII)


def place_of(view: View, text: str) -> str | None:
    """The page of what ``text`` names, as a path without the language; None for mere words."""
    text = text.strip()
    if _JOB_ID.fullmatch(text.upper()):
        job_id = text.upper()
        return f"jobs/{job_id}" if _exists(view.submission_of, job_id) else None
    if index := _INDEX.fullmatch(text):
        number = int(index[1].replace(",", ""))
        return f"entries/{number}" if number < view.size else None
    if digest := _DIGEST.fullmatch(text.lower()):
        return _of_digest(view, digest[1])
    return _of_author(view, text.casefold())


def _of_digest(view: View, digest: str) -> str | None:
    if _exists(view.model, digest):
        return f"models/sha256:{digest}"
    if _exists(view.artifact, digest):
        return f"artifacts/sha256:{digest}"
    index = view.find(digest)
    return None if index is None else f"entries/{index}"


def _of_author(view: View, folded: str) -> str | None:
    for name, title in view.titles().items():
        if folded in {name.casefold(), title.casefold()}:
            return f"members/{name}"
    return None


def _exists(look_up: Callable[[str], object], name: str) -> bool:
    try:
        look_up(name)
    except NotFound:
        return False
    return True

"""How a figure or a job is shown on other sites: the addresses, the frame, its size.

Knows no request and no ledger. The frame holds a page of ours that runs no script; what surrounds
it learns nothing of the reader and neither do we of what surrounds it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlencode, urlsplit

from web import query
from web.figures import Figure
from web.i18n import DEFAULT, LANGUAGES

WIDTH: Final = 640
JOB_HEIGHT: Final = 320
AROUND: Final = 280
"""Pixels for what stands above and below a picture."""
PANEL_HEIGHT: Final = 222
PANELS_ABREAST: Final = 3
MOST_PANELS: Final = 8
"""An embed shows the largest; all of them stand on the page that it leads to."""
_TAGS = "|".join(map(re.escape, LANGUAGES))
_JOB = re.compile(rf"/(?:({_TAGS})/)?jobs/([0-7][0-9A-HJKMNP-TV-Z]{{25}})", re.ASCII)
_SERIES = re.compile(rf"/(?:({_TAGS})/)?statistics/([a-z-]{{1,40}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """What an address of a page shows: a job or a series, in which language, as of which size."""

    kind: str
    name: str
    tag: str
    at: int | None
    by: str | None = None

    @property
    def params(self) -> dict[str, str]:
        """What the address asks for beside its path."""
        given = {"by": self.by, "at": None if self.at is None else str(self.at)}
        return {name: value for name, value in given.items() if value}

    def embed(self, public_url: str) -> str:
        """The address of the same, to stand in a frame."""
        folder = "jobs/" if self.kind == "job" else ""
        path = f"{public_url}/embed/{self.tag}/{folder}{self.name}"
        return query.address(path, dict(self.params))


def parse_target(url: str, *, public_url: str) -> Target | None:
    """What the address of one of our pages shows; None for all that we do not embed.

    Raises ParameterRefused where its query is not one of ours.
    """
    if not url.startswith(f"{public_url}/"):
        return None
    try:
        parts = urlsplit(url[len(public_url) :])
    except ValueError:
        return None  # a host that is none, behind two slashes
    job, series = _JOB.fullmatch(parts.path), _SERIES.fullmatch(parts.path)
    found = job or series
    if found is None or parts.netloc or not parts.query.isascii():
        return None
    params = query.parse_query(parts.query.encode())
    query.check_known(params, ("by",) if series else ())
    return Target(
        kind="job" if job else "series",
        name=found[2],
        tag=found[1] or DEFAULT,
        at=query.integer(params, "at", least=1),
        by=params.get("by"),
    )


def frame(address: str, *, title: str, width: int | str = "100%", height: int) -> str:
    """The HTML that puts one of our embeds on another page."""
    return (
        f'<iframe src="{escape(address)}" title="{escape(title)}" width="{width}"'
        f' height="{height}" loading="lazy"></iframe>'
    )


def height_of(figure: Figure) -> int:
    """About how high a figure is at the usual width, in CSS pixels."""
    if figure.panels:
        rows = -(-min(len(figure.panels), MOST_PANELS) // PANELS_ABREAST)
        return AROUND + PANEL_HEIGHT * rows
    picture = figure.columns or figure.bars or figure.heat
    return AROUND + (picture.height if picture else 0)


def oembed_address(public_url: str, path: str, params: Mapping[str, str], form: str) -> str:
    """Where programs learn how to embed the page at ``path``: in full, for they do not resolve."""
    page = query.address(public_url + path, dict(params))
    return f"{public_url}/oembed?{urlencode({'url': page, 'format': form})}"

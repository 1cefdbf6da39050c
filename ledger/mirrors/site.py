"""What a mirror asks of the site: the bytes that it would answer.

Who starts the site, and how, is the command line's affair: the site stands above this house.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ledger.errors import LedgerError
from ledger.mirrors.shapes import BYTES, File


class SiteFailed(LedgerError):
    """The site did not answer an address that it has to know."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def file(self, path: str, *, is_immutable: bool = False) -> File:
        """The answer as the file at ``path``."""
        media_type = self.headers.get("content-type", BYTES)
        return File(path, self.body, media_type, is_immutable)

    def link(self, relation: str) -> str | None:
        """Where the header ``Link`` leads by ``relation``; None where it does not."""
        for part in self.headers.get("link", "").split(", <"):
            target, _, rest = part.removeprefix("<").partition(">")
            if rest == f'; rel="{relation}"':
                return target
        return None


class Site(Protocol):
    """The site of the ledger. May be asked by several threads at once."""

    def get(self, address: str) -> Page:
        """The answer to ``address``, path and query, whatever its status."""
        ...


def ask(site: Site, address: str) -> Page:
    """The answer, which has to be there. Raises SiteFailed for any other."""
    page = site.get(address)
    if page.status != 200:
        raise SiteFailed(f"the site answers {address} with {page.status}: nothing was published")
    return page

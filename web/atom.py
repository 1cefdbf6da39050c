"""Feeds as Atom 1.0 (RFC 4287) with the links of archived and paged feeds (RFC 5005).

feedgenerator writes the XML. It takes an entry's summary for HTML, so the text goes in escaped
once more and comes out of every reader as the text that it is; and it would date a feed without
items by the machine's clock, so the date is given.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final

from feedgenerator.django.utils.feedgenerator import Atom1Feed

from schemas.feeds import FeedAuthor, FeedItem
from web.telling.plain import clipped

MEDIA_TYPE: Final = "application/atom+xml"
HISTORY: Final = "http://purl.org/syndication/history/1.0"
SUMMARY: Final = 1_200
"""Letters of a text; the whole of it is a link away."""

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold (https://www.w3.org/TR/xml/#charsets)."""


@dataclass(frozen=True, slots=True)
class AtomDocument:
    """What an Atom document says of itself. ``links`` are by relation, addresses absolute."""

    id: str
    title: str
    subtitle: str
    language: str
    home: str
    updated: str
    author: FeedAuthor
    links: Mapping[str, str]
    is_archive: bool


def write(document: AtomDocument, items: Sequence[FeedItem]) -> bytes:
    """The XML of one document."""
    feed = _Archived(
        title=_xml(document.title),
        link=document.home,
        description=_xml(document.subtitle),
        language=document.language,
        author_name=document.author.name,
        author_link=document.author.url,
        feed_guid=document.id,
    )
    feed.document = document
    for item in items:
        published = datetime.fromisoformat(item.date_published)
        feed.add_item(
            title=_xml(item.title),
            link=item.url,
            description=escape(_xml(clipped(item.content_text, SUMMARY))),
            unique_id=item.id,
            pubdate=published,
            updateddate=datetime.fromisoformat(item.date_modified or item.date_published),
            author_name=_xml(item.authors[0].name),
            author_link=item.authors[0].url,
            categories=item.tags,
            attachments=item.attachments,
        )
    out = io.BytesIO()
    feed.write(out, "utf-8")
    return out.getvalue()


class _Archived(Atom1Feed):  # type: ignore[misc] # the library has no types
    """The library's Atom feed with the links and the mark that RFC 5005 adds."""

    document: AtomDocument

    def root_attributes(self) -> dict[str, str]:
        attributes: dict[str, str] = super().root_attributes()
        return {**attributes, "xmlns:fh": HISTORY}

    def latest_post_date(self) -> datetime:
        return datetime.fromisoformat(self.document.updated)

    def add_root_elements(self, handler: Any) -> None:  # noqa: ANN401 - the library has no types
        super().add_root_elements(handler)
        for relation, target in self.document.links.items():
            handler.addQuickElement("link", "", {"rel": relation, "href": target})
        if self.document.is_archive:
            handler.addQuickElement("fh:archive", "")

    def add_item_elements(self, handler: Any, item: Mapping[str, Any]) -> None:  # noqa: ANN401 - the same
        super().add_item_elements(handler, item)
        for each in item["attachments"]:
            named = {"rel": "enclosure", "href": each.url, "type": each.mime_type}
            handler.addQuickElement("link", "", {**named, "title": _xml(each.title)})


def _xml(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)

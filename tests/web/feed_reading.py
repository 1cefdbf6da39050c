"""Reads feeds to their end, by each of the ways through them."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from browser import Browser

PUBLIC_URL = "https://ledger.example"
ATOM = "{http://www.w3.org/2005/Atom}"
HISTORY = "{http://purl.org/syndication/history/1.0}"


def local(address: str) -> str:
    """The address below the site's own."""
    assert address.startswith(PUBLIC_URL + "/")
    return address.removeprefix(PUBLIC_URL)


def links_of(feed: ET.Element) -> dict[str, str]:
    """The links of a feed, by their relation."""
    return {each.get("rel", ""): each.get("href", "") for each in feed.findall(f"{ATOM}link")}


def ids_of(feed: ET.Element) -> list[str]:
    """The ids of its entries, in its order."""
    return [entry.findtext(f"{ATOM}id", "") for entry in feed.findall(f"{ATOM}entry")]


def pages_of(site: Browser, target: str) -> Iterator[dict[str, object]]:
    """A JSON Feed and what its ``next_url`` leads to, to the end."""
    following: str | None = target
    while following:
        feed = site.get(following).json()
        yield feed
        following = local(feed["next_url"]) if "next_url" in feed else None


def indices_of(site: Browser, target: str) -> list[int]:
    """The log indices of all items, in the order in which they are met."""
    return [
        item["_apsci"]["index"]
        for feed in pages_of(site, target)
        for item in feed["items"]  # type: ignore[attr-defined] # JSON
    ]


def archives_of(site: Browser, target: str) -> Iterator[ET.Element]:
    """The document that a reader subscribes to, and the archives before it, newest first."""
    following: str | None = target
    while following:
        feed = ET.fromstring(site.get(following).text)
        yield feed
        before = links_of(feed).get("prev-archive")
        following = local(before) if before else None

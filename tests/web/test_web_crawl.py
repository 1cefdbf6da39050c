"""Ten thousand items read to the end while the log grows: by each way, none lost, none doubled."""

from collections.abc import Callable, Iterator

from browser import Browser
from feed_reading import PUBLIC_URL, archives_of, ids_of, local
from ledger_world import World

OLD = 10_000
MORE = 500
AT_ONCE = 10
PAGE = 100
FEED = f"/feeds/submitted.json?limit={PAGE}"


def _submit(world: World, name: str, count: int) -> None:
    for first in range(0, count, 1_000):
        numbers = range(first, min(first + 1_000, count))
        world.log(*[world.submission(f"{name}-{number}") for number in numbers])


def _submitted(world: World) -> list[int]:
    """The indices of all submissions, as the log has them."""
    with world.reader.at() as view:
        return [
            each.index
            for start in range(0, view.size, 1_000)
            for each in view.entries(start=start, limit=1_000)
            if each.kind == "submitted"
        ]


def _growing(world: World, name: str) -> tuple[Callable[[], None], Callable[[], int]]:
    """What appends a few submissions each time until ``MORE`` are there, and how many are."""
    done = 0

    def grow() -> None:
        nonlocal done
        if done < MORE:
            _submit(world, f"{name}-{done}", AT_ONCE)
            done += AT_ONCE

    return grow, lambda: done


def _onward(shop: Browser, target: str) -> Iterator[list[int]]:
    """Every page from ``target`` on, until one has nothing and leads to nothing."""
    while True:
        feed = shop.get(target).json()
        found = [item["_apsci"]["index"] for item in feed["items"]]
        if not found and "next_url" not in feed:
            return
        yield found
        target = local(feed.get("next_url") or feed["_apsci"]["since_url"])


def _back(shop: Browser, target: str | None) -> Iterator[list[int]]:
    while target:
        feed = shop.get(target).json()
        yield [item["_apsci"]["index"] for item in feed["items"]]
        target = local(feed["next_url"]) if "next_url" in feed else None


def test_ten_thousand_items_are_read_once_each_while_five_hundred_are_appended(
    fresh: World, shop: Browser
) -> None:
    _submit(fresh, "old", OLD)
    old = _submitted(fresh)
    assert len(old) == OLD

    # Backwards, by next_url: the crawl ends with the tree that it began with.
    grow, appended = _growing(fresh, "back")
    met: list[int] = []
    for page in _back(shop, FEED):
        met += page
        grow()
    assert met == old[::-1]
    assert appended() == MORE

    # Onwards, by since: the crawl meets what came while it ran.
    grow, appended = _growing(fresh, "onward")
    met = []
    for page in _onward(shop, f"{FEED}&since=0"):
        met += page
        grow()
    every = _submitted(fresh)
    assert met == every
    assert (appended(), len(every)) == (MORE, OLD + 2 * MORE)

    # By the archives of RFC 5005, whose bytes are fixed. A reader knows an item by its id: the
    # document that is subscribed to repeats some of the newest archive.
    grow, appended = _growing(fresh, "archives")
    seen: list[str] = []
    for feed in archives_of(shop, "/feeds/submitted.atom"):
        seen += ids_of(feed)
        grow()
    assert list(dict.fromkeys(seen)) == [f"{PUBLIC_URL}/entries/{index}" for index in every[::-1]]
    assert len(seen) - len(every) <= 256
    assert appended() == MORE

"""Tells a WebSub hub which feeds have something new (https://www.w3.org/TR/websub/).

A hub is told addresses, never content, and fetches them itself. What is left to tell is one number,
the tree size up to which it was told: so nothing queues up however long the hub is away, nothing is
forgotten over a restart, and a feed may be named twice but is never left out. Runs in a thread of
its own that only reads, so no statement ever waits for a hub.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

import httpx

from ledger.errors import LedgerError
from ledger.reader import Reader, View
from ledger.reader.streams import Stream
from ledger.settings import Settings

log = logging.getLogger(__name__)

FORMS: Final = (".json", ".atom")
MEMORY: Final = "websub-told"
"""The file that holds the tree size up to which the hub was told, in decimal."""
LOOK_S: Final = 2.0
"""Between two looks for what is new, and before the first of several attempts."""
LONGEST_S: Final = 300.0
TIMEOUT_S: Final = 5.0
TOPICS_AT_ONCE: Final = 50


class HubRefused(LedgerError):
    """The hub could not be reached, or did not accept what it was told."""


class Announcer:
    """Tells one hub, until it is stopped. ``announce`` may be called without a thread, too."""

    def __init__(
        self,
        reader: Reader,
        *,
        hub: str,
        public_url: str,
        memory: Path,
        look_s: float = LOOK_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._reader = reader
        self._hub = hub
        self._public_url = public_url
        self._memory = memory
        self._look_s = look_s
        self._longest_s = longest_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="websub", daemon=True)

    @classmethod
    def of(cls, settings: Settings, reader: Reader) -> Self | None:
        """The announcer that the settings ask for; None where they name no hub."""
        if settings.websub_hub is None:
            return None
        return cls(
            reader,
            hub=settings.websub_hub,
            public_url=settings.public_url,
            memory=settings.data_dir / MEMORY,
        )

    def start(self) -> None:
        """Begin to look for what is new."""
        self._thread.start()

    def stop(self) -> None:
        """Let the request that is under way end, then stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def announce(self) -> tuple[str, ...]:
        """Tell the hub what is new since it was last told; the addresses that it was told.

        Raises HubRefused where the hub did not take them; then all of them are still to be told.
        """
        told = self._told()
        size = self._reader.tree_size()
        if told is None or told > size:
            # A hub that was never told anything has no subscriber yet who could have missed it.
            self._remember(size)
            return ()
        if told == size:
            return ()
        with self._reader.at(size) as view:
            topics = [
                f"{self._public_url}/feeds/{name}{form}"
                for name, stream in _feeds(view).items()
                if stream().from_(told, below=size, limit=1)
                for form in FORMS
            ]
        for first in range(0, len(topics), TOPICS_AT_ONCE):
            self._post(topics[first : first + TOPICS_AT_ONCE])
        self._remember(size)
        return tuple(topics)

    def _post(self, topics: list[str]) -> None:
        form = {"hub.mode": "publish", "hub.url": topics}
        try:
            answer = httpx.post(self._hub, data=form, timeout=TIMEOUT_S, follow_redirects=False)
        except httpx.HTTPError as error:
            raise HubRefused(f"the hub cannot be reached: {type(error).__name__}") from None
        if not answer.is_success:
            raise HubRefused(f"the hub answered with {answer.status_code}")

    def _run(self) -> None:
        wait_s = self._look_s
        while not self._stopping.wait(wait_s):
            try:
                self.announce()
                wait_s = self._look_s
            except (LedgerError, OSError) as error:
                wait_s = min(wait_s * 2, self._longest_s)
                log.warning("the feeds' hub is told again in %d s: %s", wait_s, error)
            except Exception as error:
                wait_s = self._longest_s
                log.error("the feeds' hub was not told: %s", type(error).__name__)  # noqa: TRY400 - as in a sweep
                log.debug("where it failed", exc_info=True)

    def _told(self) -> int | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self._memory.read_text("ascii"))
        return None

    def _remember(self, size: int) -> None:
        # A crash in between tells the hub the same once more, which does no harm.
        new = self._memory.with_suffix(".new")
        new.write_text(f"{size}\n", "ascii")
        os.replace(new, self._memory)  # noqa: PTH105 - the one call that is atomic by name


@contextlib.contextmanager
def announcing(settings: Settings, reader: Reader) -> Iterator[None]:
    """Tell the hub that the settings name, if they do, while the context is open."""
    announcer = Announcer.of(settings, reader)
    if announcer is not None:
        announcer.start()
    try:
        yield
    finally:
        if announcer is not None:
            announcer.stop()


def _feeds(view: View) -> dict[str, Callable[[], Stream]]:
    """Every feed of entries by its address below ``/feeds``; searches are without number."""
    members = {
        f"members/{name}": lambda name=name: view.stream_author(name) for name in view.titles()
    }
    return {
        "published": view.stream_published,
        "submitted": view.stream_submitted,
        "rejected": view.stream_rejected,
        "corrections": view.stream_corrections,
        "checkpoints": view.stream_checkpoints,
        **members,
    }

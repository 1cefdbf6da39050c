"""What the shop window asks of the house, and of each request."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from ledger.artifacts import Door, Shelf
from ledger.assembly.desk import Asking, Settled
from ledger.assembly.metrics import Metrics
from ledger.assembly.questions import SignalsFound
from ledger.errors import LedgerError
from ledger.reader import Reader, View
from schemas.posting import Receipted

T = TypeVar("T", bound=Asking)


class House(Protocol):
    """The ledger as the web sees it: a reader, a clock and a slot for statements."""

    reader: Reader
    clock: Callable[[], int]
    """Unix seconds."""
    origin: str
    vkey: str
    mldsa_vkey: str | None
    """The key of the second line of checkpoints, where they have one."""

    def handovers(self, size: int) -> str | None:
        """How the log's keys follow one another in a tree; None where there is one alone."""
        ...

    def key_terms(self, size: int) -> tuple[tuple[str, int], ...]:
        """The log's keys in a tree, each with the entry from which on it speaks."""
        ...

    metrics: Metrics | None
    """What a scraper is told, where there is one."""

    @property
    def bulk_dir(self) -> Path:
        """Where the sets of bulk files lie."""
        ...

    def signals_at(self, size: int) -> SignalsFound | None:
        """The questions that count at a tree size. Raises LogUnavailable; see ``Questions.at``."""
        ...

    def submit(self, body: bytes) -> Future[Receipted]:
        """Queue one statement. Its future raises LedgerErrors."""
        ...

    def enter(self, body: bytes, asking: T, settle: Callable[[Settled[T]], None], /) -> None:
        """Queue one statement; ``settle`` is told of it, with others, from another thread."""
        ...

    def submit_batch(self, lines: Sequence[bytes]) -> Future[list[Receipted | LedgerError]]:
        """Queue several statements, each of which is answered by itself."""
        ...

    shelf: Shelf
    """The artifacts that were debited to jobs."""

    @property
    def artifacts(self) -> Door:
        """The door by which artifacts come in and out."""
        ...

    def check_ready(self) -> None:
        """Look at database, schema, writer and newest checkpoint. Raises NotReady: says which."""
        ...

    @property
    def damage(self) -> list[str]:
        """Where this process has found what is stored damaged, the first place first."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to read: at which tree size, when, and with which parameters.

    ``size`` is the newest published one, or the one that ``?at=`` names; then it is ``pinned``,
    ``now_s`` is None, and time is what the log itself says it was. ``mark`` tells apart what
    witnesses have said of one tree, or what is stored of a job, where the answer depends on it.
    ``current``: no replica is asked, which may not have heard what they said.
    """

    house: House
    public_url: str
    contact: str | None
    path: str
    params: Mapping[str, str]
    newest: int
    size: int
    pinned: bool
    now_s: int | None
    mark: str = ""
    current: bool = False

    def view(self) -> AbstractContextManager[View]:
        """The ledger as of ``size``."""
        return self.house.reader.at(self.size, current=self.current)

    def now(self, view: View) -> int:
        """Unix seconds: the clock's, or the last entry's where the size is pinned."""
        return view.logged_at if self.now_s is None else self.now_s


SCOPE_KEY = "ledger.asked"


def asked(scope: object) -> Asked:
    """The request that ``web.kept_pages`` has put into an ASGI scope."""
    found = cast("dict[str, Any]", scope)[SCOPE_KEY]
    assert isinstance(found, Asked)
    return found

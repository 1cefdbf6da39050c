"""Bulk files of an open ledger: made, and their manifests logged.

The manifest is the list of a set's files with their digests. Its own digest becomes an entry, so
that nobody, the operator included, can publish other files under the same name later. A set is
logged by whoever may write to the log: the process that made it, or the worker that finds it. What
is logged was read again first: every file has the digest that the manifest says.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ledger.assembly.questions import EXTRAS
from ledger.errors import Conflict, LedgerError
from ledger.exports import export, sets
from ledger.exports.export import Progress
from ledger.exports.partial import SUMS
from ledger.records.entry import MANIFEST_KIND, Manifest, parse_entry
from ledger.sequencer.queue import Ticket
from ledger.sequencer.sequencer import Logged
from ledger.storage.store import Store

log = logging.getLogger(__name__)


def _silent(_what: str, _done: int, _total: int) -> None:
    """Where nobody wants to know how far it is."""


@dataclass(frozen=True, slots=True)
class LoggedManifest:
    """A manifest in the log, and the number of its entry."""

    index: int
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class BulkFiles:
    """Makes sets of files in ``folder`` and has the log remember them.

    Keep one: it knows which sets it has looked at, and why it did not log a set.
    """

    store: Store
    folder: Path
    public_url: str
    append: Callable[[Sequence[Manifest]], Ticket[Logged]]
    shown_size: Callable[[], int | None] = lambda: None
    """The newest tree size that the public gets; None: whichever is signed."""
    refused: dict[str, str] = field(default_factory=dict)
    """Sets that are not logged as they lie there, by name: what is wrong with each."""
    _settled: set[tuple[str, int, int]] = field(default_factory=set)

    def make(self, progress: Progress = _silent) -> str:
        """Make the set of the newest tree and log what is not logged yet; the set's name.

        Raises what ``export`` raises, and OSError where the disk refuses.
        """
        name = export(
            self.store,
            self.folder,
            public_url=self.public_url,
            size=self.shown_size(),
            progress=progress,
            extras=EXTRAS,
        )
        self.log_manifests(progress)
        return name

    def log_manifests(self, progress: Progress = _silent) -> int:
        """Log the manifests of the sets in the folder that are not in the log yet; how many.

        A set that is not whole, is of another log, or differs from what was logged under its name
        is left alone. Nothing is done while another process is at it. Raises what the log raises,
        OSError, and what ``progress`` raises.
        """
        waiting = [
            name for name in sets.names(self.folder) if self._state(name) not in self._settled
        ]
        if not waiting:
            return 0
        with _alone(self.folder) as alone:
            return self._log(waiting, progress) if alone else 0

    def _log(self, names: Sequence[str], progress: Progress) -> int:
        logged = logged_manifests(self.store, names)
        fit: dict[str, Manifest] = {}
        states = {name: self._state(name) for name in names}
        for name in reversed(names):
            self.refused.pop(name, None)
            try:
                manifest = self._manifest(name)
                known = logged.get(manifest.name)
                if known is None:
                    self._verify(name, manifest, progress)
                    fit[name] = manifest
                elif known.manifest != manifest:
                    raise Conflict(
                        f"entry {known.index} holds another digest for {manifest.name}: these are"
                        " not the files that were published under that name"
                    )
            except LedgerError as error:
                self.refused[name] = str(error)
                log.error("%s is not logged: %s", self.folder / name, error)  # noqa: TRY400 - the message says it all
        if fit:
            for result in self.append(list(fit.values())).result():
                if isinstance(result, LedgerError):
                    raise result
        self._settled.update(states.values())
        return len(fit)

    def _manifest(self, name: str) -> Manifest:
        made = sets.read_set(self.folder / name)
        with self.store.snapshot() as reads:
            checkpoint = reads.checkpoint(made.tree_size)
        if checkpoint is None or checkpoint.root.hex() != made.root:
            raise Conflict(f"{name} holds files of another log")
        return Manifest(
            name=sets.manifest_name(name),
            digest=bytes.fromhex(made.manifest),
            tree_size=made.tree_size,
        )

    def _verify(self, name: str, manifest: Manifest, progress: Progress) -> None:
        wrong = next(sets.check(self.folder / name, progress), None)
        if wrong is None and sets.read_set(self.folder / name).manifest != manifest.digest.hex():
            wrong = "its list of files was replaced while it was read"
        if wrong is not None:
            raise sets.SetDamaged(f"{name} is not whole: {wrong}")

    def _state(self, name: str) -> tuple[str, int, int]:
        """What changes when the files of a set are put there anew."""
        try:
            found = (self.folder / name / SUMS).stat()
        except OSError:
            return (name, 0, 0)
        return (name, found.st_ino, found.st_mtime_ns)


def logged_manifests(store: Store, names: Sequence[str]) -> Mapping[str, LoggedManifest]:
    """The manifests in the log by their names, at least those of the sets ``names``.

    Of one that was logged twice the first counts.
    """
    # What lists files of a tree comes after that tree's last entry.
    start = min(sets.size_of(name) or 0 for name in names)
    with store.snapshot() as reads:
        stored = reads.entries_of_kind(MANIFEST_KIND, start=start)
    found: dict[str, LoggedManifest] = {}
    for each in stored:
        manifest = parse_entry(each.data).manifest
        assert manifest is not None
        found.setdefault(manifest.name, LoggedManifest(each.index, manifest))
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process is logging the sets of ``folder``, and none will meanwhile.

    On PostgreSQL several may write, and each manifest is to be logged once. The lock is on the
    folder itself: a server need not be able to write there.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)

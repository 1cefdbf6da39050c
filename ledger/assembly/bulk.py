"""Bulk files of an open ledger: made, and their manifests logged.

The manifest is the list of a set's files with their digests. Its own digest becomes an entry, so
that nobody, the operator included, can publish other files under the same name later.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError
from ledger.exports import export, sets
from ledger.exports.export import Progress
from ledger.records.entry import MANIFEST_KIND, Manifest, parse_entry
from ledger.sequencer.queue import Ticket
from ledger.sequencer.sequencer import Logged
from ledger.storage.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BulkFiles:
    """Makes sets of files in ``folder`` and has the log remember them."""

    store: Store
    folder: Path
    public_url: str
    append: Callable[[Sequence[Manifest]], Ticket[Logged]]

    def make(self, progress: Progress = lambda _what, _done, _total: None) -> str:
        """Make the set of the newest tree and log what is not logged yet; the set's name.

        Raises what ``export`` raises, and OSError where the disk refuses.
        """
        name = export(self.store, self.folder, public_url=self.public_url, progress=progress)
        self.log_manifests()
        return name

    def log_manifests(self) -> int:
        """Log the manifests of the newest sets, down to one that is in the log; how many.

        A set whose tree is not this log's is left alone.
        """
        waiting: list[Manifest] = []
        for name in sets.names(self.folder):
            made = sets.read_set(self.folder / name)
            manifest = Manifest(
                name=sets.manifest_name(name),
                digest=bytes.fromhex(made.manifest),
                tree_size=made.tree_size,
            )
            with self.store.snapshot() as reads:
                checkpoint = reads.checkpoint(made.tree_size)
                if checkpoint is None or checkpoint.root.hex() != made.root:
                    log.warning("%s holds files of another log", self.folder / name)
                    continue
                # What lists files of a tree comes after that tree's last entry.
                found = reads.entries_of_kind(MANIFEST_KIND, start=made.tree_size)
            if any(parse_entry(each.data).manifest == manifest for each in found):
                break
            waiting.append(manifest)
        if not waiting:
            return 0
        for result in self.append(waiting[::-1]).result():
            if isinstance(result, LedgerError):
                raise result
        return len(waiting)

"""aics-tlog, other people's auditor of logs, over the log that scripts/verify.py is measured on.

Its ``audit_tiles`` hashes every entry and holds every tile against the signed checkpoint, in one
process. It knows nothing of what entries say: no signature of a statement, no commitment, no
deadline, no rule of the charter. What is like it is ``verify.py --only-hashes``.
"""

import json
from pathlib import Path
from typing import Final

import _interop

from benchmarks.places import CannotMeasure
from benchmarks.progress import say
from benchmarks.timed import Timed, timed

TOOL: Final = "aics"
PROGRAM: Final = """
import json, sys
from pathlib import Path
from aics_tlog import HttpTileReader, audit_tiles, parse_vkey, verify_checkpoint
from aics_tlog.checkpoint import checkpoint_from_note
from aics_tlog.tiles import FileSystemTileReader

where, vkey = sys.argv[1:]
if where.startswith("http://"):
    reader = HttpTileReader([where + "/log/"], proxies={})
    note = reader.read_checkpoint()
else:
    reader = FileSystemTileReader(where)
    note = Path(where, "checkpoint").read_bytes()
checkpoint, parsed = checkpoint_from_note(note)
found = verify_checkpoint(parsed, parse_vkey(vkey))
if not found.ok:
    sys.exit(f"the checkpoint does not verify: {found.error}")
report = audit_tiles(reader, checkpoint.size, checkpoint.root)
print(json.dumps({"size": report.size, "tiles": report.tiles, "bundles": report.bundles}))
"""


class Auditor:
    """The installed tool, or why it cannot be had: then ``missing`` says so and names it."""

    name = "aics-tlog's audit"

    def __init__(self) -> None:
        self.missing = ""
        try:
            self._folder = self.found()
        except _interop.ToolMissing as reason:
            self.missing = f"no aics-tlog beside: {reason}"
            say(self.missing)

    def found(self) -> Path:
        """The tool's own environment, installed where it was not. Raises ToolMissing."""
        return _interop.get(TOOL)

    def command(self, where: str, vkey: str) -> list[str]:
        """Audits a folder of files, or what is served at a URL; prints the size as JSON."""
        return [str(self._folder / "bin" / "python"), "-I", "-c", PROGRAM, where, vkey]

    def audit(self, where: str, vkey: str, *, entries: int) -> Timed:
        """One audit of a log of so many entries.

        Raises CannotMeasure where it finds fault with the log, or saw less than all of it.
        """
        done = timed("aics-tlog", self.command(where, vkey))
        size = json.loads(done.said)["size"]
        if size != entries:
            raise CannotMeasure(f"aics-tlog audited {size:,} entries of {entries:,}")
        return done

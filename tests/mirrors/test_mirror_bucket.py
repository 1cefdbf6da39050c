"""A mirror in an object store, against a real server: the same files as in a folder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from ledger_world import World
from mirror_children import SECRET
from mirror_world import files, run, serving, verified

from ledger.exports import export, sets
from ledger.mirrors import Bucket, MirrorDiffers, MirrorFailed, MirrorRefused
from ledger.mirrors.shapes import FOREVER, REVALIDATE, File
from schemas.bulk import BulkSet

Bucketing = Callable[[str], str]


def names(bucket: Bucket) -> set[str]:
    return {path for path, _ in bucket.sizes()}


@contextmanager
def store_that_refuses() -> Iterator[str]:
    """The address of a store that lets nobody in, and repeats what it was told."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>AccessDenied</Code><Message>{SECRET}</Message></Error>".encode()
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server, serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


class Recording(Bucket):
    """A bucket that remembers what was put into it, in order."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.put: list[str] = []

    def create(self, file: File) -> bool:
        made = super().create(file)
        if made:
            self.put.append(file.path)
        return made

    def replace(self, file: File) -> None:
        super().replace(file)
        self.put.append(file.path)


def test_a_bucket_holds_what_a_folder_holds_and_grows_like_one(
    small: World, bucket: Bucketing, tmp_path: Path, s3: str
) -> None:
    name = export(small.ledger.store, tmp_path / "bulk", public_url="https://ledger.example")
    made = tmp_path / "bulk" / name
    small.log(*[small.submission(f"later{n}") for n in range(110)])

    def bulk(_size: int) -> tuple[BulkSet, Path]:
        return sets.read_set(made), made

    store = Recording(bucket("one") + "/ledger/copy")
    first = run(small, store, bulk=bulk)
    run(small, tmp_path / "mirror", bulk=bulk)
    folder = files(tmp_path / "mirror")
    assert names(store) == set(folder)
    assert {path: store.read(path, limit=2**24) for path in folder} == folder
    assert (first.files, first.bytes) == (len(folder), sum(map(len, folder.values())))
    assert store.put[0] == "log/vkey"
    assert store.put[-1] == "log/checkpoint"
    assert store.name == "s3://one/ledger/copy"

    told = {
        "log/checkpoint": ("text/plain; charset=utf-8", REVALIDATE),
        "log/tile/0/000": ("application/octet-stream", FOREVER),
        "feeds/submitted.json": ("application/feed+json", REVALIDATE),
        "feeds/submitted/0.atom": ("application/atom+xml; charset=utf-8", FOREVER),
        f"bulk/{name}/jobs.csv": ("text/csv; charset=utf-8", FOREVER),
        "index.html": ("text/html; charset=utf-8", REVALIDATE),
    }
    for path, expected in told.items():
        answer = httpx.get(f"{s3}/one/ledger/copy/{path}", trust_env=False, timeout=120)
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == expected, path
    verified(small.ledger.vkey, f"{s3}/one/ledger/copy", evidence=tmp_path / "evidence")

    small.log(small.submission("newest"))
    store.put.clear()
    second = run(small, store, bulk=bulk)
    run(small, tmp_path / "mirror", bulk=bulk)
    assert second.files == len(store.put)
    assert {path for path in store.put if not path.startswith("feeds/")} == {
        f"jobs/{small.jobs['newest']}.json",
        *(f"log/tile/{level}/001.p/7" for level in ("0", "entries")),
        *("index.json", "index.html", "log/checkpoint"),
    }
    assert names(store) == set(files(tmp_path / "mirror"))
    verified(small.ledger.vkey, f"{s3}/one/ledger/copy", evidence=tmp_path / "evidence")
    # A bundle that was changed there is found, and stays for whoever asks how.
    path = "log/tile/entries/000"
    changed = folder[path][:-1] + b"!"
    store.replace(File(path, changed, "application/octet-stream"))
    with pytest.raises(MirrorDiffers, match="entries/000 can never change"):
        run(small, store, compares=True)
    assert store.read(path, limit=2**24) == changed


def test_what_is_no_place_for_a_mirror_is_said_in_a_line_without_a_secret(
    small: World, bucket: Bucketing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MirrorFailed, match="there is no bucket missing"):
        run(small, Bucket("s3://missing/there"))
    used = Bucket(bucket("used"))
    used.replace(File("index.html", b"mine", "text/html"))
    with pytest.raises(MirrorRefused, match="s3://used holds files and no mirror"):
        run(small, used)
    assert names(used) == {"index.html"}
    for address in ("s3://", "s3://UP/x", "s3://key:secret@bucket/x", "s3://a-bucket/../x?y"):
        with pytest.raises(MirrorRefused, match="is no address like"):
            Bucket(address)
    with pytest.raises(MirrorRefused, match="begins with http"):
        Bucket("s3://bucket", endpoint="ftp://somewhere")
    with store_that_refuses() as address, pytest.raises(MirrorFailed) as refused:
        run(small, Bucket("s3://used", endpoint=address))
    assert "refuses the credentials" in str(refused.value)
    assert SECRET not in str(refused.value)

"""Where objects lie: whole or not at all, in a folder and in a bucket."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import kit
import pytest
from artifact_world import JOB, founded, opened, run_job, write
from mirror_children import SECRET, serve_s3
from processes import running

from ledger.artifacts import open_objects
from ledger.artifacts.objects import Objects, StoreFailed
from ledger.errors import SettingsError
from ledger.settings import load_settings

ADDRESS = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with running(serve_s3) as (_, pipe):
        assert pipe.poll(120)
        yield pipe.recv()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An empty bucket; the environment leads there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    name = "artifacts-" + "".join(c for c in tmp_path.name.lower() if c.isalnum())[:40]
    assert httpx.put(f"{s3}/{name}", trust_env=False, timeout=120).status_code == 200
    return f"s3://{name}/some/prefix"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "artifacts")
    found: str = request.getfixturevalue("bucket")
    return found


@pytest.fixture
def objects(place: str, tmp_path: Path) -> Objects:
    return open_objects(place, incoming=tmp_path / "incoming")


@pytest.fixture
def spooled(objects: Objects) -> Callable[[bytes], Path]:
    def write_spool(data: bytes) -> Path:
        objects.incoming.mkdir(parents=True, exist_ok=True)
        path = objects.incoming / "x.part"
        path.write_bytes(data)
        return path

    return write_spool


def test_an_object_is_put_and_read_in_parts(
    objects: Objects, spooled: Callable[[bytes], Path]
) -> None:
    data = bytes(range(256)) * 50_000
    assert (objects.size(ADDRESS), objects.read(ADDRESS, 0, 5)) == (None, b"")
    path = spooled(data)
    objects.put(ADDRESS, path)
    assert not path.exists()
    assert objects.size(ADDRESS) == len(data)
    assert objects.read(ADDRESS, 300, 1_000) == data[300:1_300]
    assert objects.read(ADDRESS, len(data) - 3, 50) == data[-3:]
    assert objects.read(ADDRESS, len(data), 50) == b""
    assert list(objects.addresses()) == [ADDRESS]


def test_what_is_at_an_address_stays(objects: Objects, spooled: Callable[[bytes], Path]) -> None:
    objects.put(ADDRESS, spooled(b"first"))
    objects.put(ADDRESS, spooled(b"second"))
    objects.put(OTHER, spooled(b"third"))
    assert objects.read(ADDRESS, 0, 9) == b"first"
    assert sorted(objects.addresses()) == [ADDRESS, OTHER]
    assert list(objects.incoming.iterdir()) == []


def test_of_two_that_put_the_same_at_once_the_first_stays(tmp_path: Path) -> None:
    place = tmp_path / "artifacts"
    objects = open_objects(str(place), incoming=tmp_path)
    first, second = tmp_path / "1.part", tmp_path / "2.part"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    objects.put(ADDRESS, first)
    inode = (place / "ab" / ADDRESS).stat().st_ino
    with pytest.MonkeyPatch.context() as patched:
        # As it looks to one that asked just before the other was there.
        patched.setattr(Path, "exists", lambda _path: False)
        objects.put(ADDRESS, second)
    assert (place / "ab" / ADDRESS).stat().st_ino == inode
    assert objects.read(ADDRESS, 0, 9) == b"first"
    assert not {"1.part", "2.part"} & {path.name for path in tmp_path.iterdir()}


def test_an_artifact_goes_in_and_out_of_a_bucket(
    sqlite_url: str, tmp_path: Path, bucket: str
) -> None:
    clock = kit.Clock()
    founded(sqlite_url, tmp_path, clock)
    settings = load_settings(data_dir=tmp_path, database_url=sqlite_url, artifacts=bucket)
    data = b"some bytes that nobody reads in the bucket"
    with opened(settings, clock) as ledger:
        run_job(ledger, JOB)
        door = ledger.artifacts
        upload = door.admit(write(1, len(data)), job_id=JOB, name="x.bin", length=len(data))
        upload.write(data)
        door.keep(upload)
        kit.log(ledger, kit.ended(JOB))
        clock.advance(days=91)
        ledger.embargo.open_due()
        size = ledger.reader.tree_size()
        assert b"".join(door.parts(door.public(JOB, "x.bin", size=size))) == data
    found = open_objects(bucket, incoming=tmp_path)
    (address,) = found.addresses()
    assert data not in found.read(address, 0, 1 << 20)


def test_a_place_that_refuses_is_named_by_its_setting_and_by_nothing_else(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError):
        open_objects("s3://UPPER", incoming=tmp_path)
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    spool = tmp_path / "x.part"
    spool.write_bytes(b"x")
    with pytest.raises(StoreFailed, match="LEDGER_ARTIFACTS") as refused:
        open_objects(str(blocked), incoming=tmp_path).put(ADDRESS, spool)
    assert str(tmp_path) not in str(refused.value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
    gone = open_objects("s3://no-such-bucket-at-all/x", incoming=tmp_path)
    with pytest.raises(StoreFailed) as refused:
        gone.put(ADDRESS, spool)
    assert SECRET not in str(refused.value)
    assert bucket

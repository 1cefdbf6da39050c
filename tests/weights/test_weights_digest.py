"""Digests of weights, held against what the library of OpenSSF Model Signing signs itself."""

import base64
import json
import os
import signal
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ledger.cli import weights as command
from ledger.weights.digest_file import compare, format_digest, parse_digest
from ledger.weights.listing import Listing, list_files
from ledger.weights.oms import FileDigest, Stopped, WeightsDigest, digest_folder, root_of
from ledger.weights.refusal import WeightsRefused

FILES = {
    "config.json": b'{"hidden_size": 8}',
    "model-00001-of-00002.safetensors": b"\x08\0\0\0\0\0\0\0weights",
    "model-00002-of-00002.safetensors": b"\x08\0\0\0\0\0\0\0more of them",
    "tokenizer/vocab.txt": "token 词元\n".encode(),
    "tokenizer.json": b"{}",
    ".hidden/adapter.bin": b"not seen at a glance",
    "empty": b"",
    "模型.bin": b"a name of its own",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "model", FILES)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def touched(path: Path) -> os.stat_result:
    path.write_bytes(b"")
    return path.stat()


def statement_signed_by_the_library(folder: Path, key_folder: Path) -> dict[str, Any]:
    """The in-toto statement in a bundle that the library signed, and verified itself."""
    digest_folder(folder)  # the library is there without its network clients from now on
    from model_signing import hashing  # noqa: PLC0415 - the same
    from model_signing._signing import sign_ec_key, sign_sigstore_pb, signing  # noqa: PLC0415 - the same

    key = ec.generate_private_key(ec.SECP256R1())
    private, public, bundle = (key_folder / name for name in ("key", "key.pub", "model.sig"))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    manifest = hashing.hash(folder)
    signature = sign_ec_key.Signer(private).sign(signing.Payload(manifest))
    signature.write(bundle)
    verified = sign_ec_key.Verifier(public).verify(sign_sigstore_pb.Signature.read(bundle))
    assert verified == manifest
    envelope = json.loads(bundle.read_text("utf-8"))["dsseEnvelope"]
    found = json.loads(base64.b64decode(envelope["payload"]))
    assert isinstance(found, dict)
    return found


def test_the_digest_is_the_subject_of_what_the_library_signs(folder: Path, tmp_path: Path) -> None:
    write(folder, {".git/config": b"1", ".gitattributes": b"2", "sub/.git/config": b"3"})
    signed = statement_signed_by_the_library(folder, tmp_path)
    found = digest_folder(folder)
    assert signed["subject"] == [{"name": "model", "digest": {"sha256": found.root}}]
    resources = signed["predicate"]["resources"]
    assert [(each["name"], each["digest"]) for each in resources] == [
        (each.name, each.sha256) for each in found.files
    ]
    assert {each.name for each in found.files} == {*FILES, "sub/.git/config"}
    assert found.left_out == (".git", ".gitattributes")


def test_the_digest_is_what_the_specification_says_it_is(folder: Path) -> None:
    found = digest_folder(folder)
    names = sorted(FILES, key=lambda name: name.split("/"))
    digests = [sha256(FILES[name]).digest() for name in names]
    assert found.root == sha256(b"".join(digests)).hexdigest()
    assert [each.name for each in found.files] == names
    assert [each.bytes for each in found.files] == [len(FILES[name]) for name in names]


def test_every_flipped_bit_of_every_file_changes_the_digest(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", {"a": b"\x00\x01", "b/c": b"\xff"})
    roots = {digest_folder(folder).root}
    flips = 0
    for name, data in (("a", b"\x00\x01"), ("b/c", b"\xff")):
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            (folder / name).write_bytes(flipped)
            roots.add(digest_folder(folder).root)
            flips += 1
        (folder / name).write_bytes(data)
    assert len(roots) == 1 + flips == 25


def test_files_written_in_another_order_or_elsewhere_have_the_same_digest(
    folder: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "a copy", dict(reversed(FILES.items())))
    assert digest_folder(other) == digest_folder(folder)


def test_a_file_more_or_less_or_two_that_change_places_change_the_digest(folder: Path) -> None:
    roots = [digest_folder(folder).root]
    (folder / "adapter.safetensors").write_bytes(b"a delta")
    roots.append(digest_folder(folder).root)
    (folder / "adapter.safetensors").unlink()
    (folder / "empty").unlink()
    roots.append(digest_folder(folder).root)
    first, second = sorted(folder.glob("model-*"))
    first.rename(folder / "x")
    second.rename(first)
    (folder / "x").rename(second)
    roots.append(digest_folder(folder).root)
    assert len(set(roots)) == 4


def test_a_name_that_keeps_its_place_keeps_the_root_and_is_seen_by_comparing(
    folder: Path, cli: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    before = digest_folder(folder)
    (folder / "config.json").rename(folder / "config.json.bak")
    after = digest_folder(folder)
    assert before.root == after.root
    changes = compare(before, after)
    assert (changes.added, changes.removed) == (("config.json.bak",), ("config.json",))
    for name, digest in (("before", before), ("after", after)):
        (tmp_path / name).write_bytes(format_digest(digest))
    for arguments in (("compare",), ("evidence", "--before")):
        files = [str(tmp_path / "before"), str(tmp_path / "after")]
        if "--before" in arguments:
            files.insert(1, "--after")
        status, _, err = cli("weights", *arguments, *files)
        assert status == 1
        assert "added: config.json.bak\n" in err
        assert err.endswith("(the same root digest): 0 changed, 1 added, 1 removed\n")


def test_a_name_that_changes_its_place_changes_the_root(folder: Path) -> None:
    before = digest_folder(folder).root
    (folder / "config.json").rename(folder / "z.json")
    assert digest_folder(folder).root != before


def test_links_are_refused_or_followed_to_files_and_never_to_folders(
    folder: Path, tmp_path: Path
) -> None:
    plain = digest_folder(folder)
    cache = tmp_path / "blobs"
    cache.mkdir()
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.is_file():
            path.rename(cache / str(number))
            path.symlink_to(cache / str(number))
    with pytest.raises(WeightsRefused, match="symbolic link: see --follow-links"):
        digest_folder(folder)
    found = digest_folder(folder, follow_links=True)
    assert (found.root, found.files, found.follow_links) == (plain.root, plain.files, True)
    (folder / "all").symlink_to(cache)
    with pytest.raises(WeightsRefused, match="all is a symbolic link to a folder"):
        digest_folder(folder, follow_links=True)
    (folder / "all").unlink()
    (tmp_path / "latest").symlink_to(folder)
    with pytest.raises(WeightsRefused, match="latest is a symbolic link"):
        digest_folder(tmp_path / "latest")
    assert digest_folder(tmp_path / "latest", follow_links=True) == found
    (folder / "dangling").symlink_to(cache / "gone")
    with pytest.raises(WeightsRefused, match="No such file"):
        digest_folder(folder, follow_links=True)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    def refused(words: str) -> None:
        with pytest.raises(WeightsRefused, match=words):
            digest_folder(tmp_path / "model")

    refused("No such file or directory")
    (tmp_path / "model").write_bytes(b"a file")
    refused("Not a directory")
    (tmp_path / "model").unlink()
    write(tmp_path / "model", {".git/config": b"not counted"})
    refused("has no files")
    os.mkfifo(tmp_path / "model" / "pipe")
    refused("pipe is neither a file nor a folder")
    (tmp_path / "model" / "pipe").unlink()
    Path(os.fsdecode(bytes(tmp_path / "model") + b"/\xff.bin")).write_bytes(b"latin")
    refused("the name is not UTF-8")


def test_a_folder_of_too_many_files_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.weights.listing.MAX_FILES", len(FILES) - 1)
    with pytest.raises(WeightsRefused, match="more than 7 files"):
        digest_folder(folder)


@pytest.mark.parametrize("what", ["content", "content and clock", "added", "removed", "replaced"])
def test_a_change_while_it_is_hashed_is_noticed(folder: Path, what: str) -> None:
    path = folder / "config.json"
    times = path.stat()
    while touched(folder.parent / "clock").st_ctime_ns <= times.st_ctime_ns:
        pass  # a file system's clock has a grain: what follows comes later by it
    changed: list[str] = []

    def change(done: int, total: int) -> None:
        # All has been read by then; the files are looked at once more after it.
        if done < total or changed:
            return
        changed.append(what)
        match what:
            case "added":
                (folder / "late.bin").write_bytes(b"late")
            case "removed":
                path.unlink()
            case "replaced":
                write(folder, {"new": FILES["config.json"]})
                (folder / "new").replace(path)
            case _:
                path.write_bytes(FILES["config.json"][::-1])
        if what == "content and clock":
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    with pytest.raises(WeightsRefused, match=r"changed while"):
        digest_folder(folder, progress=change)
    assert changed == [what]


def test_a_file_that_becomes_a_link_between_two_looks_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_then_swap(path: Path, *, follow_links: bool) -> Listing:
        found = list_files(path, follow_links=follow_links)
        (folder / "config.json").unlink()
        (folder / "config.json").symlink_to(folder / "tokenizer.json")
        return found

    monkeypatch.setattr("ledger.weights.oms.list_files", list_then_swap)
    with pytest.raises(WeightsRefused, match="changed while it was hashed"):
        digest_folder(folder)


def test_progress_counts_every_byte_once_and_never_backwards(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    digest_folder(folder, progress=lambda done, total: told.append((done, total)))
    whole = sum(map(len, FILES.values()))
    assert told[-1] == (whole, whole)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_hashing_stops_when_it_is_told_to(folder: Path) -> None:
    stop = Event()
    stop.set()
    told: list[int] = []
    with pytest.raises(Stopped):
        digest_folder(folder, progress=lambda done, _: told.append(done), stop=stop)
    assert told == []


def test_a_digest_file_is_read_back_and_every_change_of_it_is_refused(folder: Path) -> None:
    found = digest_folder(folder)
    data = format_digest(found)
    assert parse_digest(data) == found
    value = json.loads(data)

    def refused(words: str, **members: object) -> None:
        with pytest.raises(WeightsRefused, match=words):
            parse_digest(json.dumps(value | members).encode())

    files = value["files"]
    refused("its root is not that of its files", root={"sha256": "0" * 64})
    refused("its root is not that of its files", files=files[1:])
    refused("not in their order", files=files[::-1])
    refused("not in their order", files=[files[0], *files])
    refused("not a digest of weights", format="apsci-weights-digest/2")
    refused("not a digest of weights", files=[])
    refused("not a digest of weights", more=1)
    for text in (b"", b"[", b"\xff", b"[" * 100_000):
        with pytest.raises(WeightsRefused, match="not a digest of weights"):
            parse_digest(text)


def test_the_root_of_nothing_but_names_is_the_same_for_other_names() -> None:
    files = tuple(FileDigest(name, sha256(b"x").hexdigest(), 1) for name in "ab")
    others = tuple(FileDigest(name, each.sha256, 1) for name, each in zip("cd", files, strict=True))
    assert root_of(files) == root_of(others)
    assert compare(WeightsDigest("", files), WeightsDigest("", others))


def test_the_command_prints_the_digest_and_compares_it(
    folder: Path, cli: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    write(folder, {".git/config": b"1"})
    root = digest_folder(folder).root
    left_out = "not counted, as OpenSSF Model Signing has it: .git\n"
    assert cli("weights", "digest", str(folder)) == (0, f"sha256:{root}\n", left_out)
    assert cli("weights", "digest", str(folder), "--expect", f"sha256:{root}")[0] == 0
    status, out, err = cli("weights", "digest", str(folder), "--expect", "0" * 64)
    assert (status, out) == (1, f"sha256:{root}\n")
    assert f"has the digest {root}, and {'0' * 64} was expected" in err
    assert cli("weights", "digest", str(folder), "--expect", "abc")[0] == 2
    files = []
    for name in ("before.json", "after.json"):
        status, out, _ = cli("weights", "digest", "--json", str(folder))
        assert status == 0
        (tmp_path / name).write_text(out, "utf-8")
        files.append(str(tmp_path / name))
        (folder / "tokenizer.json").write_bytes(b"other")
        (folder / "a\nname").write_bytes(b"")
    assert cli("weights", "compare", files[0], files[0]) == (
        0,
        f"unchanged: 8 files, sha256:{root}\n",
        "",
    )
    status, out, err = cli("weights", "compare", *files)
    assert (status, out) == (1, "")
    assert err == (
        "changed: tokenizer.json\nadded: 'a\\nname'\nledger: these are not the same files"
        " (another root digest): 1 changed, 1 added, 0 removed\n"
    )


def test_the_command_says_in_one_line_what_it_cannot_read(
    folder: Path, cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: str) -> str:
        status, out, err = cli("weights", *arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        return err

    assert refused("digest", f"{folder}/none").endswith("none: No such file or directory\n")
    assert "compare" not in refused("compare", f"{folder}/config.json", f"{folder}/config.json")
    assert "none" in refused("compare", f"{folder}/none", f"{folder}/none")

    (folder / "a\nb").symlink_to("a\nb")
    assert refused("digest", str(folder), "--follow-links").count("\\n") == 1
    (folder / "a\nb").unlink()

    real_open = open

    def failing(path: Any, *rest: Any, **named: Any) -> Any:
        if str(path).endswith("tokenizer.json"):
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *rest, **named)

    monkeypatch.setattr("builtins.open", failing)
    assert refused("digest", str(folder)).endswith("tokenizer.json: Permission denied\n")


def test_ctrl_c_ends_the_hashing_at_once(
    folder: Path, cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Event()
    told: list[int] = []

    class Pressing:
        """Somebody who presses Ctrl-C at the first sign of progress, and waits for its effect."""

        def __init__(self, what: str) -> None: ...

        def __call__(self, done: int, total: int) -> None:
            told.append(done)
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.wait(120)

        def finish(self) -> None: ...

    monkeypatch.setattr(command, "Event", lambda: stop)
    monkeypatch.setattr(command, "Progress", Pressing)
    usual = signal.getsignal(signal.SIGINT)
    assert cli("weights", "digest", str(folder)) == (130, "", "")
    assert len(told) == 1
    assert signal.getsignal(signal.SIGINT) is usual

"""The nginx configuration that is shipped says of a mirror what the ledger's own server says.

Where nginx is installed it is started with that very file; what the file holds is read everywhere.
"""

import gzip
import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ledger_world import World, with_history
from mirror_world import run, serving
from ports import free_port

import ledger
from ledger.mirrors import MirrorServer
from ledger.mirrors.serving import _FOREVER, _TEXTS, _TYPES, SECURITY
from ledger.mirrors.shapes import FOREVER, REVALIDATE

CONF = Path(ledger.__file__).parent / "deploy" / "nginx" / "mirror.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
COMPARED = ("content-type", "cache-control", *(name.lower() for name, _ in SECURITY))
Told = tuple[int, dict[str, str], bytes]


def test_the_configuration_names_what_the_ledgers_own_server_says() -> None:
    text = CONF.read_text("utf-8")
    (kept,) = re.findall(r'"~\^\(200\|206\|304\) \((.+)\)\$" "(.+)";', text)
    assert kept == (_FOREVER.pattern, FOREVER)
    assert f'default "{REVALIDATE}";' in text
    types = re.search(r"    types \{(.+?)\}", text, re.DOTALL)
    assert types is not None
    found = dict(line.rstrip(";").split()[::-1] for line in types[1].strip().split("\n"))
    assert found == {end[1:]: kind.partition(";")[0] for end, kind in _TYPES.items()}
    (texts,) = re.findall(r"location ~ \^(/log/)\(([a-z0-9|-]+)\)\$ \{", text)
    assert {f"{texts[0]}{name}" for name in texts[1].split("|")} == set(_TEXTS)
    for name, value in SECURITY:
        quoted = f'"{value}"' if " " in value else value
        assert f"add_header {name} {quoted} always;" in text


def test_every_file_of_a_mirror_is_answered_alike(world: World, tmp_path: Path) -> None:
    with_history(world, weights_change=False)
    folder = tmp_path / "mirror"
    run(world, folder)
    (folder / ".secret").write_text("not for anybody")
    files = [path for path in folder.rglob("*") if path.is_file()]
    paths = [f"/{path.relative_to(folder)}" for path in files]
    assert "/log/tile/0/000" in paths
    paths += ["/log/tile/0/999", "/log/", "/log", "/", "/jobs/none.json", "/log/../.secret"]
    own = MirrorServer(folder, "127.0.0.1", 0)
    with own, serving(own):
        ours = {path: _get(own.server_port, path) for path in paths}
    assert ours["/log/checkpoint"][1]["content-type"] == "text/plain; charset=utf-8"
    assert ours["/.secret"][0] == 404
    if NGINX is None:
        return
    with _nginx(NGINX, folder, tmp_path) as port:
        for path, (status, headers, body) in ours.items():
            found = _get(port, path)
            if path == "/log":
                # Where a folder is asked for without its slash, nginx names the right address.
                assert found[0] in {301, 404}
                continue
            assert found[0] in ({403, 404} if status == 404 else {status}), path
            if status == 200:
                assert found[2] == body, path
                assert _told(found[1]) == _told(headers), path
            else:
                assert found[1]["cache-control"] == REVALIDATE, path
        tile = _get(port, "/log/tile/0/000", {"Accept-Encoding": "gzip"})
        assert "content-encoding" not in tile[1]
        tag = {"If-None-Match": tile[1]["etag"]}
        again = _get(port, "/log/tile/0/000", tag)
        assert (again[0], again[1]["cache-control"]) == (304, FOREVER)
        feed = _get(port, "/feeds/submitted.json", {"Accept-Encoding": "gzip"})
        assert feed[1]["content-encoding"] == "gzip"
        assert gzip.decompress(feed[2]) == ours["/feeds/submitted.json"][2]
        _renewed(folder, port)


def _renewed(folder: Path, port: int) -> None:
    """A checkpoint that is replaced is the one that is served, at once."""
    new = folder / "log" / "checkpoint.new"
    new.write_bytes(b"another")
    new.replace(folder / "log" / "checkpoint")
    assert _get(port, "/log/checkpoint")[2] == b"another"


def _told(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers.get(name, "") for name in COMPARED}


def _get(port: int, path: str, headers: dict[str, str] | None = None) -> Told:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", path, headers=headers or {})
        reply = connection.getresponse()
        found = {name.lower(): value for name, value in reply.getheaders()}
        return reply.status, found, reply.read()
    finally:
        connection.close()


@contextmanager
def _nginx(program: str, folder: Path, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx that serves ``folder`` by the shipped file, from ``with`` to its end."""
    port = free_port()
    text = CONF.read_text("utf-8")
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("root /srv/ledger-mirror;", f"root {folder};"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    place = tmp_path / "nginx"
    place.mkdir()
    (place / "mirror.conf").write_text(text, "utf-8")
    temporary = "".join(
        f"{name}_temp_path {place}/{name}; "
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Started by root it would give its workers to a user who may not read a test's folder.
    user = "user root; " if os.geteuid() == 0 else ""
    (place / "nginx.conf").write_text(
        f"{user}worker_processes 1; daemon off; pid {place}/pid; error_log {place}/errors.log;"
        f" events {{}} http {{ {temporary} include {place}/mirror.conf; }}",
        "utf-8",
    )
    process = subprocess.Popen([program, "-p", str(place), "-c", str(place / "nginx.conf")])
    try:
        _until_it_answers(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(120)


def _until_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise AssertionError("nginx did not start with the configuration that is shipped")

"""Tiles and checkpoints from the ledger's server, beside nginx that serves the very same bytes.

And beside an application that answers nothing, on the same server as the ledger.

One process each, 64 connections. Where wrk is installed it asks, since a generator in Python is
busy before nginx is; both are asked by the same one.
"""

import contextlib
import http.client
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from benchmarks.figures import Figure
from benchmarks.load import LOOPBACK
from benchmarks.logs import Kept
from benchmarks.nothing import Nothing
from benchmarks.peers import absent, times
from benchmarks.places import CannotMeasure, Places, environment
from benchmarks.progress import say
from benchmarks.scale import Scale
from benchmarks.serving import CONNECTIONS, START_LIMIT_S, Server, free_port, get, load, stop
from ledger.tlog.tiles import TILE_WIDTH, tile_at, tile_path

SECTION: Final = "static"
TIMES: Final = 0.4
LOOK_EVERY_S: Final = 0.02
WRK_LIMIT_S: Final = 120.0
CHECKPOINT: Final = "/log/checkpoint"
_RATE: Final = re.compile(r"^Requests/sec: +([0-9.]+)$", re.MULTILINE)
_BAD: Final = re.compile(r"^ +(?:Socket errors|Non-2xx)", re.MULTILINE)
_CONFIGURATION: Final = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    open_file_cache max=4096;
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address}:{port};
        root {root};
    }}
}}
"""
_SCRIPT: Final = """
local paths = {{ {paths} }}
local requests, at = {{}}, 0
init = function()
    for n, path in ipairs(paths) do requests[n] = wrk.format("GET", path) end
end
request = function()
    at = at % #requests + 1
    return requests[at]
end
"""


class Nginx:
    """nginx on a folder of files, on a free port, from ``with`` to its end; or ``missing``."""

    name = "nginx"

    def __init__(self, root: Path, *, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self._program = self.program()
        self.missing = "" if self._program else "skipped: there is no nginx on this machine"
        self.port = 0

    def program(self) -> str | None:
        """Where it is; a path for users need not have it."""
        return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

    def __enter__(self) -> Self:
        if self.missing:
            say(self.missing)
            return self
        self.port = free_port()
        file = self._folder / "nginx.conf"
        file.write_text(
            _CONFIGURATION.format(
                user="user root;" if os.geteuid() == 0 else "",
                folder=self._folder,
                address=LOOPBACK,
                port=self.port,
                root=self._root,
            ),
            "utf-8",
        )
        assert self._program is not None
        self._process = subprocess.Popen(
            [self._program, "-p", str(self._folder), "-c", str(file)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait()
        except BaseException:
            stop(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self.missing:
            stop(self._process)

    def _wait(self) -> None:
        begun = time.perf_counter()
        while True:
            if self._process.poll() is not None:
                raise CannotMeasure("nginx ended at once")
            with contextlib.suppress(OSError):
                _fetch(self.port, CHECKPOINT)
                return
            if time.perf_counter() - begun > START_LIMIT_S:
                raise CannotMeasure("nginx did not answer in time")
            time.sleep(LOOK_EVERY_S)


def measure(
    places: Places, log: Kept, scale: Scale, *, rival: type[Nginx] = Nginx
) -> Iterator[Figure]:
    """Answers a second as multiples of nginx's, for tiles and for the checkpoint."""
    room, root = places.room("nginx"), places.room("nginx-files")
    step = max((log.entries // TILE_WIDTH) // scale.files, 1)
    tiles = [
        f"/log/{tile_path(tile_at(0, number, size=log.entries))}"
        for number in range(0, max(log.entries // TILE_WIDTH, 1), step)
    ]
    asked = {"tiles": tiles[: scale.files], "checkpoint": [CHECKPOINT]}
    ours: dict[str, list[float]] = {what: [] for what in asked}
    theirs: dict[str, list[float]] = {what: [] for what in asked}
    nothing: list[float] = []
    one = log.settings.model_copy(update={"processes": 1})
    with Server(one, folder=room) as server:
        # The home page waits until everything that is counted in the background has been.
        server.time_each(["/en/"])
        for paths in asked.values():
            for path in paths:
                file = root / path.removeprefix("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(_fetch(server.port, path))
        with rival(root, folder=room) as other, Nothing() as empty:
            for number in range(0 if other.missing else scale.rounds):
                say(f"{SECTION}: beside {other.name}, round {number + 1} of {scale.rounds}")
                for what, paths in asked.items():
                    ours[what].append(_rate(server.port, paths, room, scale))
                    theirs[what].append(_rate(other.port, paths, room, scale))
                nothing.append(_rate(empty.port, ["/"], room, scale))
    for what in asked:
        said = f"{what}: times {other.name}, static files"
        if other.missing:
            yield absent(SECTION, said, TIMES, other.missing, log.entries)
        else:
            yield times(
                *(SECTION, said, TIMES),
                ours=ours[what],
                theirs=theirs[what],
                unit="/s",
                entries=log.entries,
                key=f"{what}_times_nginx",
            )
    if nothing:
        yield Figure(
            *(SECTION, "an application that answers nothing, same server", "/s", tuple(nothing)),
            entries=log.entries,
        )


def _rate(port: int, paths: Sequence[str], room: Path, scale: Scale) -> float:
    """Answers a second on 64 connections."""
    wrk = shutil.which("wrk")
    if wrk is None:
        requests = [get(path) for path in paths]
        done = load(port, requests, file=room / "load.job", seconds=scale.load_s)
        return done.requests / done.seconds
    script = room / "paths.lua"
    script.write_text(_SCRIPT.format(paths=", ".join(f'"{path}"' for path in paths)), "ascii")
    seconds = max(round(scale.load_s), 1)
    run = subprocess.run(
        [
            *(wrk, "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "-s", str(script)),
            f"http://{LOOPBACK}:{port}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=WRK_LIMIT_S,
    )
    found = _RATE.search(run.stdout)
    if run.returncode != 0 or found is None or _BAD.search(run.stdout):
        raise CannotMeasure("wrk got answers that were none, or none at all")
    return float(found[1])


def _fetch(port: int, path: str) -> bytes:
    with contextlib.closing(http.client.HTTPConnection(LOOPBACK, port)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        data = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise CannotMeasure(f"{path} was answered with status {answer.status}")
    return data

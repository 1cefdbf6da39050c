"""A witness of C2SP tlog-witness in a hundred lines, which misbehaves on command.

A judge, so it shares nothing with the ledger: the protocol is written down here a second time, from
the specification, with the standard library and an Ed25519. It runs as a process and speaks HTTP.
"""

import base64
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from time import time as clock
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

PREFIX = "/secret-path-of-the-witness"


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def line(name: str, number: bytes, blob: bytes) -> bytes:
    return f"\u2014 {name} {base64.b64encode(number + blob).decode()}\n".encode()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def extends(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162, section 2.1.4.2, as it is written."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == old_root and sr == new_root and sn == 0


class Witness:
    """One witness. ``mode`` is how it behaves; ``time`` is what its clock says; None: the time."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name, self.key = name, SigningKey(seed)
        self.id = key_id(name, 4, bytes(self.key.verify_key))
        self.lock, self.released = threading.Lock(), threading.Event()
        self.reset(log_key=b"", time=0)

    def reset(self, *, log_key: bytes, time: int) -> None:
        self.log_key, self.time, self.mode, self.given = log_key, time, "honest", None
        self.shown = b""
        self.size, self.root = 0, hashlib.sha256(b"").digest()
        self.seen: list[tuple[int, int, int]] = []
        self.released.clear()

    def cosign(
        self, text: bytes, *, key: SigningKey | None = None, time: int | None = None
    ) -> bytes:
        at = time if time is not None else self.time
        if at is None:
            at = int(clock())
        message = b"cosignature/v1\ntime %d\n" % at + text
        return at.to_bytes(8, "big") + (key or self.key).sign(message).signature

    def judge(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        head, _, note = body.partition(b"\n\n")
        first, *proof = head.decode("ascii").split("\n")
        text, _, lines = note.rpartition(b"\n\n")
        text += b"\n"
        origin, number, root, rest = text.decode().split("\n")
        assert first.startswith("old ")
        assert rest == ""
        old, size = int(first[4:]), int(number)
        self.seen.append((old, size, len(proof)))
        if not self._is_signed(origin, text, lines):
            return 403, b"", {}
        with self.lock:
            if old > size:
                return 400, b"", {}
            if old != self.size:
                return 409, b"%d\n" % self.size, {"Content-Type": "text/x.tlog.size"}
            hashes = [base64.b64decode(each, validate=True) for each in proof]
            new_root = base64.b64decode(root, validate=True)
            if len(proof) > 63 or not extends(old, self.root, size, new_root, hashes):
                return 422, b"", {}
            self.size, self.root, self.shown = size, new_root, note
            return 200, line(self.name, self.id, self.cosign(text)), {}

    def _is_signed(self, origin: str, text: bytes, lines: bytes) -> bool:
        for each in lines.decode().splitlines():
            _, name, blob = each.split(" ")
            data = base64.b64decode(blob, validate=True)
            if name == origin and data[:4] == key_id(origin, 1, self.log_key):
                try:
                    VerifyKey(self.log_key).verify(text, data[4:])
                except BadSignatureError:
                    return False
                return True
        return False

    def misbehave(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        text = body.partition(b"\n\n")[2].rpartition(b"\n\n")[0] + b"\n"
        other = SigningKey(hashlib.sha256(b"another key").digest())
        theirs = key_id(self.name, 4, bytes(other.verify_key))
        if self.mode == "status":
            return self.given[0], self.given[1], self.given[2]
        if self.mode == "restless":
            self.given += 1
            return 409, b"%d\n" % self.given, {"Content-Type": "text/x.tlog.size"}
        lines = {
            "wrong-signature": lambda: line(self.name, self.id, self.cosign(text, key=other)),
            "other-text": lambda: line(self.name, self.id, self.cosign(text + b"more\n")),
            "other-key": lambda: line(self.name, theirs, self.cosign(text, key=other)),
            "someone-else": lambda: line(*self.given),
            "clock": lambda: line(self.name, self.id, self.cosign(text, time=self.given)),
            "many-lines": lambda: (
                line("nobody", theirs, self.cosign(text, key=other))
                + line(self.name, self.id, self.cosign(text))
                + line(self.name, self.id, self.cosign(text, time=self.time + 1))
            ),
        }
        return 200, lines[self.mode](), {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    witness: Witness

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != f"{PREFIX}/add-checkpoint":
            self.answer(404, b"not here", {})
        elif self.witness.mode == "honest":
            self.answer(*self.witness.judge(body))
        elif self.witness.mode in {"slow", "closes", "huge"}:
            self.close_connection = True
            self.keep_waiting()
        else:
            self.answer(*self.witness.misbehave(body))

    def do_GET(self) -> None:
        """The newest checkpoint that it cosigned, or what the test has put up in its place."""
        shown = self.witness.shown
        self.answer(200 if shown else 404, shown, {})

    def keep_waiting(self) -> None:
        if self.witness.mode == "slow":
            self.witness.released.wait()
        if self.witness.mode == "huge":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 65536)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no error here."""


def witness(pipe: Connection, name: str, seed: bytes) -> None:
    """The process: says its port, then does what it is told through the pipe."""
    made = Witness(name, seed)
    Handler.witness = made
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    while True:
        try:
            command, given = pipe.recv()
        except EOFError:
            return
        if command == "reset":
            made.released.set()
            made.reset(**given)
        elif command == "release":
            made.released.set()
        elif command == "behave":
            for attribute, value in given.items():
                setattr(made, attribute, value)
        pipe.send({"size": made.size, "seen": list(made.seen), "given": made.given})

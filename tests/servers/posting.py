"""Load on a real server: one statement after the other, each until it is answered for."""

import json
import threading
from itertools import count
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from postgresql_servers import PATIENCE_S
from statements_in_time import Clerk

from ledger.storage.store import Store
from ledger.tlog.hashing import leaf_hash
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof

AGAIN_S = 0.05


class Load(threading.Thread):
    """Posts until it is told to leave; what got no answer it sends again, as a client does."""

    def __init__(self, clerk: Clerk, port: int) -> None:
        super().__init__()
        self._clerk = clerk
        self._address = f"http://127.0.0.1:{port}"
        self._answered = threading.Condition()
        self.answers: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        """Of every request, to post and to read; 0 where the line broke."""
        self.leaving = threading.Event()

    def run(self) -> None:
        for number in count():
            body = self._clerk.submission(number)
            while (answer := self._asked("/api/v1/statements", body)) is None:
                # Not at once: each refusal is a line in a pipe that nobody empties.
                if self.leaving.wait(AGAIN_S):
                    return
            with self._answered:
                self.answers.append(json.loads(answer))
                self._answered.notify_all()
            self._asked(f"/api/v1/jobs/{self._clerk.job_id(number)}", None)
            if self.leaving.is_set():
                return

    def _asked(self, path: str, body: bytes | None) -> bytes | None:
        found: bytes | None = None
        try:
            with urlopen(Request(self._address + path, data=body), timeout=PATIENCE_S) as reply:
                status, found = reply.status, reply.read()
        except HTTPError as error:
            status = error.code
        except (URLError, OSError):
            status = 0
        self.statuses.append(status)
        return found

    def wait_for(self, more: int) -> None:
        """Wait until so many more statements are answered for."""
        with self._answered:
            wanted = len(self.answers) + more
            assert self._answered.wait_for(lambda: len(self.answers) >= wanted, 5 * PATIENCE_S)

    def stop(self) -> None:
        """Let the statement that is under way be answered, and end."""
        self.leaving.set()
        self.join(5 * PATIENCE_S)
        assert not self.is_alive()


def check_kept(url: str, answers: list[dict[str, Any]], vkey: str) -> None:
    """Every receipt that was given is kept by what the database holds now."""
    store = Store(url)
    with store.snapshot() as reads:
        for answer in answers:
            entry = reads.entry(answer["index"])
            assert entry is not None, f"the acknowledged entry {answer['index']} is lost"
            proof = parse_proof(answer["receipt"].encode())
            verify_proof(proof, leaf=leaf_hash(entry.data), verifiers=[parse_vkey(vkey)])
    store.close()

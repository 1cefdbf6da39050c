"""What goes on in the demonstration while it is served: real posts, signed with its own keys.

Jobs of the history that had not ended come to their ends when their time comes, and every minute a
small job is submitted, started, metered and completed: a statement every fifteen seconds.
"""

import http.client
import json
import sys
from collections.abc import Mapping

from _demo_history import History

from ledger.importers.simulation import Event
from ledger.importers.synthetic import LIVE_EVERY_S, live_events
from ledger.tlog.note import Signer

TIMEOUT_S = 10
RETRY_S = 15


class NotPosted(Exception):
    """The server did not answer, or not with a decision about the statement."""


class Pulse:
    """Posts what is due whenever it is asked to; never more than one statement at a time."""

    def __init__(
        self, host: str, port: int, history: History, signers: Mapping[str, Signer]
    ) -> None:
        self._host, self._port = host, port
        self._history_progress = history.progress("synthetic")
        self._live_progress = history.progress("live")
        self._desk = history.desk_for_live(signers, self._live_progress.secret)
        self._history = history.events(signers)
        self._behind = self._history_progress.done()
        # A job that an earlier stop has cut short is told to its end: the same statements again.
        self._minute = self._live_progress.done()
        self._live = live_events(self._desk, number=self._minute) if self._minute else []
        self._not_before = 0

    def tick(self, now: int) -> None:
        """Post the next statement that is due, if there is one."""
        if now < self._not_before:
            return
        try:
            if self._behind < len(self._history) and self._history[self._behind].at <= now:
                self._post(self._history[self._behind])
                self._behind += 1
                self._history_progress.pass_(self._behind)
                return
            if not self._live and now // LIVE_EVERY_S > self._minute:
                self._minute = now // LIVE_EVERY_S
                self._live = live_events(self._desk, number=self._minute)
                self._live_progress.pass_(self._minute)
            if self._live and self._live[0].at <= now:
                self._post(self._live[0])
                del self._live[0]
        except NotPosted as error:
            self._not_before = now + RETRY_S
            print(f"demo: nothing was added: {error}; trying again", file=sys.stderr)

    def _post(self, event: Event) -> int | None:
        """The leaf index of the event; None where the ledger refused it, which is said."""
        index = None if event.about is None else self._post(event.about)
        if event.about is not None and index is None:
            return None
        status, answer = self._send(event.body(index))
        if status in {200, 201}:
            found: int = answer["index"]
            return found
        said = answer.get("detail") or answer.get("title")
        if status == 429 or status >= 500:
            raise NotPosted(f"{status} {said}")
        print(f"demo: not taken: {event.kind}: {status} {said}", file=sys.stderr)
        return None

    def _send(self, body: bytes) -> tuple[int, dict[str, int]]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(
                "POST", "/api/v1/statements", body, {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotPosted(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        return response.status, answer if isinstance(answer, dict) else {}

"""Keeps looking, beside a running writer, for a second history of its log.

Every few seconds, and at once when a witness names a newer tree or another one, it reads the newest
checkpoints of the mirror and of the witnesses that show theirs. One that this log's key has signed
and this database does not hold stops the writer, over restarts too, until ``ledger recover``.
Nothing less does: neither a number, nor a note by another key, nor silence. Signs nothing, and
never waits for the sequencer but for the batch that is being signed.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from ledger.assembly.elsewhere import mirror_note, require_known
from ledger.assembly.house import Ledger
from ledger.errors import FormatError, LedgerError, LogUnavailable, SecondHistory, SignatureError
from ledger.witnessing import Witnessing
from ledger.witnessing.room import asking

MIRROR: Final = "the mirror"
WITNESS: Final = "the witness "
STOP_S: Final = 15.0
"""How long an answer that is waited for may keep the process from ending."""

log = logging.getLogger(__name__)


class Lookout:
    """Looks for a second history of ``ledger``; ``witnessing`` is what asks its witnesses."""

    def __init__(self, ledger: Ledger, witnessing: Witnessing | None) -> None:
        self._ledger = ledger
        self._witnessing = witnessing
        self._wake = witnessing.alarm if witnessing is not None else threading.Event()
        self._stopping = False
        self._unkept: SecondHistory | None = None
        """What was found, as long as it cannot be written down that the writer has stopped."""
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def look(self) -> SecondHistory | None:
        """Look once, and stop the writer where a second history is proved."""
        others: dict[str, SecondHistory] = {}
        for whose, note in self._notes().items():
            try:
                require_known(
                    self._ledger.store, note, keys=self._ledger.sequencer.log_keys, whose=whose
                )
            except SecondHistory as found:
                others[whose] = found
            except (SignatureError, FormatError) as error:
                log.warning("%s shows what this log did not sign: %s", whose, error)
        if not others:
            return None
        proved = next(iter(others.values()))
        if self._outvotes(others):
            log.critical("the writer goes on, with enough witnesses on its side: %s", proved)
            return None
        self._halt(proved)
        return proved

    def _outvotes(self, others: Mapping[str, SecondHistory]) -> bool:
        """Whether the other history can be left to itself, as those beside it are a quorum.

        Only where the policy is strict. Then nobody is promised anything without the quorum, no two
        histories have one, and a witness that stands by the other one never comes back to ours: so
        this writer has lost once it cannot do without those, and not before. Of two regions that
        both sign, one goes on.
        """
        standard = self._ledger.standard
        if standard is None or not standard.strict or MIRROR in others:
            return False
        return standard.is_met_without({whose.removeprefix(WITNESS) for whose in others})

    def _notes(self) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        place = self._ledger.settings.mirror
        if place is not None:
            try:
                found[MIRROR] = mirror_note(place)
            except LedgerError as error:
                log.debug("the mirror shows no checkpoint now: %s", error)
        if self._witnessing is not None:
            shown = self._witnessing.newest_elsewhere(self._ledger.origin)
            found |= {f"{WITNESS}{name}": note for name, note in shown.items()}
        return found

    def _halt(self, found: SecondHistory) -> None:
        log.critical("the writer stops: %s", found)
        try:
            self._ledger.sequencer.halt(found)
        except LogUnavailable as error:
            self._unkept = found
            log.critical("that the writer has stopped is not kept yet: %s", error)
        else:
            self._unkept = None

    def _run(self) -> None:
        while not self._stopping:
            try:
                found = self._unkept
                if found is None:
                    found = self.look()
                else:
                    self._halt(found)
                if found is not None and self._unkept is None:
                    return
            except LedgerError as error:
                log.warning("nobody was asked for a second history: %s", error)
            except Exception as error:  # noqa: BLE001 - it must go on looking, whatever came back
                log.error("a look for a second history broke off: %s", type(error).__name__)  # noqa: TRY400 - a traceback would show answers
            self._wake.wait(self._ledger.settings.elsewhere_seconds)
            self._wake.clear()


@contextmanager
def on_watch(ledger: Ledger) -> Iterator[None]:
    """Ask the witnesses of ``ledger``, and look for a second history, while the context is open."""
    own = ledger.quorum is None
    witnessing = ledger.witnessing if ledger.quorum is None else ledger.quorum.witnessing
    lookout = Lookout(ledger, witnessing)
    watched = witnessing is not None or ledger.settings.mirror is not None
    if watched:
        lookout.start()
    try:
        with asking(witnessing if own else None):
            yield
    finally:
        if watched:
            lookout.stop()

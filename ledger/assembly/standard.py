"""The policy of the settings, and what asks its witnesses."""

from collections.abc import Sequence

from ledger.assembly.log_keys import read_log_keys
from ledger.errors import FormatError, NotFound, SettingsError
from ledger.reader import Reader
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import MAX_POLICY_BYTES, parse_policy
from ledger.tlog.standard import Standard, hold_to
from ledger.witnessing import Witnessing
from ledger.witnessing.pace import LONGEST_S, WAITED_FOR_S, Pace
from ledger.witnessing.room import Clock


def read_standard(settings: Settings, keys: Sequence[VerifierKey]) -> Standard | None:
    """The standard that LEDGER_POLICY sets for the log with these keys, the newest one last.

    None where it is not set. The policy may name any of them.

    Raises SettingsError, in one line, for a file that cannot be read or a policy that this log
    can have nothing to do with.
    """
    path = settings.policy
    if path is None:
        if settings.witness_mode != "open":
            raise SettingsError(
                f"LEDGER_WITNESS_MODE is {settings.witness_mode} and there is no LEDGER_POLICY:"
                " nothing would ever be published"
            )
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MAX_POLICY_BYTES + 1)
        policy = parse_policy(data.decode("utf-8"))
        mode = settings.witness_mode
        return hold_to(policy, *keys, closed=mode == "closed", strict=mode == "strict")
    except OSError as error:
        raise SettingsError(f"LEDGER_POLICY is {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"LEDGER_POLICY is {path}, which is not UTF-8 text") from None
    except FormatError as error:
        raise SettingsError(f"LEDGER_POLICY is {path}: {error}") from None


def begin_with(store: Store, standard: Standard) -> None:
    """Remember what was public when the policy was read for the first time: it stays public.

    Under a strict policy nothing counts that did not meet it: what another policy was waiting for
    would be published with nobody's cosignature.
    """
    with store.snapshot() as reads:
        known = reads.policy_since(standard.digest) is not None
        newest = reads.newest_checkpoint()
    if not known and newest is not None:
        with store.witnessing() as writes:
            writes.keep_policy(standard.digest, size=0 if standard.strict else newest.size)


def shown_size(settings: Settings, store: Store, asked: int | None = None) -> int:
    """The newest tree size that the public gets, or the one that was asked for.

    Raises as ``Reader.tree_size`` does, and NotFound where more is asked for than the public gets.
    """
    standard = read_standard(settings, read_log_keys(store).chain)
    shown = Reader(store, standard=standard).tree_size()
    if asked is not None and asked > shown:
        raise NotFound(f"the published log has {shown} entries; it has no size {asked}")
    return asked or shown


def witnessing_of(
    settings: Settings, store: Store, standard: Standard | None, *, clock: Clock
) -> Witnessing | None:
    """What asks the witnesses; None where no policy names any."""
    if standard is None or not any(each.url for each in standard.policy.witnesses):
        return None
    pace = Pace(
        daily=settings.witness_daily_requests,
        refresh_s=settings.witness_refresh_seconds,
        longest_s=WAITED_FOR_S if standard.strict else LONGEST_S,
    )
    return Witnessing(store, standard, pace=pace, clock=clock)

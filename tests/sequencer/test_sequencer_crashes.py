"""The crash table: every step that can fail, however it fails, and the whole log checked after.

Steps x {fails; fails but took effect} x {the process goes on; it is killed and another starts} at
sizes where the batch fills a tile. After each: nothing acknowledged is missing, everything stored
verifies, and the signer refuses no honest continuation.
"""

from collections.abc import Callable

import kit
import pytest
from processes import heard_until_end, running
from sequencer_children import log_and_die
from soaking.seams import STEPS, fault

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable
from ledger.settings import Settings
from schemas.posting import Receipted

Copies = Callable[[str, int], Settings]

BEFORE = [kit.egress(kit.ulid(1), 1_000_000)]
# Three entries: from 252 + 1 they fill the tile to the last, from 253 + 1 and 254 + 1 run past it.
BATCH = [kit.egress(kit.ulid(1), 2_000_000), kit.submitted(kit.ulid(2))]
AFTER = [kit.started(kit.ulid(2)), kit.ended(kit.ulid(1))]
SIZES = (252, 253, 254)


@pytest.mark.parametrize("took_effect", [False, True], ids=["fails", "took-effect"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_process_goes_on_after_a_step_fails(
    grown: Copies, engine: str, step: str, took_effect: bool
) -> None:
    for size in SIZES[::2]:
        settings = grown(engine, size)
        ledger = Ledger(settings, clock=kit.Clock())
        acknowledged = kit.log(ledger, *BEFORE)
        with fault(step, took_effect=took_effect, postgresql=engine == "postgresql") as broken:
            answers = ledger.submit_batch(BATCH).result(120)
        assert broken.fired
        for answer in answers:
            # No promise, or a whole one: never another error, and never half of the batch.
            assert isinstance(answer, Receipted | LogUnavailable)
        given = [answer for answer in answers if isinstance(answer, Receipted)]
        assert len(given) in {0, len(BATCH)}
        acknowledged += given
        kit.check_whole_log(settings, acknowledged=acknowledged)
        _go_on(ledger, settings, acknowledged)
        ledger.close()
        _start_again(settings, acknowledged)
        if engine == "postgresql":
            break  # a copied database costs too much to do it at both sizes


@pytest.mark.parametrize("took_effect", [False, True], ids=["fails", "took-effect"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_another_process_goes_on_after_one_was_killed(
    grown: Copies, engine: str, step: str, took_effect: bool
) -> None:
    settings = grown(engine, SIZES[(STEPS.index(step) + took_effect) % 3])
    with running(
        log_and_die, settings.database_url, settings.data_dir, [BEFORE, BATCH], step, took_effect
    ) as (process, pipe):
        heard = heard_until_end(pipe)
        process.join()
        assert process.exitcode == -9
    assert len(heard) == 1
    acknowledged = list(heard[0])
    kit.check_whole_log(settings, acknowledged=acknowledged)
    ledger = Ledger(settings, clock=kit.Clock())
    # Opening alone mends what the crash left: all that is stored is signed and published.
    checked = kit.check_whole_log(settings, acknowledged=acknowledged)
    assert checked.checkpoints[-1].size == checked.size
    _go_on(ledger, settings, acknowledged)
    ledger.close()
    _start_again(settings, acknowledged)


def _go_on(ledger: Ledger, settings: Settings, acknowledged: list[Receipted]) -> None:
    """Everybody sends again what was not acknowledged, and something new."""
    again = kit.log(ledger, *BEFORE, *BATCH)
    acknowledged += again
    kit.check_whole_log(settings, acknowledged=acknowledged)
    acknowledged += kit.log(ledger, *AFTER)
    checked = kit.check_whole_log(settings, acknowledged=acknowledged)
    assert checked.checkpoints[-1].size == checked.size
    by_index: dict[int, Receipted] = {}
    for answer in acknowledged:
        # Whatever was answered once is answered the same again, to the byte.
        assert by_index.setdefault(answer.accepted.index, answer).accepted == answer.accepted
    assert len(by_index) == len(BEFORE) + len(BATCH) + len(AFTER)


def _start_again(settings: Settings, acknowledged: list[Receipted]) -> None:
    ledger = Ledger(settings, clock=kit.Clock())
    again = kit.log(ledger, *BEFORE, *BATCH, *AFTER)
    assert not any(answer.created for answer in again)
    known = {answer.accepted.index: answer.accepted for answer in acknowledged}
    assert {answer.accepted.index: answer.accepted for answer in again} == known
    ledger.close()
    kit.check_whole_log(settings, acknowledged=again)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_process_killed_at_any_moment_has_kept_its_word(grown: Copies, engine: str) -> None:
    from sequencer_children import log_until_killed  # noqa: PLC0415 - beside its one use

    settings = grown(engine, 252)
    acknowledged: list[Receipted] = []
    for name, most in (("a", 3), ("b", 17), ("c", 40)):
        with running(log_until_killed, settings.database_url, settings.data_dir, name, 10_000) as (
            process,
            pipe,
        ):
            assert pipe.recv() == "open"
            acknowledged += [pipe.recv() for _ in range(most)]
            process.kill()
            acknowledged += heard_until_end(pipe)
        kit.check_whole_log(settings, acknowledged=acknowledged)
    assert len(acknowledged) >= 60
    Ledger(settings, clock=kit.Clock()).close()
    checked = kit.check_whole_log(settings, acknowledged=acknowledged)
    assert checked.checkpoints[-1].size == checked.size

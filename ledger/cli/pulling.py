"""``ledger mirror --from`` and ``--serve``: a verified copy of somebody else's log, and its server.

Needs no database and no key of a ledger: a watchdog's machine has neither.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from ledger.cli.common import CommandFailed, Disproved, Progress, read_text, settings_with_log
from ledger.cli.cosigning import MirrorCosigner
from ledger.client.handovers import keys_for
from ledger.errors import LedgerError, Misbehaviour
from ledger.mirrors import MirrorServer, Pulled, Target, files_at, pull
from ledger.mirrors.held import MAX_VKEY, first_line
from ledger.mirrors.shapes import VKEY
from ledger.mirrors.sources import Files
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.note import VerifierKey, parse_vkey
from ledger.tlog.policy import Policy, check_policy, parse_policy

Opener = Callable[[bytes], Checkpoint]
MAX_KEY: Final = MAX_VKEY


def keep_copy(
    source: str,
    target: Target,
    *,
    vkey: str | None,
    policy: Path | None,
    every_s: int | None,
    witness: Path | None,
    give_up_after_s: float,
) -> None:
    """Bring ``target`` up to date with the log at ``source``, again and again where asked to."""
    settings_with_log()
    if vkey is not None and policy is not None:
        raise click.UsageError("give --vkey or --policy, not both")
    with ExitStack() as stack:
        cosigner = None
        if witness is not None:
            cosigner = MirrorCosigner(witness)
            stack.callback(cosigner.close)
        files = files_at(
            source,
            give_up_after_s=give_up_after_s,
            tell=lambda line: click.echo(f"ledger: {line}", err=True),
        )
        stack.callback(files.close)
        key, open_note = trust(files, target, vkey=vkey, policy=policy)
        while True:
            try:
                _say(target, _pull_once(files, target, key, open_note, cosigner))
            except (LedgerError, OSError) as error:
                if every_s is None or isinstance(error, Disproved):
                    raise
                # A source that is away, or full disks: the next look may find it better.
                click.echo(f"ledger: {_now()} {error}", err=True)
            if every_s is None:
                return
            sys.stdout.flush()
            time.sleep(every_s)


def trust(
    files: Files, target: Target | None, *, vkey: str | None, policy: Path | None
) -> tuple[VerifierKey, Opener]:
    """The key of the log, and what opens its checkpoints.

    Given, or of the policy, or as the mirror has it from before; else the server's own word, which
    is said.
    """
    if policy is not None:
        return _by_policy(files, parse_policy(read_text(policy)))
    text = vkey
    if text is None and target is not None and (known := target.read(VKEY, limit=MAX_KEY)):
        text = first_line(known).decode("ascii", "replace")
    if text is None:
        text = first_line(files.get(f"/{VKEY}", limit=MAX_KEY)).decode("ascii", "replace")
        click.echo(
            f"note: no key was given: believing {files.url} that it is {text[:300]!a}. Compare it"
            " with another source, and give it as --vkey",
            err=True,
        )
    key = parse_vkey(text)
    return key, lambda note: open_checkpoint(note, keys_for(files, note, key)[-1:])


def serve(folder: Path, host: str, port: int) -> None:
    """Serve a mirror's files until stopped."""
    settings_with_log()
    if not (folder / "log" / "checkpoint").is_file():
        raise CommandFailed(f"{folder} holds no mirror: there is no log/checkpoint in it")
    try:
        server = MirrorServer(folder, host, port)
    except OSError as error:
        raise CommandFailed(f"cannot listen on {host} port {port}: {error.strerror}") from None
    with server:
        click.echo(f"serving {folder} at {server.url}")
        sys.stdout.flush()
        server.serve_forever()


class Shown:
    """A counter for each part on a terminal; in a log, a line for each that is done."""

    def __init__(self) -> None:
        self._what = self._said = ""
        self._progress = Progress("")

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how much of ``what`` is behind."""
        if what != self._what:
            self.finish()
            self._what, self._progress = what, Progress(what)
        self._progress(done, total)
        if done == total and self._said != what and not sys.stderr.isatty():
            self._said = what
            click.echo(f"{what}: {total:,} of {total:,}", err=True)

    def finish(self) -> None:
        """End the line."""
        self._progress.finish()


def _pull_once(
    files: Files,
    target: Target,
    key: VerifierKey,
    open_note: Opener,
    cosigner: MirrorCosigner | None,
) -> Pulled:
    shown = Shown()
    try:
        return pull(files, target, key=key, open_note=open_note, cosigner=cosigner, progress=shown)
    except Misbehaviour as error:
        raise Disproved(str(error)) from None
    finally:
        shown.finish()


def _by_policy(files: Files, policy: Policy) -> tuple[VerifierKey, Opener]:
    """The policy's log that has signed what the source shows."""
    note = files.get("/log/checkpoint", limit=1 << 16)
    origin = check_policy(note, policy).origin
    for each in policy.logs:
        if each.key.name == origin:
            return each.key, lambda data: check_policy(data, policy)
    raise CommandFailed(f"the policy names no key of {origin}")


def _say(target: Target, done: Pulled) -> None:
    new = done.checkpoint.size - done.old_size
    click.echo(
        f"{_now()} {target.name}: {new} new entries, {done.checkpoint.size} in all, root"
        f" {done.checkpoint.root.hex()}; {done.files} files written"
    )


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

"""``ledger witness``: a witness of other people's logs, in one command.

It needs no ledger: a folder of its own holds its key, and what it has cosigned.
"""

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import click

from ledger import keys
from ledger.cli.common import CommandFailed, read_text, start_log
from ledger.cli.connections import EACH, Watch, start_watch
from ledger.cli.running import READY_CHECK_S, end_with, free_address
from ledger.cli.serving import CONNECTIONS, http_server, room_for
from ledger.cli.stopping import end_while_starting
from ledger.tlog.note import (
    COSIGNATURE,
    MLDSA44,
    Signer,
    VerifierKey,
    format_vkey,
    generate_key,
    parse_vkey,
)
from ledger.tlog.policy import parse_policy
from ledger.witness import Quota, State, Witness, WitnessApp, WitnessError

DEFAULT_FOLDER: Final = "witness-data"
KEY: Final = "witness.key"
SECOND_KEY: Final = "witness.mldsa.key"
MEMORY: Final = "witness.db"
LOCK: Final = "witness.lock"

_DATA: Final = click.option(
    "--data",
    metavar="DIR",
    default=DEFAULT_FOLDER,
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the witness's key and memory.",
)


@click.group("witness", invoke_without_command=True)
@_DATA
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8300",
    show_default=True,
    help="The address to listen on.",
)
@click.option(
    "--name",
    metavar="NAME",
    help="The witness's name for ever, a host and a path without scheme: witness.example.org."
    " Needed at the first start, when its key is made.",
)
@click.option(
    "--follow",
    metavar="VKEY",
    multiple=True,
    help="A log to follow, by its verifier key; as `add-log`, before it starts.",
)
@click.option("--mldsa", is_flag=True, help="Cosign with ML-DSA-44 too, by a key of its own.")
@click.option(
    "--per-minute",
    metavar="N",
    default=60,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="How many new checkpoints of one log are cosigned in a minute; 0 for no limit.",
)
@click.option(
    "--address-per-minute",
    metavar="N",
    default=600,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="How often one address may ask for a cosignature in a minute; 0 for no limit. Those of"
    " this machine are not counted: a proxy on it speaks for everyone.",
)
@click.pass_context
def witness_group(
    context: click.Context,
    *,
    data: Path,
    listen: str,
    name: str | None,
    follow: tuple[str, ...],
    mldsa: bool,
    per_minute: int,
    address_per_minute: int,
) -> None:
    """Run a witness: cosign checkpoints of the logs it follows, if each continues the last.

    Makes its key at the first start and prints the verifier key, which readers of a log put into
    their policy. `ledger witness add-log` says whom to follow, also while it runs.
    """
    context.obj = data
    if context.invoked_subcommand is not None:
        return
    start_log("info")
    host, port = _address(listen)
    followed = [parse_vkey(vkey) for vkey in follow]
    with closing(prepare(data, name, mldsa=mldsa)[0]) as state:
        for key in followed:
            _follow(state, key)
    address = free_address(host, port)
    options = {
        "data": str(data.absolute()),
        "mldsa": mldsa,
        "per_minute": per_minute,
        "address_per_minute": address_per_minute,
    }
    server = http_server(
        json.dumps(options),
        address=address,
        port=port,
    )
    server.on_startup(
        lambda: threading.Thread(target=_announce, args=(data, address, port), daemon=True).start()
    )
    try:
        server.serve(target_loader=load_witness)
    except SystemExit:
        raise CommandFailed("the witness ended by itself; the lines above say why") from None


@witness_group.command("add-log")
@click.argument("vkey", required=False)
@click.option(
    "--origin", metavar="NAME", help="The log's origin, to be compared with the key's name."
)
@click.option(
    "--policy",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Follow every log of a C2SP tlog-policy file, instead of VKEY.",
)
@click.pass_obj
def add_log(data: Path, vkey: str | None, origin: str | None, policy: Path | None) -> None:
    """Follow a log: VKEY is its verifier key. A running witness does so at once.

    A second key of the same name is trusted beside the first, until `drop-key` takes one away. A
    dropped key is trusted again only if it is given here by itself.
    """
    if (vkey is None) == (policy is None):
        raise CommandFailed("give the log's verifier key, or --policy with a file that has some")
    if policy is not None:
        found = [log.key for log in parse_policy(read_text(policy)).logs]
    else:
        found = [parse_vkey(vkey or "")]
    with closing(_memory(data)) as state:
        for key in found:
            _follow(state, key, origin=origin, again=policy is None)


@witness_group.command("drop-key")
@click.argument("vkey")
@click.pass_obj
def drop_key(data: Path, vkey: str) -> None:
    """Trust a log's key no longer: VKEY is an old one, after the log has changed its key.

    A running witness refuses it at once. What was cosigned stays, and the log's other keys too.
    """
    key = parse_vkey(vkey)
    with closing(_memory(data)) as state:
        state.drop(key)
    click.echo(f"dropped: {vkey}")


@witness_group.command("create")
@click.option("--name", metavar="NAME", required=True, help="Its name for ever, as above.")
@click.option("--mldsa", is_flag=True, help="Make an ML-DSA-44 key too.")
@click.pass_obj
def create(data: Path, *, name: str, mldsa: bool) -> None:
    """Make a witness without starting it, such as one that only `ledger mirror --cosign` uses."""
    state, signers = prepare(data, name, mldsa=mldsa)
    state.close()
    for signer in signers:
        click.echo(signer.vkey)


@witness_group.command("logs")
@click.pass_obj
def logs(data: Path) -> None:
    """List the logs that are followed, and the size of each that was cosigned last.

    Where more than one key of a log is trusted, they stand below it, one a line.
    """
    with closing(_memory(data)) as state:
        for log in state.logs():
            cosigned = log.cosigned
            size = f"size {cosigned.latest.size}" if cosigned else "nothing cosigned yet"
            lies = len(state.conflicts(log.origin))
            said = f", {lies} conflicting checkpoints kept" if lies else ""
            click.echo(f"{log.origin}: {size}{said}")
            if len(log.vkeys) > 1:
                for vkey in log.vkeys:
                    click.echo(f"  {vkey}")


@witness_group.command("vkey")
@click.pass_obj
def vkey_command(data: Path) -> None:
    """Print the witness's verifier keys, one a line."""
    for name in (KEY, SECOND_KEY):
        if (data / name).exists() or name == KEY:
            click.echo(keys.read_signer(data / name).vkey)


@witness_group.command("accept-clock")
@click.pass_obj
def accept_clock(data: Path) -> None:
    """Let the witness state times from now on, after its clock ran ahead and was set right.

    It states no time before one that it has stated, until this is said by hand.
    """
    with closing(_memory(data)) as state, state.changing() as change:
        change.set_time(int(time.time()))
    click.echo("the clock is believed again")


def load_witness(options_json: str) -> WitnessApp:
    """The application, in its server process."""
    end_while_starting()
    start_log("info")
    start_watch(Watch(most=room_for(CONNECTIONS), each=EACH))
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    options: dict[str, Any] = json.loads(options_json)
    state, signers = prepare(Path(options["data"]), None, mldsa=options["mldsa"])
    quota = Quota(options["per_minute"], clock=time.monotonic)
    witness = Witness(state, signers, clock=lambda: int(time.time()), quota=quota)
    addresses = Quota(options["address_per_minute"], clock=time.monotonic)
    return WitnessApp(witness, addresses=addresses)


def prepare(data: Path, name: str | None, *, mldsa: bool) -> tuple[State, list[Signer]]:
    """The memory and the keys, made where this is the first start. Raises LedgerErrors."""
    first, memory = data / KEY, data / MEMORY
    if not first.exists() and name is None:
        raise CommandFailed("--name: a new witness needs a name, such as witness.example.org")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(data):
        # The memory is made before the key: so a key without a memory has lost it.
        if first.exists() and not memory.exists():
            raise WitnessError(
                f"{first} is there, but its memory {memory} is not: without what it has cosigned"
                f" it could be made to cosign a second history. Put the memory back, or retire"
                f" this key: start a new witness in another folder"
            )
        state = State(memory)
        try:
            signers = [_key(first, name, key_type=COSIGNATURE)]
            if mldsa:
                signers.append(_key(data / SECOND_KEY, signers[0].name, key_type=MLDSA44))
            state.bind(signers[0].vkey, time_s=int(time.time()))
        except BaseException:
            state.close()
            raise
    return state, signers


def _key(path: Path, name: str | None, *, key_type: int) -> Signer:
    if not path.exists():
        signer, _ = generate_key(name or "", os.urandom(32), key_type=key_type)
        keys.write_signer(path, signer)
        return signer
    signer = keys.read_signer(path)
    if signer.type != key_type:
        raise WitnessError(f"{path} is a key of type {signer.type:#04x}, not {key_type:#04x}")
    if name is not None and signer.name != name:
        raise WitnessError(f"{path} is the key of {signer.name}, not of {name}: a name is for ever")
    return signer


def _follow(
    state: State, key: VerifierKey, *, origin: str | None = None, again: bool = False
) -> None:
    """Follow, and say so."""
    added = state.follow(origin or key.name, key, again=again)
    if added:
        click.echo(f"follows: {key.name}")
    elif state.is_dropped(key):
        click.echo(f"dropped before, and not trusted again: {format_vkey(key)}")
    else:
        click.echo(f"already follows: {key.name}")


def _memory(data: Path) -> State:
    if not (data / MEMORY).is_file():
        raise CommandFailed(f"there is no witness in {data}: start one with `ledger witness`")
    return State(data / MEMORY)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Keep a second first start out."""
    descriptor = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or len(port) > 5:
        raise CommandFailed(f"--listen: {listen!a} is not HOST:PORT, such as 127.0.0.1:8300")
    if not 1 <= int(port) <= 65_535:
        raise CommandFailed(f"--listen: the port {port} is not from 1 to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _announce(data: Path, address: str, port: int) -> None:
    """Print who and where the witness is once it answers there."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared, not bound
    host = f"[{reached}]" if ":" in reached else reached
    while True:
        try:
            with urlopen(f"http://{host}:{port}/vkey", timeout=5):
                break
        except (URLError, OSError):
            time.sleep(READY_CHECK_S)
    signer = keys.read_signer(data / KEY)
    click.echo(f"witness: {signer.vkey}")
    if (data / SECOND_KEY).exists():
        click.echo(f"ML-DSA-44: {keys.read_signer(data / SECOND_KEY).vkey}")
    with closing(_memory(data)) as state:
        followed = len(state.keys())
    click.echo(f"listening on http://{host}:{port}, following {followed} logs")
    sys.stdout.flush()

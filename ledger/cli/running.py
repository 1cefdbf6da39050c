"""``ledger serve``, ``ledger worker``, ``ledger publish-due``: what runs a ledger.

The web application is started by its name: the command line does not know it.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import click
from granian.server.common import AbstractServer

from ledger import journal
from ledger.assembly import Ledger
from ledger.assembly.announcing import announcing
from ledger.assembly.lookout import on_watch
from ledger.assembly.webhooks import delivering
from ledger.cli.at_once import answer_at_once
from ledger.cli.common import CommandFailed, open_for_writing, say, settings_with_log
from ledger.cli.connections import Watch, start_watch
from ledger.cli.loading import uncollected
from ledger.cli.serving import http_server, room_for
from ledger.cli.stopping import (
    ASKING,
    Stopping,
    become_ready_to_drain,
    end_while_starting,
    end_within,
)
from ledger.errors import LedgerError
from ledger.records.deadline import format_time
from ledger.settings import Settings, load_settings
from ledger.webhooks.config import read_webhooks
from ledger.worker import Worker

APP: Final = "web.app:create_app"
ORPHAN_CHECK_S: Final = 1.0
READY_CHECK_S: Final = 0.05
FAILED: Final = 2

log = logging.getLogger(__name__)


@click.command("serve")
@click.option("--host", metavar="HOST", help="The address to listen on; over LEDGER_HOST.")
@click.option("--port", type=int, metavar="PORT", help="The TCP port; over LEDGER_PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Serve the ledger until it is told to stop.

    Migrates the database, holds the signer's memory against it, then listens. On SQLite one process
    does it all, the embargo included; on PostgreSQL there are LEDGER_PROCESSES of them and `ledger
    worker` runs beside. SIGTERM and Ctrl-C finish what is being logged, then stop: /readyz
    refuses for LEDGER_DRAIN_SECONDS before that; LEDGER_STOP_SECONDS later, or at a second signal,
    it is killed.
    """
    settings = settings_with_log(host=host, port=port)
    # Whatever would keep a server process from starting is found here, and said in one line.
    read_webhooks(settings.webhooks)
    ledger = open_for_writing(settings)
    origin = ledger.origin
    ledger.close()
    address = free_address(settings.host, settings.port)
    # The server processes read their settings themselves.
    os.environ["LEDGER_HOST"], os.environ["LEDGER_PORT"] = settings.host, str(settings.port)
    server = http_server(
        APP,
        address=address,
        port=settings.port,
        connections=settings.connections,
        workers=settings.processes,
        factory=True,
        stop_s=None,
    )
    stopping = Stopping(server, drain_s=settings.drain_seconds, stop_s=settings.stop_seconds)

    def prepare() -> None:
        """Take the signals, and announce the address from beside the server."""
        stopping.listen()
        threading.Thread(
            target=_announce, args=(settings, address, origin, server), daemon=True
        ).start()

    server.on_startup(prepare)
    try:
        server.serve(target_loader=load_app)
    except SystemExit:
        raise CommandFailed("a server process ended by itself; the lines above say why") from None
    stopping.check()
    if stopping.by_keyboard:
        raise KeyboardInterrupt


def load_app(target: str) -> Callable[..., Any]:
    """The ASGI application named by ``target``, ``module:factory``, in a new server process."""
    settings = load_settings()
    journal.start(settings.log_level, settings.log_format)
    journal.guard()
    end_while_starting()
    become_ready_to_drain()
    watch = Watch(
        most=room_for(settings.connections),
        each=settings.connections_per_address,
        trusted=settings.proxy_networks,
    )
    if not start_watch(watch):
        log.info("this system keeps no account of connections: slow readers are not cut")
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    module_name, _, factory = target.partition(":")
    try:
        with uncollected():
            application: Callable[..., Any] = getattr(import_module(module_name), factory)()
    except Exception as error:
        log.critical("the server cannot start: %s: %s", type(error).__name__, error)
        log.debug("where it failed", exc_info=True)
        sys.exit(FAILED)
    at_once = getattr(application, "at_once", None)
    if at_once is not None:
        answer_at_once(at_once)
    return application


def end_with(parent: int) -> None:
    """Stop this process when its parent is gone: nobody else would, and it holds the log."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _announce(settings: Settings, address: str, origin: str, server: AbstractServer[Any]) -> None:
    """Print where the ledger is once it answers there."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared, not bound
    host = f"[{reached}]" if ":" in reached else reached
    while not server.main_loop_interrupt.is_set():
        try:
            with urlopen(f"http://{host}:{settings.port}/log/checkpoint", timeout=5):
                break
        except HTTPError:
            # It answers. Where nothing is published yet, it says so itself.
            break
        except (URLError, OSError):
            time.sleep(READY_CHECK_S)
    else:
        return
    say(f"serving {origin} at {settings.public_url} (process {os.getpid()})")


def free_address(host: str, port: int) -> str:
    """The numeric address of ``host``, if nothing listens there. Raises CommandFailed.

    The server shares its port among its processes, and would share it with a stranger's as well.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandFailed(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return str(address[0])


@click.command("worker")
def worker() -> None:
    """Run the embargo worker alone, beside servers on PostgreSQL.

    On SQLite the server is the one writer and has the worker inside. Several workers may run: each
    record is opened once. SIGTERM and Ctrl-C finish the pass that is running, then stop.
    """
    settings = settings_with_log()
    webhooks = read_webhooks(settings.webhooks)
    ledger = open_for_writing(settings)
    bulk = ledger.bulk
    try:
        sweeper = Worker(
            ledger.embargo,
            clock=ledger.clock,
            sweep_seconds=settings.sweep_seconds,
            nightly=bulk.make,
            nightly_at=settings.export_at,
            beside=bulk.log_manifests,
            passed=ledger.passed,
        )
        signals = _signals_to_stop()
        journal.guard()
        sweeper.start()
        try:
            say(f"opening what is due in {ledger.origin}; {_next(ledger)}")
            with (
                announcing(settings, ledger.reader),
                on_watch(ledger),
                delivering(ledger, webhooks),
            ):
                stopped_by = signals.recv(1)[0]
                # Whoever asks twice does not want to wait for the pass that is running.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                end_within(settings.stop_seconds)
        finally:
            sweeper.stop()
    finally:
        ledger.close()
    if stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def _signals_to_stop() -> socket.socket:
    """Where the number of each signal that asks to stop arrives, from now on, as one byte.

    Python runs a handler between two instructions of the main thread, and after the beginning of
    an endless wait there is no next one. The byte is written at once, whichever thread is hit.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach())
    for number in ASKING:
        signal.signal(number, lambda _number, _frame: None)
    return reading


@click.command("publish-due")
def publish_due() -> None:
    """Make one pass of the embargo now, and say what it opened.

    What a worker does by itself. Exits with 2 where something that is due could not be opened.
    """
    settings = settings_with_log()
    ledger = open_for_writing(settings)
    try:
        swept = ledger.embargo.open_due()
        click.echo(f"opened {swept.opened} entries; {_next(ledger)}")
    finally:
        ledger.close()
    if swept.failed:
        shown = ", ".join(map(str, swept.failed[:10]))
        raise CommandFailed(
            f"{len(swept.failed)} entries are due and could not be opened ({shown}):"
            f" run `ledger fsck`"
        )


def _next(ledger: Ledger) -> str:
    try:
        deadline = ledger.embargo.next_deadline()
    except LedgerError:
        return "the next deadline is not known"
    return (
        "nothing is sealed" if deadline is None else f"the next deadline is {format_time(deadline)}"
    )

"""``ledger admit-webhook``: the check that stands before every pod of a Kubernetes cluster.

Needs no ledger and no settings of one: a policy, a register and a certificate. With the address of
a ledger and the orchestrator's key it posts what it refuses.
"""

import json
import logging
import os
import ssl
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from socket import create_connection
from typing import Any, Final

import click
from granian.constants import SSLProtocols
from granian.server.common import AbstractServer

from ledger.admission.kubernetes import CONTROLLERS, Cluster
from ledger.admission.pods_of_jobs import PodsOfJobs
from ledger.admission.register import Register
from ledger.admission.webhook import WebhookApp
from ledger.assembly.house import system_clock
from ledger.cli.cluster_options import FILE, GPU_RESOURCES, NAMESPACES, POLICY, VALID_FOR
from ledger.cli.common import CommandFailed, start_log
from ledger.cli.receipts import read_policy
from ledger.cli.reporting import Saying, host_path_option, members_of, saying_options, sender
from ledger.cli.running import READY_CHECK_S, end_with, free_address
from ledger.cli.serving import http_server
from ledger.cli.stopping import end_while_starting
from ledger.errors import LedgerError

POST_EVERY_S: Final = 15.0
"""How often what waits for the ledger is tried again."""
RENEWAL_CHECK_S: Final = 10.0
PODS: Final = ".pods"

log = logging.getLogger(__name__)


@click.command("admit-webhook")
@POLICY
@click.option(
    "--register",
    "register_file",
    required=True,
    metavar="FILE",
    type=FILE,
    help="Where used receipts are written down; FILE.pods beside it has their pods.",
)
@click.option("--cert", required=True, metavar="PEM", type=FILE, help="The server's certificate.")
@click.option("--key", required=True, metavar="PEM", type=FILE, help="Its private key.")
@click.option(
    "--client-ca",
    metavar="PEM",
    type=FILE,
    help="Answer only who has a certificate of this CA: the API server.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8443",
    show_default=True,
    help="The address to listen on.",
)
@VALID_FOR
@GPU_RESOURCES
@click.option(
    "--controller",
    "controllers",
    metavar="USERNAME",
    multiple=True,
    help="A further user whose owner references are believed, beside Kubernetes' own.",
)
@NAMESPACES
@host_path_option
@saying_options
def admit_webhook_command(
    *,
    policy_file: Path,
    register_file: Path,
    cert: Path,
    key: Path,
    client_ca: Path | None,
    listen: str,
    valid_hours: int,
    gpu_resources: tuple[str, ...],
    controllers: tuple[str, ...],
    namespaces: tuple[str, ...],
    host_paths: tuple[str, ...],
    url: str | None,
    author_key: Path | None,
    outbox: Path | None,
) -> None:
    """Answer a Kubernetes API server: a pod with GPUs starts with the receipt of its admission.

    One process, beside its register: two copies with two registers would let a receipt start two
    runs. Renewed certificates are taken up within seconds.

    With --ledger, --author-key and --outbox every refusal is posted, now or when the ledger is
    back. Nothing that fails there lets a pod start.
    """
    start_log("info")
    options: dict[str, Any] = {
        "policy": str(policy_file.absolute()),
        "register": str(register_file.absolute()),
        "valid_hours": valid_hours,
        "gpu_resources": gpu_resources,
        "controllers": controllers,
        "members": members_of(namespaces),
        "host_paths": host_paths,
        "url": url,
        "author_key": None if author_key is None else str(author_key.absolute()),
        "outbox": None if outbox is None else str(outbox.absolute()),
    }
    _Parts(options)  # whatever would keep the server from starting is found here, in one line
    host, port = _address(listen)
    address = free_address(host, port)
    before = _pair(cert, key)
    server = http_server(
        json.dumps(options),
        address=address,
        port=port,
        certificate=(cert, key),
        client_ca=client_ca,
    )

    def prepare() -> None:
        renewal = _Renewal(server, cert, key, client_ca, before)
        threading.Thread(target=_announce, args=(address, port), daemon=True).start()
        threading.Thread(target=renewal.watch, daemon=True).start()

    server.on_startup(prepare)
    try:
        server.serve(target_loader=load_webhook)
    except SystemExit:
        raise CommandFailed("the webhook ended by itself; the lines above say why") from None


def load_webhook(options_json: str) -> WebhookApp:
    """The application, in its server process."""
    end_while_starting()
    start_log("info")
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    return _Parts(json.loads(options_json)).start()


class _Parts:
    """What the options name, read and checked."""

    def __init__(self, options: dict[str, Any]) -> None:
        register = options["register"]
        policy = read_policy(Path(options["policy"]))
        self._cluster = Cluster(
            policy=policy,
            register=Register(register),
            pods=PodsOfJobs(register + PODS),
            clock=system_clock,
            valid_hours=options["valid_hours"],
            further_gpus=frozenset(options["gpu_resources"]),
            controllers=CONTROLLERS | set(options["controllers"]),
            members=options["members"],
            host_paths=frozenset(options["host_paths"]),
        )
        paths = {
            name: None if options[name] is None else Path(options[name])
            for name in ("author_key", "outbox")
        }
        self._saying = Saying.of(policy=policy, url=options["url"], **paths)

    def start(self) -> WebhookApp:
        """The application, and beside it a thread that posts what it refuses."""
        if self._saying is None:
            return WebhookApp(self._cluster)
        wake = threading.Event()
        threading.Thread(target=_post, args=(self._saying, wake), daemon=True).start()
        return WebhookApp(self._cluster, reporter=self._saying.reporter, wake=wake.set)


def _post(saying: Saying, wake: threading.Event) -> None:
    """Send what waits whenever something new does, and every few seconds, for ever."""
    send = sender(saying.client(give_up_after_s=0), saying.log_key)
    trouble = ""
    while True:
        wake.clear()
        try:
            sent = saying.reporter.outbox.work(send)
        except LedgerError as error:
            log.error("refusals are not posted: %s", error)  # noqa: TRY400 - it says it all
        except Exception as error:  # noqa: BLE001 - a thread that ends would end all posting
            # Whatever it is, the next round may do better; its words could show what is sent.
            log.error("refusals are not posted: %s", type(error).__name__)  # noqa: TRY400 - no trace
        else:
            for each in sent.refused:
                log.error("the ledger does not take %s: %s", each.key, each.trouble)
            if sent.trouble and sent.trouble != trouble:
                log.warning("%d refusals wait for the ledger: %s", sent.waiting, sent.trouble)
            trouble = sent.trouble
        wake.wait(POST_EVERY_S)


class _Renewal:
    """Watches the certificate's files, and has the server process replaced when they change."""

    def __init__(
        self,
        server: AbstractServer[Any],
        cert: Path,
        key: Path,
        client_ca: Path | None,
        pair: tuple[bytes, bytes],
    ) -> None:
        self._server, self._cert, self._key, self._ca = server, cert, key, client_ca
        self._pair = pair

    def watch(self) -> None:
        """Look for a new pair until the process ends. A pair that does not match is not taken."""
        while True:
            time.sleep(RENEWAL_CHECK_S)
            try:
                found = _pair(self._cert, self._key)
            except CommandFailed as error:
                log.warning("the certificate is not renewed: %s", error)
                continue
            if found != self._pair:
                self._pair = found
                # The names lead elsewhere after a renewal: they are followed anew.
                self._server.build_ssl_context(
                    self._cert,
                    self._key,
                    None,
                    SSLProtocols.tls12,
                    self._ca,
                    [],
                    self._ca is not None,
                )
                self._server.signal_handler_reload()  # type: ignore[no-untyped-call]
                log.info("the certificate is renewed")


def _pair(cert: Path, key: Path) -> tuple[bytes, bytes]:
    """Certificate and key, as bytes, if they belong together. Raises CommandFailed."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
        return cert.read_bytes(), key.read_bytes()
    except (OSError, ssl.SSLError) as error:
        # Neither of them says anything of the key itself.
        raise CommandFailed(f"--cert, --key: {error.strerror or error}") from None


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or len(port) > 5:
        raise CommandFailed(f"--listen: {listen!a} is not HOST:PORT, such as 0.0.0.0:8443")
    if not 1 <= int(port) <= 65_535:
        raise CommandFailed(f"--listen: the port {port} is not from 1 to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _announce(address: str, port: int) -> None:
    """Say where the webhook is once something listens there."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared, not bound
    while True:
        with suppress(OSError), create_connection((reached, port), timeout=5):
            break
        time.sleep(READY_CHECK_S)
    click.echo(f"admission webhook: https://{address}:{port}/validate")
    sys.stdout.flush()

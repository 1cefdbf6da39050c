"""One POST: to the address that was checked, within its time, and deaf to all but the status."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from webhook_world import WAIT_S, Receiver

from ledger.webhooks import sending
from ledger.webhooks.sending import NotReached, Reply, parse_target, post

Talk = Callable[[socket.socket], None]


@contextmanager
def talking(talk: Talk, *, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that does with every connection what ``talk`` does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        if context is None:
                            talk(connection)
                        else:
                            with context.wrap_socket(connection, server_side=True) as wrapped:
                                talk(wrapped)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(WAIT_S)
            assert not thread.is_alive()


def heard(connection: socket.socket) -> bytes:
    """One request with the body ``{}``."""
    data = b""
    while not data.endswith(b"\r\n\r\n{}"):
        more = connection.recv(4096)
        if not more:
            break
        data += more
    return data


def send(port: int, **given: Any) -> Reply:
    target = parse_target(f"http://127.0.0.1:{port}/", allow_private=True)
    return post(target, {"webhook-id": "msg_1"}, b"{}", **given)


def names(host: str, *addresses: str) -> Callable[..., list[tuple[Any, ...]]]:
    """A resolver that knows one host, and counts how often it is asked in ``calls``."""

    def resolve(asked: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        resolve.calls += 1  # type: ignore[attr-defined]
        assert asked == host
        return [
            (
                socket.AF_INET6 if ":" in each else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (each, port),
            )
            for each in addresses
        ]

    resolve.calls = 0  # type: ignore[attr-defined]
    return resolve


# --- what goes out ------------------------------------------------------------------------------


def test_a_request_is_one_post_with_its_length_and_no_more(receiver: Receiver) -> None:
    target = parse_target(receiver.url, allow_private=True)
    assert post(target, {"webhook-id": "msg_1"}, b'{"a": 1}').status == 204
    (got,) = receiver.got
    assert got.path == "/hook?token=canary-token"
    assert got.body == b'{"a": 1}'
    assert dict(got.headers) == {
        "host": target.authority,
        "user-agent": "apsci-ledger",
        "content-type": "application/json",
        "content-length": "8",
        "connection": "close",
        "webhook-id": "msg_1",
    }


def test_no_proxy_of_the_environment_is_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    target = parse_target(receiver.url, allow_private=True)
    assert post(target, {}, b"{}").status == 204


# --- where it goes ------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"])
def test_a_name_that_leads_inside_is_refused_before_any_connection(
    receiver: Receiver, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_socket(*_: Any, **__: Any) -> None:
        pytest.fail("a connection was tried")

    target = parse_target("https://receiver.example/")
    with monkeypatch.context() as patch:
        patch.setattr(sending.socket, "socket", no_socket)
        with pytest.raises(NotReached, match=r"refused: .* is "):
            post(target, {}, b"{}", resolve=names("receiver.example", address))
    assert receiver.got == []


def test_an_address_itself_is_checked_like_a_name() -> None:
    for url in ("https://127.0.0.1/", "https://[::1]/", "https://[::ffff:7f00:1]/"):
        with pytest.raises(NotReached, match="is not a public address"):
            post(parse_target(url), {}, b"{}")
    target = parse_target("https://169.254.169.254/", allow_private=True)
    with pytest.raises(NotReached, match="metadata"):
        post(target, {}, b"{}")


def test_a_name_is_asked_once_and_the_answer_that_was_checked_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second question could bring an inner address: nothing asks it."""
    asked: list[tuple[Any, ...]] = []

    def connect(_self: socket.socket, address: tuple[Any, ...]) -> None:
        asked.append(address)
        raise ConnectionRefusedError

    resolve = names("receiver.example", "8.8.8.8", "2606:4700:4700::1111")
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was asked again"))
    with pytest.raises(NotReached, match="no connection"):
        post(parse_target("https://receiver.example:8443/"), {}, b"{}", resolve=resolve)
    assert asked == [("8.8.8.8", 8443), ("2606:4700:4700::1111", 8443)]
    assert resolve.calls == 1  # type: ignore[attr-defined]


def test_a_name_that_nobody_knows_is_not_reached() -> None:
    def unknown(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(NotReached, match="cannot be resolved"):
        post(parse_target("https://receiver.example/"), {}, b"{}", resolve=unknown)


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's context with a certificate for receiver.example that this machine trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("receiver.example")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "receiver.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    sending._context.cache_clear()
    yield context
    sending._context.cache_clear()


def test_the_certificate_is_held_to_the_name_though_the_connection_goes_to_an_address(
    trusted: ssl.SSLContext,
) -> None:
    requests: list[bytes] = []
    asked_for: list[str | None] = []

    def talk(connection: socket.socket) -> None:
        requests.append(heard(connection))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    trusted.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    with talking(talk, context=trusted) as port:
        for host in ("receiver.example", "other.example"):
            target = parse_target(f"https://{host}:{port}/x", allow_private=True)
            resolve = names(host, "127.0.0.1")
            if host == "receiver.example":
                assert post(target, {}, b"{}", resolve=resolve).status == 204
            else:
                with pytest.raises(NotReached, match="certificate is not accepted: Hostname"):
                    post(target, {}, b"{}", resolve=resolve)
    assert asked_for == ["receiver.example", "other.example"]
    assert len(requests) == 1
    assert f"\r\nHost: receiver.example:{port}\r\n".encode() in requests[0]


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with talking(lambda connection: None, context=trusted) as port:
        target = parse_target(f"https://receiver.example:{port}/", allow_private=True)
        with pytest.raises(NotReached, match="certificate is not accepted"):
            post(target, {}, b"{}", resolve=names("receiver.example", "127.0.0.1"))


def test_what_speaks_no_tls_is_not_reached() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with talking(talk) as port:
        target = parse_target(f"https://127.0.0.1:{port}/", allow_private=True)
        with pytest.raises(NotReached, match=r"no TLS connection|connection broke"):
            post(target, {}, b"{}")


# --- what comes back ----------------------------------------------------------------------------


def test_the_answers_body_is_not_waited_for() -> None:
    leave = threading.Event()

    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 99)
        assert leave.wait(WAIT_S)

    with talking(talk) as port:
        try:
            assert send(port, timeout_s=WAIT_S) == Reply(200, None)
        finally:
            leave.set()


def test_an_answer_that_drips_in_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte comes a second after the one before, by the clock that the sender looks at."""
    now = [0.0]
    monkeypatch.setattr(sending, "monotonic", lambda: now[0])

    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        for _ in range(1_000):
            now[0] += 1
            connection.sendall(b"x")

    with talking(talk) as port, pytest.raises(NotReached, match="no answer in time"):
        send(port)


def test_a_connection_that_is_not_made_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(_self: socket.socket, _address: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(NotReached, match="no connection within 15 s"):
        send(9)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "connection was closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1_000 + b"\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 " + b"9" * 100_000, "does not speak HTTP"),
        (b"HTTP/1.1 99 No\r\n\r\n", "does not speak HTTP"),
    ],
)
def test_an_answer_that_is_none_is_a_failure_in_one_line(answer: bytes, why: str) -> None:
    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(answer)

    with talking(talk) as port, pytest.raises(NotReached, match=why) as caught:
        send(port, timeout_s=WAIT_S)
    assert len(str(caught.value)) < 100


def test_a_port_where_nobody_listens_is_not_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotReached, match=r"no connection \(ConnectionRefusedError\)"):
        send(port)


def test_every_address_of_a_host_is_tried_until_one_answers(receiver: Receiver) -> None:
    port = parse_target(receiver.url, allow_private=True).port
    target = parse_target(f"http://[::1]:{port}/", allow_private=True)
    resolve = names("::1", "::1", "127.0.0.1")
    assert post(target, {}, b"{}", resolve=resolve).status == 204

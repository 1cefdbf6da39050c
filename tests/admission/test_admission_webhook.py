"""``ledger admit-webhook`` as an API server meets it: a process of its own, TLS, and a real log."""

import json
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from admission_world import policy_text
from certificates import Authority
from cli_world import SUBMISSION, Shell, process
from kubernetes_world import JOB_CONTROLLER, annotations, container, job, owner, pod, review, spec
from ports import free_port

from ledger.assembly.house import system_clock
from ledger.cli import kubernetes_reporting
from ledger.cli.webhook_admitting import _post
from ledger.settings import load_settings
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof

PATIENCE_S = 120


def eventually(ask: Callable[[], Any]) -> Any:
    """The first answer that is something; fails after two minutes."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def get(path: str) -> httpx.Response:
    return httpx.get(load_settings().public_url + path, timeout=120)


def post(client: httpx.Client, thing: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What is answered beside the uid, which is the one that was asked."""
    asked = review(thing, **more)
    answer = client.post("/validate", json=asked)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    response: dict[str, Any] = answer.json()["response"]
    assert response.pop("uid") == asked["request"]["uid"]
    return response


def refusals() -> list[dict[str, Any]]:
    size = get("/log/checkpoint").text.splitlines()[1]
    found = [get(f"/api/v1/entries/{index}").json()["data"] for index in range(int(size))]
    return [each["entry"]["statement"] for each in found if each["kind"] == "refused"]


def test_a_cluster_starts_what_the_log_admitted_and_the_log_hears_of_the_rest(
    served: Shell, tmp_path: Path
) -> None:
    vkey = get("/log/vkey").text.strip()
    served.write("policy", f"log {vkey}\nquorum none\n")
    served.ok("submit", served.write("job.toml", SUBMISSION), "--key", served.author("deepseek"))
    submitted = parse_proof((tmp_path / "job.tlog-proof").read_bytes())
    entry = json.loads(submitted.extra or b"")["entry"]
    admitted = entry["statement"]["job_id"]
    receipt = get(f"/api/v1/jobs/{admitted}/admission").text
    authority, callers = Authority(tmp_path, "server"), Authority(tmp_path, "callers")
    cert, key = authority.issue("webhook", server=True)
    api_server = callers.issue("api-server", server=False)
    port = free_port()
    webhook = [
        "admit-webhook", "--policy", "policy", "--register", "register.db", "--cert", cert,
        "--key", key, "--client-ca", callers.pem, "--listen", f"127.0.0.1:{port}", "--ledger",
        load_settings().public_url, "--author-key", served.author("orchestrator"),
        "--outbox", "outbox",
    ]  # fmt: skip
    base = f"https://127.0.0.1:{port}"
    with process(webhook, wait_for="admission webhook: ") as (running, heard):
        assert f"{base}/validate" in heard
        trusted = authority.trusted(shown=api_server)
        with httpx.Client(base_url=base, verify=trusted, timeout=120) as client:
            assert client.get("/healthz").text == "ok\n"
            # Fewer GPUs than admitted; the receipt as the ledger gives it.
            made = job(said=annotations(receipt))
            good = pod(said=annotations(receipt), owners=[owner(made["metadata"]["uid"])])
            assert post(client, good, user=JOB_CONTROLLER) == {"allowed": True}
            none = post(client, pod(said=annotations(None)))
            assert none["allowed"] is False
            assert none["status"]["message"].startswith("ledger.apsci: R3_missing_record: A start")
            used = post(client, pod(said=annotations(receipt)))
            assert "already" in used["status"]["message"]
            many = post(client, pod(spec(container(64)), said=annotations(receipt)))
            assert "64 GPUs" in many["status"]["message"]
            over = good | {"status": {"phase": "Succeeded"}}
            noted = client.post("/ended", json=review(over, old=good, operation="UPDATE"))
            assert noted.json()["response"]["allowed"] is True
            assert client.post("/validate", content=b"{}").status_code == 400
            assert client.post("/validate", content=b"x" * (3 << 20)).status_code == 400
            assert client.post("/validate", content=b"x" * ((3 << 20) + 1)).status_code == 413
            assert client.get("/validate").status_code == 405
            assert client.get("/nowhere").status_code == 404
        # Nobody else is answered: neither without a certificate nor without TLS.
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{base}/healthz", verify=authority.trusted(), timeout=120)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=120)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_S) == 0
    # What was refused is on the disk before the answer; it arrives now or at the next start.
    with process(webhook, wait_for="admission webhook: "):
        said = eventually(lambda: (found := refusals())[2:] and found)
    assert len(said) == 3
    assert {(each["public"]["code"], each.get("job_id")) for each in said} == {
        ("Q_quota", admitted),
        ("R3_missing_record", None),
        ("R3_missing_record", admitted),
    }
    assert {each["public"]["system"] for each in said} == {"kubernetes"}
    receipts = eventually(
        lambda: (found := list((tmp_path / "outbox").glob("*-proof")))[2:] and found
    )
    for each in receipts:
        open_checkpoint(parse_proof(each.read_bytes()).checkpoint, [parse_vkey(vkey)])

    # The same outbox tells the log how the run went, once.
    copied = job(said=annotations(receipt))
    copied["status"] = {"startTime": "2026-11-21T11:00:00Z"}
    made["status"] = {"startTime": "2026-11-21T12:00:00Z"}
    served.write("jobs.json", json.dumps({"kind": "List", "items": [copied, made]}))
    served.write("worth.toml", '[h200e]\nbasis = "h200e/1"\n[milli_h200]\nnvidia_h200 = 1000\n')
    report = [
        "report-jobs", "jobs.json", "--policy", "policy", "--register", "register.db",
        "--namespace", "deepseek=deepseek", "--defaults", "worth.toml", "--ledger",
        load_settings().public_url, "--author-key", served.author("orchestrator"),
        "--outbox", "outbox",
    ]  # fmt: skip
    assert served.ok(*report) == f"started: {admitted}\n"
    assert served.ok(*report) == ""
    served.write("jobs.json", json.dumps({"kind": "List", "items": [copied]}))
    with pytest.MonkeyPatch.context() as later:
        later.setattr(kubernetes_reporting, "system_clock", lambda: system_clock() + 300)
        lost = served(*report)
        assert lost.status == 2
        assert f"not reported: the run Job/{made['metadata']['uid']} of job {admitted}" in lost.err
    made["status"] |= {
        "completionTime": "2026-11-21T12:30:00Z",
        "conditions": [{"type": "Complete", "status": "True"}],
    }
    served.write("jobs.json", json.dumps(made))
    assert served.ok(*report) == f"completed: {admitted}\n"
    served(*report[:4], "--register", "nowhere.db", *report[6:]).refused("there is no register")
    state = get(f"/api/v1/jobs/{admitted}").json()["data"]
    assert state["job"]["state"] == "completed"
    del made["spec"]["template"]["metadata"]["annotations"]["ledger.apsci/receipt"]
    served.write("jobs.json", json.dumps(made))
    said_last = served(*report)
    assert said_last.status == 2
    assert "not reported: whose run an object is cannot be said: " in said_last.err


def serial(port: int, trusted: ssl.SSLContext) -> str:
    """The serial number of the certificate that is shown now."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=120) as connection,
        trusted.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        shown: dict[str, Any] = secured.getpeercert() or {}
        return str(shown["serialNumber"])


def renewed(port: int, trusted: ssl.SSLContext, first: str) -> bool:
    """Whether another certificate is shown; the process that ends may cut a connection off."""
    try:
        return serial(port, trusted) != first
    except OSError:
        return False


def asked_again(port: int, trusted: ssl.SSLContext, body: bytes) -> httpx.Response | None:
    """The answer to a review; None where the process that ends has cut it off."""
    url = f"https://127.0.0.1:{port}/validate"
    try:
        return httpx.post(url, content=body, verify=trusted, timeout=120)
    except httpx.TransportError:
        return None


@pytest.fixture
def alone(shell: Shell) -> Shell:
    """A shell with a policy, and no ledger."""
    shell.write("policy", policy_text())
    return shell


def test_a_renewed_certificate_is_taken_up_also_where_its_name_leads_elsewhere(
    alone: Shell, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "server")
    # As the kubelet mounts a secret: names that lead through one link, which is replaced.
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        cert, key = authority.issue(f"webhook-{name}", server=True)
        cert.rename(folder / "tls.crt")
        key.rename(folder / "tls.key")
    (tmp_path / "..data").symlink_to("one")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    port = free_port()
    webhook = [
        "admit-webhook", "--policy", "policy", "--register", "register.db", "--cert", "tls.crt",
        "--key", "tls.key", "--listen", f"127.0.0.1:{port}",
    ]  # fmt: skip
    with process(webhook, wait_for="admission webhook: "):
        first = serial(port, authority.trusted())
        older = authority.trusted()
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        assert serial(port, older) == first
        (tmp_path / "..new").symlink_to("two")
        (tmp_path / "..new").replace(tmp_path / "..data")
        for name in ("tls.crt", "tls.key"):
            (tmp_path / "one" / name).unlink()
        assert eventually(lambda: renewed(port, authority.trusted(), first))
        body = json.dumps(review(pod(said=annotations(None)))).encode()
        answer = eventually(lambda: asked_again(port, authority.trusted(), body))
        assert answer.json()["response"]["allowed"] is False


def test_what_would_keep_the_webhook_from_starting_is_said_in_one_line(
    alone: Shell, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "server")
    cert, key = authority.issue("webhook", server=True)
    _, other = authority.issue("other", server=True)
    begin = ["admit-webhook", "--policy", "policy", "--register", "r.db", "--cert", cert]
    alone(*begin, "--key", other).refused("--cert, --key: ")
    alone(*begin, "--key", tmp_path / "nowhere").refused("--cert, --key: ")
    alone(*begin, "--key", key, "--listen", "8443").refused("--listen: '8443' is not HOST:PORT")
    alone(*begin, "--key", key, "--listen", "127.0.0.1:0").refused("the port 0 is not from 1")
    alone(*begin, "--key", key, "--ledger", "http://127.0.0.1:1").refused("each needs the others")
    alone(*begin, "--key", key, "--namespace", "a").refused("not a new NAMESPACE=MEMBER")
    alone.write("policy", "nonsense\n")
    alone(*begin, "--key", key).refused("policy: ")


def test_the_key_of_another_log_cannot_speak_for_this_cluster(alone: Shell, tmp_path: Path) -> None:
    cert, key = Authority(tmp_path, "server").issue("webhook", server=True)
    alone.ok("keys", "new", "other.example/log/orchestrator", "--out", "o.key")
    alone(
        "admit-webhook", "--policy", "policy", "--register", "r.db", "--cert", cert, "--key", key,
        "--ledger", "http://127.0.0.1:1", "--author-key", "o.key", "--outbox", "outbox",
    ).refused("is for the log other.example/log, which the policy lacks")  # fmt: skip


def test_a_fault_in_posting_does_not_end_the_posting(caplog: pytest.LogCaptureFixture) -> None:
    class Over(BaseException):
        """What ends a thread that nothing else ends."""

    class Broken:
        rounds = 0

        def __getattr__(self, _: str) -> Any:
            return self

        def client(self, *, give_up_after_s: float) -> "Broken":
            assert give_up_after_s == 0
            return self

        def work(self, _: object) -> Any:
            self.rounds += 1
            if self.rounds == 3:
                raise Over
            raise RuntimeError("SEALED-CANARY")

        def wait(self, _: float) -> None:
            """No time passes."""

        def clear(self) -> None:
            """Nothing was said."""

    broken = Broken()
    with pytest.raises(Over):
        _post(broken, broken)  # type: ignore[arg-type]
    assert broken.rounds == 3
    assert caplog.messages == ["refusals are not posted: RuntimeError"] * 2

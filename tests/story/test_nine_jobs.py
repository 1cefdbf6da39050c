"""One good job and eight bad ones, each from the door to the page, and what a stranger makes of it.

The ledger, the gate before the cluster and the verifier are processes of their own; pods come as an
API server shows them. The same story on a real Slurm is in ``tests/slurm``.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from certificates import Authority
from cli_world import Shell, process
from kubernetes_world import annotations, claim, container, pod, review, spec
from ports import free_port

from ledger.settings import load_settings
from ledger.tlog.proof import parse_proof

VERIFY = Path(__file__).parents[2] / "scripts" / "verify.py"
PATIENCE_S = 120
MODEL = {"model.name": "whale-4", "model.weights_digest": {"sha256": "a" * 64}}
SUBMISSION: dict[str, Any] = {
    "kind": "submitted",
    "schema": "job-submitted/1",
    "public": {
        "workload_type": "eval_suite",
        "gradient_scope": "none",
        "optimizer_targets": [],
        "accelerator": "nvidia_h200",
        "gpu_count": 8,
        "wall_limit_seconds": 3600,
        "egress_ceiling_bytes": 50_000,
    },
    "sealed": {"title": "canary-sealed-value", **MODEL},
}


class Story:
    """What members, the orchestrator, the gateway and readers do, in their own words."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self._count = 0

    def get(self, path: str) -> httpx.Response:
        return httpx.get(load_settings().public_url + path, timeout=120)

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, path
        return answer.text

    def submit(self, **public: Any) -> tuple[str, str]:
        """A member submits a job; (its ID, what the ledger decided)."""
        self._count += 1
        name = f"job-{self._count}"
        statement = SUBMISSION | {"public": SUBMISSION["public"] | public}
        self.shell.write(f"{name}.json", json.dumps(statement))
        key = self.shell.author("deepseek")
        said = self.shell.ok("submit", f"{name}.json", "--key", key)
        proof = parse_proof((self.shell.folder / f"{name}.tlog-proof").read_bytes())
        entry = json.loads(proof.extra or b"")["entry"]
        return entry["statement"]["job_id"], said

    def receipt(self, job: str) -> str:
        return self.get(f"/api/v1/jobs/{job}/admission").text

    def say(self, kind: str, job: str, public: dict[str, Any], **sealed: Any) -> None:
        """The orchestrator reports."""
        self._count += 1
        name = f"said-{self._count}.json"
        schema = "job-started/1" if kind == "started" else "job-ended/1"
        statement = {"kind": kind, "schema": schema, "job_id": job, "public": public}
        if kind != "started":
            statement["sealed"] = sealed
        self.shell.write(name, json.dumps(statement))
        self.shell.ok("submit", name, "--key", self.shell.author("orchestrator"))

    def start(self, job: str) -> None:
        self.say("started", job, {"started_at": "2026-11-21T12:00:00Z", "gpu_count": 8})

    def end(self, job: str, *, after: str = "a") -> None:
        public = {
            "started_at": "2026-11-21T12:00:00Z",
            "ended_at": "2026-11-21T12:30:00Z",
            "wall_seconds": 1800,
            "gpu_seconds": 14_400,
            "h200e_seconds": 14_400,
            "h200e_basis": "h200e/1",
            "exit_status": "completed",
            "weights_unchanged": True,
            "weights_check": "oms_root",
        }
        self.say("completed", job, public, **{"model.weights_digest_after": {"sha256": after * 64}})

    def put(self, job: str, name: str, content: bytes) -> Any:
        """The gateway brings an artifact to the door."""
        path = self.shell.folder / "artifact.txt"
        path.write_bytes(content)
        return self.shell(
            "artifact", "put", path, "--job", job, "--name", name, "--class", "document",
            "--key", self.shell.author("gateway"),
        )  # fmt: skip

    def codes(self, job: str, kind: str) -> list[str]:
        """The codes of this job's entries of a kind, in log order."""
        told = self.get(f"/api/v1/jobs/{job}").json()["data"]["events"]
        return [
            found["code"]
            for each in told
            if each["kind"] == kind
            for found in each["findings"] or ()
        ]

    def refused_starts(self, least: int) -> list[dict[str, Any]]:
        """Every refused start that the log holds, once there are so many."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            size = int(self.get("/log/checkpoint").text.splitlines()[1])
            data = [self.get(f"/api/v1/entries/{n}").json()["data"] for n in range(size)]
            found = [e["entry"]["statement"] for e in data if e["kind"] == "refused"]
            if len(found) >= least:
                return found
            time.sleep(0.1)
        raise AssertionError(f"fewer than {least} refused starts were logged")


@contextmanager
def gate(shell: Shell, folder: Path) -> Iterator[httpx.Client]:
    """The admission webhook as the API server asks it: TLS, its own process and register."""
    vkey = httpx.get(load_settings().public_url + "/log/vkey", timeout=120).text.strip()
    shell.write("policy", f"log {vkey}\nquorum none\n")
    authority = Authority(folder, "server")
    cert, key = authority.issue("webhook", server=True)
    port = free_port()
    webhook = [
        "admit-webhook", "--policy", "policy", "--register", "register.db", "--cert", cert,
        "--key", key, "--listen", f"127.0.0.1:{port}", "--ledger", load_settings().public_url,
        "--author-key", shell.author("orchestrator"), "--outbox", "outbox",
    ]  # fmt: skip
    base = f"https://127.0.0.1:{port}"
    with (
        process(webhook, wait_for="admission webhook: "),
        httpx.Client(base_url=base, verify=authority.trusted(), timeout=120) as client,
    ):
        yield client


def asked(client: httpx.Client, thing: dict[str, Any]) -> str:
    """What a user of the cluster sees: nothing where the pod starts."""
    answer = client.post("/validate", json=review(thing))
    assert answer.status_code == 200
    response = answer.json()["response"]
    assert response["allowed"] is ("status" not in response)
    message: str = response.get("status", {}).get("message", "")
    return message


@pytest.fixture
def story(shell: Shell) -> Story:
    return Story(shell)


def test_one_good_job_and_eight_bad_ones_from_the_door_to_the_page(
    story: Story, shell: Shell, tmp_path: Path
) -> None:
    good, said = story.submit()
    assert "decision: admitted" in said
    changed, _ = story.submit()
    writable, _ = story.submit()
    greedy, _ = story.submit()
    receipts = {job: story.receipt(job) for job in (good, changed, writable, greedy)}

    with gate(shell, tmp_path) as cluster:
        # The good one starts with its receipt.
        assert asked(cluster, pod(said=annotations(receipts[good]))) == ""
        assert asked(cluster, pod(said=annotations(receipts[changed]))) == ""
        # 1: no receipt. 2: one that was used. 3: more GPUs. 4: weights that can be written.
        assert "R3_missing_record" in asked(cluster, pod(said=annotations(None)))
        assert "R3_missing_record" in asked(cluster, pod(said=annotations(receipts[good])))
        more = pod(spec(container(64)), said=annotations(receipts[greedy]))
        assert "Q_quota" in asked(cluster, more)
        plan = spec(volumes=[claim(ro=False)])
        assert "R1_weight_delta" in asked(cluster, pod(plan, said=annotations(receipts[writable])))
        starts = story.refused_starts(4)
    assert sorted((each["public"]["code"], each.get("job_id", "")) for each in starts) == sorted(
        [
            ("R3_missing_record", ""),
            ("R3_missing_record", good),
            ("Q_quota", greedy),
            ("R1_weight_delta", writable),
        ]
    )

    # 5 and 6: what the charter forbids is not even admitted, and has no receipt.
    lora, said = story.submit(workload_type="lora")
    assert "R1_forbidden_workload: " in said
    assert story.get(f"/api/v1/jobs/{lora}/admission").status_code == 404
    trained, said = story.submit(
        workload_type="linear_probe",
        gradient_scope="activations",
        optimizer_targets=["uploaded_model"],
    )
    assert "R1_optimizer_on_uploaded_model: " in said

    # 7: the weights are not what they were; and the good job ends with the weights it began with.
    for job in (good, changed):
        story.start(job)
    story.end(changed, after="b")
    assert story.codes(changed, "finding") == ["R1_digest_mismatch"]
    assert story.put(changed, "report.txt", b"late").status != 0

    # 8: over the ceiling, in one part and in a hundred. 50,000 bytes are let out, and not one more.
    story.start(greedy)
    whole = story.put(greedy, "all.txt", b"x" * 50_001)
    assert whole.status != 0
    assert story.codes(greedy, "finding") == ["R2_egress_ceiling"]
    parts = [story.put(greedy, f"part-{n}.txt", b"y" * 1_000).status for n in range(100)]
    assert (parts[:50], set(parts[50:])) == ([0] * 50, {parts[-1]})
    assert parts[-1] != 0
    assert story.codes(greedy, "finding") == ["R2_egress_ceiling"] * 51
    shown = story.get(f"/api/v1/jobs/{greedy}").json()["data"]["job"]
    assert shown["egress_bytes"] == 50_000

    kept = story.put(good, "report.txt", b"All is well.\n")
    assert kept.status == 0, kept
    story.end(good)
    assert story.codes(good, "finding") == []

    # The pages say it, in both languages, and nothing sealed is on any of them.
    for lang in ("en", "zh-Hans"):
        for job, code in (
            (good, None),
            (good, "R3_missing_record"),
            (greedy, "Q_quota"),
            (writable, "R1_weight_delta"),
            (lora, "R1_forbidden_workload"),
            (trained, "R1_optimizer_on_uploaded_model"),
            (changed, "R1_digest_mismatch"),
            (greedy, "R2_egress_ceiling"),
        ):
            page = story.page(f"/{lang}/jobs/{job}")
            assert code is None or code in page
            assert "canary-sealed-value" not in page
        listed = story.page(f"/{lang}/rejections")
        # The newest findings about runs are the hundred parts'; what is older is one link further.
        for job in (good, writable, greedy, lora, trained):
            assert f"jobs/{job}" in listed
    older = story.get("/api/v1/findings?limit=200").json()["data"]
    assert changed in {each["job_id"] for each in older}
    assert "quarantined" in story.page(f"/en/jobs/{changed}")
    assert "quarantined" not in story.page(f"/en/jobs/{good}")

    # A stranger replays all of it: what was refused and found is there, nothing is missing.
    vkey = story.get("/log/vkey").text.strip()
    done = subprocess.run(
        [sys.executable, VERIFY, load_settings().public_url, "--vkey", vkey, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    told = json.loads(done.stdout)
    assert told["findings"] == []
    assert told["counts"] == {
        "genesis": 1,
        "submitted": 6,
        "admitted": 4,
        "rejected": 2,
        "refused": 4,
        "started": 3,
        "completed": 2,
        "finding": 52,
        "egress": 51,
    }
    assert shell("fsck").status == 0

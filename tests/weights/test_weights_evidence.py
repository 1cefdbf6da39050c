"""Evidence that weights did not change: made on one machine, checked on another."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path, PurePosixPath

import kit
import pytest

from ledger.records.authoring import author_statement
from ledger.weights import evidence
from ledger.weights.mounts import (
    MOUNTINFO,
    MountReport,
    format_report,
    judge_mount,
    parse_mountinfo,
    parse_report,
)
from ledger.weights.refusal import WeightsRefused

Cli = Callable[..., tuple[int, str, str]]
LOOKED_AT = "2026-11-21T12:00:00Z"
JOB = "01JD9ZZZZZZZZZZZZZZZZZZZZZ"
ENDED = {
    "started_at": LOOKED_AT,
    "ended_at": LOOKED_AT,
    "wall_seconds": 0,
    "gpu_seconds": 0,
    "h200e_seconds": 0,
    "h200e_basis": "h200e/1",
    "exit_status": "completed",
    "weights_unchanged": True,
    "weights_check": "readonly_mount",
}
POD = """\
610 533 0:212 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
611 610 0:215 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
612 610 0:216 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k
613 610 259:3 /pods/volumes/model /models ro,relatime - ext4 /dev/nvme1n1 rw
614 610 0:99 /weights /srv/my\\040weights ro,relatime shared:7 master:9 - nfs4 10.0.0.9:/w ro
615 610 259:3 /pods/etc-hosts /etc/hosts rw,relatime - ext4 /dev/nvme1n1 rw
616 610 0:300 / /scratch rw,relatime - tmpfs tmpfs rw
"""
"""A pod with a model read only by its mount, and one read only by its file system too."""


def judge(text: str, folder: str) -> MountReport:
    return judge_mount(
        parse_mountinfo(text), PurePosixPath(folder), looked_at=LOOKED_AT, job_id=JOB
    )


def answers(report: MountReport) -> tuple[bool, bool, bool, bool]:
    return (
        report.mount_read_only,
        report.superblock_read_only,
        report.writable_below,
        report.writable_elsewhere,
    )


def test_a_mount_is_read_only_by_itself_or_by_its_file_system() -> None:
    assert answers(judge(POD, "/models/llama")) == (True, False, False, False)
    assert answers(judge(POD, "/srv/my weights")) == (True, True, False, False)
    assert answers(judge(POD, "/modelsx")) == (False, False, False, False)
    assert answers(judge(POD, "/")) == (False, False, True, False)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("700 613 0:400 / /models/cache rw - tmpfs tmpfs rw", (True, False, True, False)),
        ("700 613 0:400 / /models/cache rw - tmpfs tmpfs ro", (True, False, False, False)),
        ("700 610 259:3 /pods/volumes/model /work rw - ext4 d rw", (True, False, False, True)),
        ("700 610 259:3 /pods/volumes /work rw - ext4 d rw", (True, False, False, True)),
        ("700 610 259:3 /pods/volumes/model/a /work rw - ext4 d rw", (True, False, False, True)),
        ("700 610 259:3 /pods/volumes/model /work ro - ext4 d rw", (True, False, False, False)),
        ("700 610 259:3 /pods/volumes/model2 /work rw - ext4 d rw", (True, False, False, False)),
        ("700 613 0:400 / /models rw - tmpfs tmpfs rw", (False, False, False, False)),
        ("700 613 0:400 / /models/llama rw - tmpfs tmpfs rw", (False, False, False, False)),
        ("700 610 0:400 / /mod rw - tmpfs tmpfs rw", (True, False, False, False)),
    ],
)
def test_what_is_mounted_besides_is_seen(
    line: str, expected: tuple[bool, bool, bool, bool]
) -> None:
    assert answers(judge(f"{POD}{line}\n", "/models/llama"))[:2] == expected[:2]
    folder = "/models" if "/models/cache" in line else "/models/llama"
    assert answers(judge(f"{POD}{line}\n", folder)) == expected


def test_a_mount_higher_up_hides_one_that_was_there_before_it() -> None:
    later = f"{POD}700 610 0:400 / /srv rw,relatime - tmpfs tmpfs rw\n"
    assert answers(judge(later, "/srv/my weights"))[:2] == (False, False)
    earlier = later.replace("614 610 0:99", "614 700 0:99")
    assert answers(judge(earlier, "/srv/my weights"))[:2] == (True, True)


def test_this_machine_is_judged_as_its_kernel_judges_it() -> None:
    mounts = parse_mountinfo(Path(MOUNTINFO).read_text("utf-8"))
    judged = 0
    for mount in mounts:
        if not os.access(mount.point, os.X_OK) or not Path(mount.point).is_dir():
            continue
        kernel = os.statvfs(mount.point)
        report = judge_mount(mounts, mount.point, looked_at=LOOKED_AT)
        read_only = report.mount_read_only or report.superblock_read_only
        assert read_only == bool(kernel.f_flag & os.ST_RDONLY), mount
        judged += 1
    assert judged > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1 is not one of mountinfo"),
        ("610 533 0:212 / / rw overlay overlay rw\n", "line 1 is not one of mountinfo"),
        (POD + "x 610 0:1 / /x rw - a b rw\n", "line 8: a mount's number"),
        (POD + "٣ 610 0:1 / /x rw - a b rw\n", "line 8: a mount's number"),
        (POD.replace("610 533 0:212 / /", "610 533 0:212 / /x"), "have no one root"),
        (POD * 1500, "more than 10000 mounts"),
    ],
)
def test_what_is_not_the_mounts_of_a_process_is_refused(text: str, words: str) -> None:
    with pytest.raises(WeightsRefused, match=words):
        judge(text, "/models")


@pytest.mark.parametrize("folder", ["models", "/models/../scratch"])
def test_a_path_that_could_mean_another_folder_is_refused(folder: str) -> None:
    with pytest.raises(WeightsRefused, match="a path from the root is needed"):
        judge(POD, folder)


def test_a_report_holds_no_path_no_device_and_no_host() -> None:
    report = format_report(judge(POD, "/srv/my weights"))
    assert json.loads(report) == {
        "format": "apsci-readonly-mount/1",
        "job_id": JOB,
        "looked_at": LOOKED_AT,
        "mount_read_only": True,
        "superblock_read_only": True,
        "writable_below": False,
        "writable_elsewhere": False,
    }
    assert parse_report(report) == judge(POD, "/srv/my weights")
    for damaged in (report + b"\n", report[:-1], b"[]", report.replace(b"true", b"1")):
        with pytest.raises(WeightsRefused, match="not a report of a mount"):
            parse_report(damaged)


def digest_file(folder: Path, name: str, data: bytes, cli: Cli) -> str:
    model = folder / "model"
    model.mkdir(exist_ok=True)
    (model / "weights.bin").write_bytes(data)
    status, out, _ = cli("weights", "digest", "--json", str(model))
    assert status == 0
    (folder / name).write_text(out, "utf-8")
    return str(folder / name)


def test_evidence_is_made_and_checked_by_whoever_has_the_reports(tmp_path: Path, cli: Cli) -> None:
    before = digest_file(tmp_path, "before", b"weights", cli)
    after = digest_file(tmp_path, "after", b"weights", cli)
    (tmp_path / "mountinfo").write_text(POD, "utf-8")
    report, quote = tmp_path / "report", tmp_path / "quote"
    quote.write_bytes(b"a quote of some hardware")
    made = ("--before", before, "--after", after, "--mount", "/models", "--mountinfo",
            str(tmp_path / "mountinfo"), "--report", str(report), "--job-id", JOB)  # fmt: skip
    status, out, err = cli("weights", "evidence", *made)
    assert (status, err) == (0, "")
    root = json.loads(Path(before).read_text("utf-8"))["root"]
    assert json.loads(out) == [
        {"kind": "oms_root", "before": root, "after": root},
        {
            "kind": "readonly_mount",
            "report": {"sha256": sha256(report.read_bytes()).hexdigest()},
        },
    ]
    for word in ("models", "weights.bin", "nvme", str(tmp_path)):
        assert word not in out
    author_statement(
        signer=kit.SIGNERS["orchestrator"],
        kind="completed",
        schema="job-ended/2",
        public=ENDED,
        made_at=kit.MADE_AT,
        job_id=JOB,
        sealed={"model.weights_evidence": json.loads(out)},
        seed=bytes(32),
    )
    listed = tmp_path / "evidence.json"
    listed.write_text(out, "utf-8")
    assert cli("weights", "verify", str(listed), str(report)) == (
        0,
        "oms_root: verified\nreadonly_mount: verified\n",
        "",
    )
    status, out, err = cli("weights", "verify", str(listed))
    assert (status, out) == (2, "oms_root: verified\n")
    assert err == "ledger: readonly_mount: what its digest names is not among the files given\n"
    assert cli("weights", "evidence", *made)[0] == 2  # the report is there already


def test_digests_that_differ_make_evidence_that_says_so(tmp_path: Path, cli: Cli) -> None:
    before = digest_file(tmp_path, "before", b"weights", cli)
    after = digest_file(tmp_path, "after", b"Weights", cli)
    status, out, err = cli("weights", "evidence", "--before", before, "--after", after)
    assert status == 1
    assert "changed: weights.bin" in err
    (made,) = json.loads(out)
    assert made["before"] != made["after"]
    (tmp_path / "evidence.json").write_text(out, "utf-8")
    status, out, err = cli("weights", "verify", str(tmp_path / "evidence.json"))
    assert (status, out) == (1, "")
    assert "the root digests before and after are not the same" in err


@pytest.mark.parametrize("folder", ["/scratch", "/", "/models/cache"])
def test_a_folder_that_can_be_written_to_is_no_evidence(
    tmp_path: Path, cli: Cli, folder: str
) -> None:
    (tmp_path / "mountinfo").write_text(
        f"{POD}700 613 0:400 / /models/cache rw - tmpfs tmpfs rw\n", "utf-8"
    )
    status, out, err = cli(
        "weights", "evidence", "--mount", folder, "--mountinfo", str(tmp_path / "mountinfo"),
        "--report", str(tmp_path / "report"),
    )  # fmt: skip
    assert (status, out) == (1, "")
    assert err == f"ledger: {folder}: the mount can be written to\n"
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("change", ["mount_read_only", "writable_below", "writable_elsewhere"])
def test_a_report_that_says_otherwise_disproves_the_evidence(
    tmp_path: Path, cli: Cli, change: str
) -> None:
    said = json.loads(format_report(judge(POD, "/models")))
    said[change] = not said[change]
    data = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    (tmp_path / "report").write_bytes(data)
    piece = {"kind": "readonly_mount", "report": {"sha256": sha256(data).hexdigest()}}
    (tmp_path / "evidence").write_text(json.dumps([piece]), "utf-8")
    status, out, err = cli("weights", "verify", str(tmp_path / "evidence"), f"{tmp_path}/report")
    assert (status, out) == (1, "")
    assert err.startswith("ledger: readonly_mount: ")


def test_an_attestation_is_verified_by_a_package_that_can_and_by_nobody_else(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    quote = tmp_path / "quote"
    quote.write_bytes(b"a quote")
    status, out, _ = cli("weights", "evidence", "--quote", "tdx_quote_v4", str(quote))
    assert status == 0
    listed = tmp_path / "evidence"
    listed.write_text(out, "utf-8")
    status, out, err = cli("weights", "verify", str(listed), str(quote))
    assert (status, out) == (2, "")
    assert err == (
        "ledger: tee_attestation: no verifier of tdx_quote_v4 is installed:"
        " nothing is said about it\n"
    )
    asked: list[str] = []

    def installed(name: str) -> None:
        point = EntryPoint("tdx_quote_v4", f"tee_world:{name}", evidence.TEE_VERIFIERS)

        def entry_points(*, group: str) -> EntryPoints:
            asked.append(group)
            return EntryPoints([point])

        monkeypatch.setattr(evidence, "entry_points", entry_points)

    installed("accepts")
    assert cli("weights", "verify", str(listed), str(quote)) == (
        0,
        "tee_attestation: verified\n",
        "",
    )
    installed("refuses")
    status, _, err = cli("weights", "verify", str(listed), str(quote))
    assert status == 1
    assert err == "ledger: tee_attestation: the tdx_quote_v4 verifier refuses: ValueError\n"
    assert set(asked) == {"apsci_ledger.tee_verifiers"}


SHA = {"sha256": "0" * 64}


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "[1]", "[{}]", "[" * 50_000,
        json.dumps([{"kind": "hope"}]),
        json.dumps([{"kind": "oms_root", "before": SHA}]),
        json.dumps([{"kind": "oms_root", "before": SHA, "after": SHA, "report": SHA}]),
        json.dumps([{"kind": "oms_root", "before": SHA, "after": {"sha256": "0"}}]),
        json.dumps([{"kind": "readonly_mount", "report": SHA, "format": "x"}]),
        json.dumps([{"kind": "tee_attestation", "report": SHA}]),
    ],
)  # fmt: skip
def test_what_is_no_evidence_is_refused_in_one_line(tmp_path: Path, cli: Cli, text: str) -> None:
    (tmp_path / "evidence").write_text(text, "utf-8")
    status, out, err = cli("weights", "verify", str(tmp_path / "evidence"))
    assert (status, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "evidence of what?"),
        (("--before", "x"), "give both"),
        (("--mount", "/"), "give both"),
        (("--mount", "/nowhere/at/all", "--report", "r"), "No such file"),
        (("--mount", "/", "--report", "r", "--job-id", "7"), "--job-id"),
        (("--quote", "TDX", "x"), "FORMAT"),
        (("--quote", "tdx", "/nowhere/at/all"), "No such file"),
    ],
)
def test_evidence_of_nothing_is_refused(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    status, out, err = cli("weights", "evidence", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err

"""What fuzzing asks of everything else that reads a stranger's bytes: one law.

Whatever a file or an answer holds, its reader returns or refuses in the ledger's own words: no
other exception, and no end of the process. Files that are damaged are those that other programs
write (Slurm, Kueue, Kubernetes, inspect_ai, lm-eval, cluster traces), those that people write
(settings, webhooks, mappings, statements, charters), requests, and artifacts as they are sniffed
and written anew.
"""

import atexit
import gzip
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from fuzz_corpus import small
from fuzz_targets import law, refusing
from mutations import TOKENS, damage, damage_json
from PIL import Image

from ledger.admission.kubernetes import parse_review
from ledger.admission.kubernetes_endings import living, split
from ledger.admission.kueue import parse_workload
from ledger.admission.receipt import read_admission
from ledger.admission.slurm.job import ending, find_job, requeued_at, waits
from ledger.artifacts.forms import form_of
from ledger.cli.common import read_document
from ledger.importers.drafts import make_drafts, parse_defaults
from ledger.importers.facts import Facts
from ledger.importers.jobs_file import AUTO, read_jobs
from ledger.importers.mapping import load_mapping
from ledger.importers.trace import read_trace
from ledger.records.amending import amended
from ledger.records.asked import parse_asked
from ledger.records.charter import default_charter
from ledger.settings import load_settings
from ledger.tlog.policy import parse_policy
from ledger.webhooks.config import read_webhooks
from ledger.weights.digest_file import format_digest, parse_digest
from ledger.weights.oms import FileDigest, WeightsDigest, root_of
from schemas.statements import ArtifactClass
from web.bodies import check_framing
from web.bulk_files import byte_range
from web.query import decode_cursor, digest, integer, parse_query, slug, wants_count
from web.writing import split_lines

FIXTURES = Path(__file__).parents[1] / "importers" / "fixtures"
JOB_ID = "01JD9ZZZZZZZZZZZZZZZZZZZZZ"
NAMES = {"nvidia-h200": "nvidia_h200", "a100": "nvidia_a100"}
WRITTEN_AT_MOST = 1 << 22
TRACE = b"""\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,\
scheduled_time
one,4000,8192,1,1000,,LS,Succeeded,100,3800,200
two,4000,8192,8,1000,V100M16|V100M32,BE,Failed,150,99999,
three,100,10,0,0,,Burstable,Running,200,,300
"""
WEBHOOKS = b"""\
[[webhook]]
name = "newsroom"
url = "https://receiver.example/ledger"
secret_file = "newsroom.secret"
events = ["published", "rejected"]

[webhook.search]
member = "alpha"
state = "failed"
"""
SETTINGS = b"""\
data_dir = "ledger-data"
host = "127.0.0.1"
port = 8000
public_url = "https://ledger.example"
rate_per_minute = 100
trusted_proxies = "10.0.0.0/8,::1"
export_at = "03:00"
contact = "mailto:someone@example.org"
policy = "policy.txt"
"""
STATEMENT = b"""\
kind = "submitted"
schema = "job-submitted/1"

[public]
workload_type = "eval_suite"
optimizer_targets = []
gpu_count = 8

[sealed]
title = "A title"
"model.name" = "whale-4"
"""
DEFAULTS = b"""\
gpu_count = 8
accelerator = "nvidia_h200"
[milli_h200]
nvidia_a100 = 400
"""
QUERY = b"q=%E7%BA%A2%E9%98%9F+alpha&member=beta&from=2026-11-01&limit=50&cursor=aTEw&at=7"


@cache
def folder() -> Path:
    """A folder of this process's own, in memory where there is one for that."""
    shared = Path("/dev/shm")
    made = tempfile.mkdtemp(prefix="fuzz-files-", dir=shared if shared.is_dir() else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def written(data: bytes, name: str = "file") -> Path:
    """The bytes as a file."""
    path = folder() / name
    path.write_bytes(data)
    return path


@cache
def fixtures() -> tuple[bytes, ...]:
    """What other programs wrote, each as it came."""
    found = sorted(FIXTURES.glob("*.json"))
    assert len(found) >= 10
    return tuple(each.read_bytes() for each in found)


def document(data: bytes, dice: Random) -> bytes:
    """JSON, damaged as JSON or as bytes."""
    if dice.random() < 0.6:
        for _ in range(dice.randint(1, 3)):
            # Parsed each time: what is put in belongs to everybody, and is not to be damaged.
            data = json.dumps(damage_json(json.loads(data), dice)).encode()
        if dice.random() < 0.8:
            return data
    return damage(data, dice, fixtures())


@law(30)
def importers_read_any_file_of_jobs(dice: Random) -> None:
    path = written(document(dice.choice(fixtures()), dice), "jobs.json")
    with refusing():
        found = read_jobs(path, format_=AUTO, names=NAMES, sketch=dice.random() < 0.3)
        defaults = parse_defaults(DEFAULTS.decode())
        for facts in found.jobs:
            _drafted(facts, defaults)


def _drafted(facts: Facts, defaults: Any) -> None:
    with refusing():
        for draft in make_drafts(facts, defaults, job_id=JOB_ID):
            json.dumps(draft.document)


@law(20)
def importers_read_any_trace(dice: Random) -> None:
    path = written(damage(TRACE, dice), "trace.csv")
    with refusing():
        read_trace(path, load_mapping())


@law(20)
def people_write_settings_as_they_like(dice: Random) -> None:
    kind = dice.randrange(5)
    with refusing():
        match kind:
            case 0:
                file = written(damage(SETTINGS, dice), "ledger.toml")
                with patch.dict(os.environ, {"LEDGER_CONFIG": str(file)}):
                    load_settings()
            case 1:
                read_webhooks(written(damage(WEBHOOKS, dice), "hooks.toml"))
            case 2:
                read_document(written(damage(STATEMENT, dice), "statement.toml"))
            case 3:
                parse_defaults(damage(DEFAULTS, dice).decode("utf-8", "replace"))
            case _:
                mapping = damage(_mapping(), dice)
                load_mapping(str(written(mapping, "mapping.toml")))


@cache
def _mapping() -> bytes:
    from ledger.importers.mapping import _read  # noqa: PLC0415 - the bytes of what is shipped

    return _read("alibaba_gpu_2023")


@law(20)
def schedulers_say_what_they_like(dice: Random) -> None:
    data = document(dice.choice((*fixtures(), _review())), dice)
    readers: tuple[Callable[[bytes], Any], ...] = (
        parse_review,
        parse_workload,
        split,
        living,
        lambda text: find_job(text, 7),
        lambda text: ending(text, 7),
        lambda text: waits(text, 7),
        lambda text: requeued_at(text, 7),
    )
    for reader in readers:
        with refusing():
            reader(data)


@cache
def _review() -> bytes:
    pod = {
        "metadata": {"name": "run", "annotations": {"ledger.example/receipt": "x"}},
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "8"}}}]},
    }
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {"uid": "1", "kind": kind, "operation": "CREATE", "object": pod}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(review).encode()


@law(20)
def nobody_breaks_a_receipt_of_admission(dice: Random) -> None:
    policy = parse_policy(small().policy.decode())
    with refusing():
        read_admission(damage(dice.choice(small().receipts), dice), policy=policy)


@law(30)
def requests_say_what_they_like(dice: Random) -> None:
    asked = {"author": "alpha", "public": {"workload_type": "lora", "gpu_count": 8}}
    with refusing():
        parse_asked(document(json.dumps(asked).encode(), dice))
    with refusing():
        split_lines(damage(b"{}\n{}\n", dice))
    with refusing():
        for name, value in parse_query(damage(QUERY, dice)).items():
            for reader in (integer, slug):
                with refusing():
                    reader({name: value}, name)
            with refusing():
                digest(value)
            with refusing():
                wants_count({"count": value})
            with refusing():
                decode_cursor({"cursor": value})
    asked_for = damage(b"bytes=0-499,500-,-7", dice).decode("latin-1")
    part = byte_range(asked_for, 1_000)
    assert part is None or (part[0] >= 0 and part[1] <= 1_000)
    with refusing():
        check_framing({"headers": [(b"host", damage(b"ledger.example", dice))]})


@law(20)
def charters_and_digests_are_as_they_like(dice: Random) -> None:
    change = {"embargo_days": 60, "in_force_from": "2027-01-01T00:00:00Z", "quota": {"gpus": 8}}
    with refusing():
        amended(default_charter(), damage_json(change, dice), council=dice.randint(0, 3))
    with refusing():
        parse_digest(damage(_weights(), dice))


@cache
def _weights() -> bytes:
    files = (FileDigest("a.bin", "ab" * 32, 3), FileDigest("b.bin", "cd" * 32, 4))
    return format_digest(WeightsDigest(root_of(files), files))


@law(40)
def the_door_sniffs_any_artifact(dice: Random) -> None:
    data = dice.choice(artifacts())
    if dice.random() < 0.9:
        data = damage(data, dice, artifacts())
    kind = dice.choice(list(ArtifactClass))
    name = dice.choice(("a.png", "a.csv", "a.json", "a.jsonl", "a.md", "a.zip", "a"))
    with refusing():
        form = form_of(kind, name, io.BytesIO(data), size=len(data))
        if form.rewrite is not None:
            out = bytearray()

            def write(part: bytes) -> None:
                out.extend(part)
                assert len(out) <= WRITTEN_AT_MOST

            form.rewrite(write)


@cache
def artifacts() -> tuple[bytes, ...]:
    """Small honest artifacts of every kind, and some that only look like one."""
    picture = io.BytesIO()
    Image.new("RGB", (7, 5), (1, 2, 3)).save(picture, "PNG")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("readme.txt", "text " * 50)
        packed.writestr("model/data.pkl", b"\x80\x04\x95")
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return (
        picture.getvalue(),
        archive.getvalue(),
        gzip.compress(b"\x80\x04\x95" + b"x" * 100),
        len(header).to_bytes(8, "little") + header + bytes(4),
        b'name,score\nalpha,1\n"be,ta",2\n',
        b'{"a":[1,2,{"b":null}],"c":"\xe7\xba\xa2"}',
        b'{"a":1}\n{"a":2}\n',
        b"# A page\n\nwith text.\n",
        b"PAR1" + bytes(40) + b"PAR1",
        b"\x80\x04\x95\x0b" + b"".join(TOKENS),
        b"\x08\x07\x12\x0bonnx-export",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n",
    )

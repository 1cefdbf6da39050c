"""A job as an in-toto Statement (attestation framework, v1): what it used and made, by digest.

The Statement itself is not signed. What speaks for it stands in its predicate: for each entry with
a sealed part the author's own DSSE envelope and the log's receipt. So it says nothing that could
not be checked without us, and claims no signature that nobody gave.
"""

import hashlib
from typing import Any, Final

import msgspec
from litestar import Response

from ledger.reader import View
from ledger.records.opened import artifacts_of, model_of
from schemas.answers import EntryShown, JobDetail, SealedPart
from schemas.values import Artifact
from web import dsse
from web.doors import Asked

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_PAGE: Final = "/en/docs/exchange#job-v1"
"""Where the predicate is explained: its type is this address of the ledger that made it."""

Json = dict[str, Any]


def statement(asking: Asked, view: View, job_id: str) -> Response[bytes]:
    """The Statement about a job as of a view. Raises NotFound."""
    detail = view.job(job_id)
    made = {
        "_type": STATEMENT_TYPE,
        "subject": _subjects(asking, view, detail),
        "predicateType": asking.public_url + PREDICATE_PAGE,
        "predicate": _predicate(asking, view, detail),
    }
    return Response(msgspec.json.encode(made), media_type=dsse.JSON)


def _subjects(asking: Asked, view: View, detail: JobDetail) -> list[Json]:
    """The model and the artifacts that opened records name; before that, the submission itself."""
    found: list[Json] = []
    for part in detail.sealed:
        if part.disclosure is None:
            continue
        model = model_of(part.disclosure.fields)
        if model is not None:
            found.append(_described("model", model.digest, name=model.name))
        found += [_of_artifact(each) for each in artifacts_of(part.disclosure.fields)]
    return found or [_of_entry(asking, view.entry(detail.job.submitted_index))]


def _described(role: str, digest: str, *, name: str | None) -> Json:
    named = {} if name is None else {"name": name}
    return {**named, "digest": {"sha256": digest}, "annotations": {"role": role}}


def _of_artifact(artifact: Artifact) -> Json:
    made = _described("artifact", artifact.digest.sha256, name=artifact.name)
    if artifact.uri is not None:
        made["uri"] = artifact.uri
    made["annotations"] |= {
        "bytes": artifact.bytes,
        "content_access": artifact.content_access,
        "kind": artifact.kind,
    }
    return made


def _of_entry(asking: Asked, shown: EntryShown) -> Json:
    # The digest is of the entry's public bytes; the leaf hash is of a zero byte and these.
    return {
        "name": f"entry {shown.index} of {asking.house.origin}",
        "uri": f"{asking.public_url}/entries/{shown.index}",
        "digest": {"sha256": hashlib.sha256(bytes(shown.entry)).hexdigest()},
        "annotations": {"leaf_hash": shown.leaf_hash, "role": "entry"},
    }


def _predicate(asking: Asked, view: View, detail: JobDetail) -> Json:
    return {
        "ledger": {
            "origin": asking.house.origin,
            "url": asking.public_url,
            "vkey": asking.house.vkey,
            "state": view.state(),
        },
        "job": detail.job,
        "decision": detail.decision,
        "sealed": detail.sealed,
        "events": detail.events,
        "evidence": [_evidence(view, part) for part in detail.sealed],
    }


def _evidence(view: View, part: SealedPart) -> Json:
    """What proves one sealed entry: null for the receipt where no checkpoint has this size."""
    return {
        "index": part.index,
        "envelope": dsse.envelope(view.entry(part.index)),
        "receipt": None if view.checkpoint is None else view.receipt(part.index).decode(),
    }

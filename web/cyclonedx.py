"""A job as a CycloneDX 1.7 bill of materials: its model, code and outputs, and how it ran.

What the job is stands in ``formulation`` as one workflow; what opened records name by digest stands
in ``components``. Nothing is in it that the log does not show at the tree size asked for, which is
also the document's version: a later state of the same job has a higher one.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from litestar import Response

from ledger.reader import View
from ledger.records.opened import artifacts_of, model_of
from schemas.answers import JobDetail, JobShown
from schemas.values import ResourceDescriptor
from web.doors import Asked

SPEC_VERSION: Final = "1.7"
MEDIA_TYPE: Final = f"application/vnd.cyclonedx+json; version={SPEC_VERSION}"
NAMESPACE: Final = "apsci:"
_SCHEMA: Final = f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json"
_MIME: Final = re.compile(r"[-+a-z0-9.]+/[-+a-z0-9.]+", re.ASCII)
_DESCRIPTORS: Final = {"code": "application", "container": "container"}

Json = dict[str, Any]


def bill(asking: Asked, view: View, job_id: str) -> Response[bytes]:
    """The bill of materials of a job as of a view. Raises NotFound."""
    detail, state = view.job(job_id), view.state()
    job = detail.job
    address = f"{asking.public_url}/jobs/{job_id}"
    components = list(_components(detail))
    made = {
        "$schema": _SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, address).urn,
        "version": view.size,
        "metadata": {
            "timestamp": state.logged_at,
            "component": {
                "type": "application",
                "bom-ref": "job",
                "name": job_id if job.title is None else job.title,
                "version": job_id,
                "externalReferences": [{"type": "attestation", "url": f"{address}.intoto.json"}],
            },
            "properties": _properties(
                {
                    "origin": asking.house.origin,
                    "vkey": asking.house.vkey,
                    "tree_size": view.size,
                    "root": state.root,
                }
            ),
        },
        "components": components,
        "formulation": [{"bom-ref": "formula", "workflows": [_workflow(detail, components)]}],
    }
    return Response(msgspec.json.encode(made), media_type=MEDIA_TYPE)


def _components(detail: JobDetail) -> Iterator[Json]:
    """Everything that opened records name by digest: the model, its code, what came out."""
    for part in detail.sealed:
        if part.disclosure is None:
            continue
        fields = part.disclosure.fields
        said = {"disclosed_index": part.disclosure.index}
        model = model_of(fields)
        if model is not None:
            yield _component(
                "machine-learning-model",
                ref=f"{part.index}-model",
                name=model.name,
                digest=model.digest,
                said={
                    "dtype": model.dtype,
                    "parameter_count": model.parameter_count,
                    "revision": model.revision,
                    **said,
                },
            )
        for path, kind in _DESCRIPTORS.items():
            if fields.get(path) is not None:
                yield _of_descriptor(path, kind, fields[path], index=part.index, said=said)
        for at, each in enumerate(artifacts_of(fields)):
            yield _component(
                "data",
                ref=f"{part.index}-artifact-{at}",
                name=each.name,
                digest=each.digest.sha256,
                said={
                    "kind": each.kind,
                    "bytes": each.bytes,
                    "content_access": each.content_access,
                    "uri": each.uri,
                    **said,
                },
            )


def _of_descriptor(
    path: str, kind: str, value: object, *, index: int, said: Mapping[str, Any]
) -> Json:
    shown = msgspec.convert(value, ResourceDescriptor)
    made = _component(
        kind,
        ref=f"{index}-{path}",
        name=shown.name or path,
        digest=shown.digest.sha256,
        said={"uri": shown.uri, **said},
    )
    if shown.media_type is not None and _MIME.fullmatch(shown.media_type):
        made["mime-type"] = shown.media_type
    return made


def _component(
    kind: str, *, ref: str, name: str | None, digest: str, said: Mapping[str, Any]
) -> Json:
    return {
        "type": kind,
        "bom-ref": ref,
        "name": digest if name is None else name,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "properties": _properties(said),
    }


def _workflow(detail: JobDetail, components: list[Json]) -> Json:
    job = detail.job
    made: Json = {
        "bom-ref": "workflow",
        "uid": job.job_id,
        "taskTypes": ["other"],
        "resourceReferences": [{"ref": each["bom-ref"]} for each in components],
        "properties": [
            *_properties(_of_job(job)),
            *(
                {"name": f"{NAMESPACE}sealed_root", "value": part.commitment.root}
                for part in detail.sealed
            ),
        ],
    }
    if job.started_at is not None:
        made["timeStart"] = job.started_at
    if job.ended_at is not None:
        made["timeEnd"] = job.ended_at
    return made


def _of_job(job: JobShown) -> Mapping[str, Any]:
    told: Mapping[str, Any] = msgspec.structs.asdict(job)
    return {**told, "optimizer_targets": ",".join(job.optimizer_targets) or None}


def _properties(said: Mapping[str, Any]) -> list[Json]:
    """Names in our namespace, values as text: a property of CycloneDX has no other type."""
    return [
        {"name": NAMESPACE + name, "value": _text(value)}
        for name, value in said.items()
        if value is not None
    ]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""What an author's own software does: fill in a schema, commit, sign, and spell the posted body.

The same few lines serve ``ledger submit``, the importers, the demo and the tests. Pure: the seed
that salts the sealed fields is an argument, 32 fresh random bytes for every statement.
"""

from collections.abc import Mapping
from typing import Any

from ledger.errors import ValueRefused
from ledger.records import canonical
from ledger.records.commitment import commit
from ledger.records.statement import decode_signed, sealed_paths, sign_statement
from ledger.tlog.note import Signer
from schemas.statements import SCHEMAS


def author_statement(
    *,
    signer: Signer,
    kind: str,
    schema: str,
    public: Mapping[str, Any],
    made_at: str,
    job_id: str | None = None,
    sealed: Mapping[str, Any] | None = None,
    seed: bytes | None = None,
) -> bytes:
    """The canonical body to post: statement, signature, and opening where the schema seals fields.

    The author is the last part of the signer's name, ``<origin>/<author>``. ``sealed`` maps paths
    to values; paths that it lacks are committed to as null.

    Raises ValueRefused naming the field that the schema does not take.
    """
    known = SCHEMAS.get(schema)
    if known is None:
        raise ValueRefused(f"schema: {schema} is not one of {', '.join(SCHEMAS)}", field="schema")
    statement: dict[str, Any] = {
        "author": signer.name.rsplit("/", 1)[-1],
        "kind": kind,
        "made_at": made_at,
        "public": dict(public),
        "schema": schema,
    }
    if job_id is not None:
        statement["job_id"] = job_id
    posted: dict[str, Any] = {}
    paths = sealed_paths(known)
    if paths:
        if seed is None:
            raise ValueRefused(f"seed: {schema} seals fields and needs one", field="seed")
        given = dict(sealed or {})
        if unknown := sorted(given.keys() - paths):
            raise ValueRefused(
                f"sealed.{unknown[0]}: {schema} has no such field; it has "
                f"{', '.join(sorted(paths))}",
                field=f"sealed.{unknown[0]}",
            )
        fields = {path: given.get(path) for path in paths}
        statement["sealed"] = {"fields": len(paths), "root": commit(seed, fields).hex()}
        posted["opening"] = {"fields": fields, "seed": canonical.encode_base64(seed)}
    elif sealed:
        raise ValueRefused(f"sealed: {schema} seals nothing", field="sealed")
    body = canonical.encode(posted | sign_statement(statement, signer))
    decode_signed(body)
    return body

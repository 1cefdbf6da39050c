"""What Schemathesis must know of our API beyond the document: two formats, and NDJSON.

Named by SCHEMATHESIS_HOOKS; it runs inside Schemathesis's own process.
"""

from base64 import urlsafe_b64encode
from typing import Any

import schemathesis
from hypothesis import strategies as st


def _cursor(index: int) -> str:
    return urlsafe_b64encode(f"i{index}".encode()).rstrip(b"=").decode()


schemathesis.openapi.format("ledger-cursor", st.integers(0, 10**9).map(_cursor))
schemathesis.openapi.format(
    "ledger-words",
    st.lists(
        st.sampled_from(["refusals", "sae", "安全", "alpha", "H200"]), min_size=1, max_size=4
    ).map(" ".join),
)


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx: Any, value: Any) -> bytes:
    """The text as it is."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else b"{}"


@schemathesis.hook
def filter_case(ctx: Any, case: Any) -> bool:
    """Leave out what the document speaks of elsewhere.

    A parameter without a value is not given (``allowEmptyValue``), and an address that stands in
    the document by itself is not one of those with a place in them (OpenAPI 3.1, 4.8.8.2).
    """
    empty = any(value in (None, "", [], [""]) for value in (case.query or {}).values())
    places = case.path_parameters or {}
    own = places.get("slug") == "glossary" or places.get("list") == "fields"
    return not empty and not own

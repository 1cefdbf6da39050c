"""What texts may say about this very ledger: a few values, each as of a tree size."""

from typing import Final

from ledger.reader import View
from ledger.records.charters_shown import in_force
from schemas.statements import Role
from web.doors import Asked
from web.telling import formats

NAMES: Final = (
    "origin",
    "vkey",
    "public_url",
    "embargo_days",
    "egress_ceiling",
    "gpu_total",
    "tree_size",
    "month",
    "member",
)


def facts_of(asking: Asked, view: View) -> dict[str, str]:
    """The value of every name in ``NAMES``, as text.

    ``member`` is the short name of a member laboratory, for examples, and ``month`` that of the
    last entry.
    """
    # By the log's own clock: the same at a tree size, whenever it is asked.
    charter = in_force(view.charters(), at=view.logged_at).rules
    members = [each.name for each in view.members() if each.role == Role.MEMBER]
    return {
        "origin": asking.house.origin,
        "vkey": asking.house.vkey,
        "public_url": asking.public_url,
        "embargo_days": formats.number(charter.embargo_days),
        "egress_ceiling": formats.size(charter.egress_ceiling_bytes),
        "gpu_total": formats.number(charter.gpu_total),
        "tree_size": str(view.size),
        "month": formats.today(view.logged_at)[:7],
        "member": members[0] if members else "member",
    }

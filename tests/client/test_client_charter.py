"""The charter as a client reads it: from the council's entries, whatever the API says."""

from typing import Any

import pytest
from msgspec import structs
from tampering import Open, Tampering, in_json

from ledger.errors import Misbehaviour


def test_the_charter_is_made_anew_from_entries_that_the_council_signed(open_ledger: Open) -> None:
    ledger = open_ledger()
    first, now, coming = ledger.charters()
    assert (first.index, now.replaces, coming.replaces) == (0, 0, now.index)
    assert now.signed_by == coming.signed_by == ("council",)
    assert coming.rules.embargo_days == 60
    assert list(ledger.council()) == ["council"]
    assert open_ledger(at=now.index).charters() == (first_alone(first),)


def first_alone(first: Any) -> Any:
    """The first version where no later one ends it."""
    return structs.replace(first, in_force_until=None)


def _raise(value: Any) -> None:
    value["data"][0]["rules"]["embargo_days"] = 90


def _forget_newest(value: Any) -> None:
    value["data"] = value["data"][1:]
    value["data"][0]["in_force_until"] = None
    value["page"]["count"] = len(value["data"])


def _forget_middle(value: Any) -> None:
    del value["data"][1]
    value["page"]["count"] = len(value["data"])


def _sign(value: Any) -> None:
    value["data"][0]["signed_by"].append("alpha")


@pytest.mark.parametrize("change", [_raise, _forget_middle, _sign])
def test_an_api_that_tells_of_another_charter_is_caught(open_ledger: Open, change: Any) -> None:
    open_ledger().close()
    lying = Tampering(lambda path: path.endswith("/charters"), in_json(change))
    with pytest.raises(Misbehaviour):
        open_ledger(transport=lying).charters()


def test_a_newest_version_that_is_kept_back_is_what_nobody_can_see_from_the_list(
    open_ledger: Open,
) -> None:
    lying = Tampering(lambda path: path.endswith("/charters"), in_json(_forget_newest))
    found = open_ledger(transport=lying).charters()
    assert [each.rules.embargo_days for each in found] == [90, 90]

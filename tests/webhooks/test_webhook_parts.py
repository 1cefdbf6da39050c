"""Signatures, secrets, the times of further attempts, and the addresses that are sent to."""

import random
import re
from ipaddress import ip_address
from typing import Any

import pytest

from ledger.errors import FormatError
from ledger.webhooks import schedule
from ledger.webhooks.events import TYPES, Event, Place, message_id
from ledger.webhooks.guard import AddressRefused, check_address, resolve_host
from ledger.webhooks.sending import Target, parse_target
from ledger.webhooks.signing import format_secret, headers, parse_secret, sign

# --- signatures ---------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_specifications_own_example() -> None:
    # standard-webhooks/standard-webhooks, libraries/*/tests
    secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = sign(
        secret,
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1_614_265_330,
        body=b'{"test": 2432232314}',
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_changed_both_sign() -> None:
    new, old = bytes(24), bytes(64)
    signed = headers([new, old], message_id="msg_1", timestamp=2, body=b"{}")
    given = {"message_id": "msg_1", "timestamp": 2, "body": b"{}"}
    assert signed["webhook-signature"].split(" ") == [sign(new, **given), sign(old, **given)]  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_secret_is_read_as_it_was_written(length: int) -> None:
    secret = random.Random(length).randbytes(length)
    text = format_secret(secret)
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]+=*", text)
    assert parse_secret(text) == secret


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (format_secret(bytes(23)), "23 bytes; allowed: 24 to 64"),
        (format_secret(bytes(65)), "65 bytes"),
        ("whsek_" + "A" * 32, "does not begin with whsec_"),
        ("whsec_" + "A" * 31 + "!", "not base64"),
        ("whsec_" + "A" * 33, "not base64"),
        ("whsec_ " + "A" * 32, "not base64"),
    ],
)
def test_what_is_no_secret_is_refused_without_being_repeated(text: str, why: str) -> None:
    with pytest.raises(FormatError, match=re.escape(why)) as caught:
        parse_secret(text)
    assert text.removeprefix("whsec_") not in str(caught.value)


def test_no_two_messages_have_one_id_and_none_has_a_full_stop() -> None:
    found = {
        message_id(origin=origin, webhook=webhook, place=Place(index, event))
        for origin in ("a.example/x", "b.example/x")
        for webhook in ("one", "two")
        for index in (1, 11, 111)
        for event in Event
    }
    assert len(found) == 2 * 2 * 3 * len(Event)
    assert all(re.fullmatch(r"msg_[0-9a-f]{32}", each) for each in found)
    known = message_id(origin="o", webhook="w", place=Place(7, Event.REJECTED))
    assert known == message_id(origin="o", webhook="w", place=Place(7, Event.REJECTED))


def test_the_numbers_and_types_of_events_stay_what_databases_and_receivers_know() -> None:
    assert {int(event): TYPES[event] for event in Event} == {
        0: "job.submitted",
        1: "job.rejected",
        2: "record.published",
        3: "record.corrected",
        4: "search.matched",
        5: "checkpoint.published",
        6: "finding.logged",
    }


# --- times --------------------------------------------------------------------------------------


def test_ten_attempts_come_at_the_times_of_standard_webhooks() -> None:
    waits = [schedule.delay_s(n, chance=0.0) for n in range(1, 11)]
    hours = [3_600 * n for n in (2, 5, 10, 14, 20, 24)]
    assert waits == [5, 300, 1_800, *hours, None]
    for n, wait in enumerate(waits[:-1], start=1):
        late = schedule.delay_s(n, chance=1.0)
        assert wait is not None
        assert late == wait + round(wait / 10)


def test_a_receiver_that_asks_for_more_time_has_it_but_never_more_than_a_day() -> None:
    assert schedule.delay_s(1, chance=0.0, retry_after_s=60) == 60
    assert schedule.delay_s(4, chance=0.0, retry_after_s=60) == 7_200
    assert schedule.delay_s(10, chance=0.0, retry_after_s=60) is None
    now = 1_792_584_000  # 2026-10-21T12:00:00Z
    for text, wait in {
        "120": 120,
        "0": 0,
        "9999999999": 86_400,
        "Wed, 21 Oct 2026 12:01:00 GMT": 60,
        "Wed, 21 Oct 2026 11:00:00 GMT": 0,
        "Wed, 21 Oct 2099 11:00:00 GMT": 86_400,
        "soon": 0,
        "-5": 0,
        "1e9": 0,
        "٣": 0,
        "9" * 100: 0,
        "Wed, 99 Oct 2026 12:01:00 GMT": 0,
        None: 0,
    }.items():
        assert (text, schedule.parse_retry_after(text, now=now)) == (text, wait)


def test_a_receiver_that_takes_nothing_gets_ever_longer_rest() -> None:
    rests = [schedule.rest_s(n) for n in range(1, 13)]
    assert rests == [0, 0, 5, 10, 20, 40, 80, 160, 300, 300, 300, 300]
    assert schedule.rest_s(10**6) == 300
    assert schedule.rest_s(1, retry_after_s=60) == 60


# --- addresses ----------------------------------------------------------------------------------

PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"]
PRIVATE = ["10.1.2.3", "172.16.0.1", "192.168.0.9", "127.0.0.1", "127.8.8.8", "::1", "fc00::1"]
NEVER = [
    "0.0.0.0",
    "::",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "3fff::1",
    "4000::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:a9fe:a9fe::1",
    "::7f00:1",
]
MAPPED = ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_sent_to(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", [*PRIVATE, *MAPPED, *NEVER])
def test_no_inner_address_is_sent_to_in_whatever_spelling(address: str) -> None:
    with pytest.raises(AddressRefused, match=str(ip_address(address.partition("%")[0]))):
        check_address(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_can_be_allowed(address: str) -> None:
    check_address(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_what_is_neither_public_nor_private_cannot_be_allowed(address: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(address, allow_private=True)


def test_a_name_with_one_inner_address_among_its_addresses_is_refused() -> None:
    def resolve(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        return [(2, 1, 6, "", ("8.8.8.8", 443)), (2, 1, 6, "", ("10.0.0.1", 443))]

    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        resolve_host("receiver.example", 443, resolve=resolve)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://a.example", Target("https", "a.example", 443, "/")),
        ("https://a.example:8443/x?y=z", Target("https", "a.example", 8443, "/x?y=z")),
        ("https://[2606:4700::1]/", Target("https", "2606:4700::1", 443, "/")),
    ],
)
def test_an_address_is_taken_apart(url: str, target: Target) -> None:
    assert parse_target(url) == target
    assert target.shown == url.partition("/x")[0].rstrip("/")
    assert "y=z" not in repr(target)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_plain_http_goes_to_loopback_where_that_is_allowed(host: str) -> None:
    assert parse_target(f"http://{host}:8080/", allow_private=True).port == 8080
    with pytest.raises(FormatError, match="allow_private = true"):
        parse_target(f"http://{host}:8080/")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://a.example/", "not an https:// address"),
        ("http://localhost/", "not an https:// address"),
        ("http://10.0.0.1/", "not an https:// address"),
        ("ftp://a.example/", "not an https:// address"),
        ("//a.example/", "not an https:// address"),
        ("https://user:canary@a.example/", "user name"),
        ("https://a.example/#x", "fragment"),
        ("https://a.example/ x", "ASCII"),
        ("https://a.example/\r\nX: y", "ASCII"),
        ("https://ä.example/", "ASCII"),
        ("https://a.example:0/", "https"),
        ("https://a.example:99999/", "port"),
        ("https:///x", "no host"),
        ("https://a_b!c/", "no host"),
        ("https://a.example/" + "x" * 1_000, "1000 characters"),
    ],
)
def test_what_is_no_address_for_messages_is_refused_without_being_repeated(
    url: str, why: str
) -> None:
    with pytest.raises(FormatError, match=re.escape(why)) as caught:
        parse_target(url, allow_private=True)
    assert "canary" not in str(caught.value)

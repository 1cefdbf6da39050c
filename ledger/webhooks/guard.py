"""Which addresses a message may go to: public ones, unless the operator allows private ones.

Whoever can name a webhook's host, or answer for its name, could otherwise have the ledger knock at
doors inside the operator's own network. So a name is resolved once, every address that it has is
checked, and the connection is made to one of those: asking again could bring another answer.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final

from ledger.errors import LedgerError

Address = IPv4Address | IPv6Address
Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""``socket.getaddrinfo``, or what stands in for it."""

_PRIVATE: Final = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1/128", "fc00::/7"),
    )
)
"""What ``allow_private`` opens."""
_METADATA: Final = tuple(
    map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"))
)
"""Where clouds hand out credentials and configuration: closed to everybody."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_DOCUMENTS: Final = IPv6Network("3fff::/20")


class AddressRefused(LedgerError):
    """A webhook's host has an address that nothing is sent to."""


def check_address(text: str, *, allow_private: bool = False) -> None:
    """Raise AddressRefused unless a message may be sent to this IP address."""
    address = ip_address(text.partition("%")[0])
    for each in _meant(address):
        if each in _METADATA:
            raise AddressRefused(f"{address} is a cloud's metadata service")
        if allow_private and _is_in(each, _PRIVATE):
            continue
        is_inner = not each.is_global or each.is_multicast or each.is_reserved
        # Which of these Python knows differs from version to version.
        if isinstance(each, IPv6Address) and each.ipv4_mapped is None:
            is_inner |= each not in _GLOBAL_V6 or each in _DOCUMENTS
        if is_inner:
            raise AddressRefused(f"{address} is not a public address")


def resolve_host(
    host: str, port: int, *, allow_private: bool = False, resolve: Resolve = socket.getaddrinfo
) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """The families and socket addresses of a host, all of them checked; at least one.

    One that may not be sent to refuses the host: a name with a public and a private address is
    more likely a trap than a mistake. Raises AddressRefused, and OSError where nothing is found.
    """
    found = resolve(host, port, type=socket.SOCK_STREAM)
    for _family, _kind, _protocol, _name, address in found:
        check_address(str(address[0]), allow_private=allow_private)
    if not found:
        raise OSError("the host has no address")
    return [(each[0], each[4]) for each in found]


def _meant(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses that it leads on to if it is one of IPv6."""
    if isinstance(address, IPv4Address):
        return [address]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    return [address, *(each for each in inside if each is not None)]


def _is_in(address: Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address in each for each in networks)

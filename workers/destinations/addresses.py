"""Which addresses are connected to: the name is resolved once, and what was checked is used.

A name could stand for a harmless address while it is checked and for another one afterwards (DNS
rebinding), so no name ever reaches a socket: callers connect to the address they are given here.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from contouring.errors import AddressRefusedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?")
"""A name or an IPv4 address; what other letters, dots or digits look like one is left out."""

LOOKS_NUMERIC = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)(?:\.(?:0[xX][0-9A-Fa-f]*|[0-9]+))*\.?")
"""Which forms of an IPv4 address a system understands differs: 0177.1 is 127.0.0.1 for most."""

NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
IPV4_COMPATIBLE = ip_network("::/96")  # RFC 4291 2.5.5.1, the same


def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine knows a name by."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class AddressGuard:
    """Decides what a destination may connect to.

    `allowed_networks`: none means every network; `allows_local`: this machine and its links, too.
    """

    allowed_networks: tuple[Network, ...] = ()
    allows_local: bool = False
    resolve: Resolve = resolve_host

    def find_address(self, host: str, port: int) -> str:
        """The IP address to connect to; `AddressRefusedError` if any that the name has is refused.

        OSError where the name has none.
        """
        addresses = self._resolve(host, port)
        for address in addresses:
            for meant in _unwrap(address):
                self._check(host, meant)
        if not addresses:
            raise AddressRefusedError(host, "it has no address; check its name.")
        return str(addresses[0])

    def _resolve(self, host: str, port: int) -> list[Address]:
        literal = read_address(host)
        if literal is not None:
            return [literal]
        if not HOST.fullmatch(host) or LOOKS_NUMERIC.fullmatch(host):
            raise AddressRefusedError(
                host, "it is neither a plain name nor an address such as 10.1.2.3 or fd00::1."
            )
        try:
            addresses = self.resolve(host, port)
        except UnicodeError as error:  # a part of it is longer than the 63 letters of RFC 1035
            raise AddressRefusedError(host, "no name has such parts.") from error
        # A zone (fe80::1%eth0) belongs to a link, which is refused or needs no zone.
        return [ip_address(found.partition("%")[0]) for found in addresses]

    def _check(self, host: str, address: Address) -> None:
        name = host if host == str(address) else f"{host} ({address})"
        if address.is_unspecified or address.is_multicast or _is_reserved(address):
            raise AddressRefusedError(name, "no single machine has such an address.")
        if (address.is_loopback or address.is_link_local) and not self.allows_local:
            raise AddressRefusedError(
                name,
                "it is this machine or its link; if that is meant, give the destination "
                "allow_local: true.",
            )
        networks = self.allowed_networks
        if networks and not any(address in network for network in networks):
            raise AddressRefusedError(name, "it is in none of the file's allowed_networks.")


def read_address(host: str) -> Address | None:
    """The address that a host is, written as everybody writes it; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else address


def _unwrap(address: Address) -> Iterator[Address]:
    """The address, and each IPv4 address that a router or this system may take it for."""
    yield address
    if isinstance(address, IPv4Address):
        return
    for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
        if inner is not None:
            yield inner
    if address in NAT64 or (address in IPV4_COMPATIBLE and int(address) > 1):
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_reserved(address: Address) -> bool:
    """Also the rest of "this network", 0.0.0.0/8, which some systems take for themselves."""
    if isinstance(address, IPv4Address):
        return address.is_reserved or address in ip_network("0.0.0.0/8")
    return address.is_site_local

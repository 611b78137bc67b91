"""Under which addresses other machines reach this one, and how the address of a server is written."""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

HOST = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where a class is served, which has to bring its key
_SOMEWHERE = "192.0.2.1"  # set apart for documents (RFC 5737); nothing is sent to it
_SIOCGIFADDR = 0x8915  # Linux: the address of an interface


def network_addresses() -> tuple[str, ...]:
    """The IPv4 addresses of this machine on its networks, the one that leads furthest first; may be none."""
    return reachable(_found())


def reachable(found: Iterable[str]) -> tuple[str, ...]:
    """Of addresses, each once, those that other machines can reach; ones that a machine gave itself last."""
    known = [ipaddress.ip_address(address) for address in dict.fromkeys(found)]
    usable = [one for one in known if not (one.is_loopback or one.is_unspecified or one.is_multicast)]
    return tuple(str(one) for one in sorted(usable, key=lambda one: one.is_link_local))


def server_address(host: str, port: int) -> str:
    """The address of a server; one of colons stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def hosts_to_name(host: str) -> tuple[str, ...]:
    """Under which names other machines reach a server on a host; none where there is no network."""
    return network_addresses() if host == EVERYWHERE else (host,)


def is_of_this_machine(host: str) -> bool:
    """Whether a name leads every machine to itself, so that nobody else can open it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def _found() -> Iterator[str]:
    """Where a packet would leave; what the interfaces say on Linux; what this machine's name says."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((_SOMEWHERE, 9))  # of a datagram: it looks for the way and goes none
        yield asked.getsockname()[0]
    yield from _of_interfaces()
    with suppress(OSError):
        yield from socket.gethostbyname_ex(socket.gethostname())[2]


def _of_interfaces() -> Iterator[str]:
    """A machine that serves its own wireless network has no way out, and an address all the same."""
    if not sys.platform.startswith("linux"):
        return
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _number, name in socket.if_nameindex():
            with suppress(OSError):
                said = fcntl.ioctl(asked, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                yield socket.inet_ntoa(said[20:24])

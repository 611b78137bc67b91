"""Who is let in where a class is served: who brought its key once; a cookie remembers it for a school day.

The door belongs to the process. Without one, the server is for this machine alone and lets in whoever comes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from compress_core.face.network_addresses import hosts_to_name, server_address

SECONDS = 12 * 3600


@dataclass(frozen=True)
class ClassDoor:
    """The key of a class, and where its students reach this server; nowhere without a network."""

    key: str
    addresses: tuple[str, ...]

    def opens_to(self, brought: str) -> bool:
        """Whether this is the key; takes as long for any."""
        return hmac.compare_digest(brought.encode(), self.key.encode())

    @property
    def cookie(self) -> str:
        """The cookie that remembers the key: a browser keeps one for all servers of a machine."""
        return f"slimscope_class_{hashlib.sha256(self.key.encode()).hexdigest()[:8]}"

    def knows(self, cookies: Mapping[str, str]) -> bool:
        """Whether a browser brought the key earlier."""
        said: object = cookies.get(self.cookie)
        return isinstance(said, str) and self.opens_to(said)


_DOORS: list[ClassDoor] = []


def open_door(key: str, host: str, port: int) -> None:
    """Let in nobody from now on who does not bring this key; with an empty one all stays open."""
    _DOORS[:] = (
        [ClassDoor(key, tuple(server_address(name, port) for name in hosts_to_name(host)))] if key else []
    )


def class_door() -> ClassDoor | None:
    """What stands before this server; None where it is for this machine alone."""
    return next(iter(_DOORS), None)

"""Where jobs are done, as an operator says it. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from compress_core.foundation.errors import Refused

RUNNER, TOKEN, PATIENCE, CA = (f"SLIMSCOPE_RUNNER{name}" for name in ("", "_TOKEN", "_PATIENCE", "_CA"))
LOCAL = "local"
_SCHEMES = {"ray": "http", "ray+https": "https"}
PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class ClusterAddress:
    """Where the Jobs API of a cluster answers.

    url: scheme, host and port; token: sent with every call, may be empty; patience: for so many seconds a
    job is kept while the cluster does not answer; certificates: a file of those that are trusted, else empty.
    """

    url: str
    token: str = ""
    patience: float = PATIENCE_SECONDS
    certificates: str = ""

    @property
    def host(self) -> str:
        """The machine, without a password that somebody put before its name."""
        return urlsplit(self.url).hostname or ""


def cluster_address(told: Mapping[str, str] | None = None) -> ClusterAddress | None:
    """The cluster that the environment names; None where jobs are done on this machine.

    Raises Refused for what names neither.
    """
    said = os.environ if told is None else told
    runner = said.get(RUNNER, LOCAL).strip() or LOCAL
    if runner == LOCAL:
        return None
    parts = urlsplit(runner)
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query:
        raise Refused(
            "{name} must be local, ray://HOST:PORT or ray+https://HOST:PORT, but it is {got!r}: give the "
            "address of the dashboard of the cluster's head, whose port is 8265.",
            name=RUNNER,
            got=runner,
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    url = f"{_SCHEMES[parts.scheme]}://{host}:{parts.port or 8265}"
    return ClusterAddress(url, said.get(TOKEN, ""), _patience(said), said.get(CA, ""))


def required_address() -> ClusterAddress:
    """The same; raises Refused where none is named."""
    found = cluster_address()
    if found is None:
        raise Refused("No cluster is named: set {name} to ray://HOST:PORT.", name=RUNNER)
    return found


def _patience(said: Mapping[str, str]) -> float:
    text = said.get(PATIENCE, "")
    try:
        seconds = float(text) if text else PATIENCE_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise Refused("{name} is a number of seconds, but it is {got!r}.", name=PATIENCE, got=text)
    return seconds

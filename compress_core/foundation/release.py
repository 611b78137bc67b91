"""What computed a number: this release, the libraries below it, and its very source. Needs no torch."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from compress_core.foundation.version import __version__

_PACKAGE = Path(__file__).resolve().parents[1]
_LIBRARIES = ("torch", "numpy")


@lru_cache(maxsize=1)
def release() -> str:
    """One name for everything that may change a number without changing what was asked for.

    The source counts, since in a checkout it changes while the version stays.
    """
    source = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        source.update(path.relative_to(_PACKAGE).as_posix().encode())
        source.update(path.read_bytes())
    libraries = " ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"{__version__} {source.hexdigest()[:16]} {libraries}"


def lasting_key(key: str) -> str:
    """The key of a result that outlives the process: the key within it, and the release; hexadecimal."""
    return hashlib.sha256(f"{release()}\x1f{key}".encode()).hexdigest()

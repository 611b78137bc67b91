"""What a class brings to be let in: a random word in the link that its teacher hands out."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

KEY = "key"  # what a link calls it
VARIABLE = "SLIMSCOPE_CLASS_KEY"  # a process is told here, where other users of the machine cannot read it
_BYTES = 12


def new_class_key() -> str:
    """A word that nobody guesses."""
    return secrets.token_urlsafe(_BYTES)


def with_class_key(address: str, key: str) -> str:
    """An address that lets whoever opens it in."""
    return f"{address}?{urlencode({KEY: key})}"

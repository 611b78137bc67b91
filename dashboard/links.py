"""A recipe in a link: short enough to mail, checked like any other input."""

from __future__ import annotations

import base64
import binascii
import json
import zlib

from compress_core.foundation.errors import Refused
from compress_core.foundation.strict_json import without_repeats

MOST_CHARACTERS = 20_000
MOST_BYTES = 200_000


def encoded(recipe: object) -> str:
    """The plain values of a recipe as characters that a link may hold; empty for an empty recipe."""
    if not recipe:
        return ""
    text = json.dumps(recipe, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(zlib.compress(text, 9)).decode().rstrip("=")


def decoded(text: str) -> object:
    """The reverse of `encoded`; raises Refused where a link was cut or is no link of ours."""
    if not text:
        return None
    damaged = Refused("The recipe in this link is damaged or cut off: ask for the link again.")
    if len(text) > MOST_CHARACTERS:
        raise damaged
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(packed, MOST_BYTES)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise damaged
        return json.loads(content, object_pairs_hook=without_repeats)
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        raise damaged from None

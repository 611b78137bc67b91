"""Names in the order in which people count: layer.2 before layer.10."""

from __future__ import annotations

import re


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """What to sort a name by: its texts, each with the number behind it."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", name)
    return tuple((text, int(number) if number else -1) for text, number in parts)

"""Which channels were kept, in few bytes of JSON: a cut as text where its numbers take more.

| text | what was kept |
|---|---|
| "=2" | what cut number 2, counted from 0, kept |
| "=2*16" | of each channel that cut number 2 kept, the 16 that lie side by side where it is flattened |
| "500:..." | which of the first 500, as flags; entropy-coded, in base 64 |

Of a structure that was cut and nothing else, only the cuts are told.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from compress_core.deliver.packing.coder import Allowance, Damaged, Reading, Writing, refuse_more_than
from compress_core.deliver.packing.symbols import code_symbols

KeptChannels = list[int]
_LISTS = ("folded", "rescaled", "cuts", "dropped")


def with_short_cuts(structure: dict[str, Any]) -> dict[str, Any]:
    """A structure's plain values without empty lists, what each cut kept as text where that is shorter."""
    numbers = [kept for _, _, kept in structure["cuts"]]
    cuts = [
        [module, side, _shortest(kept, numbers[:index])]
        for index, (module, side, kept) in enumerate(structure["cuts"])
    ]
    return {name: said for name, said in {**structure, "cuts": cuts}.items() if said}


def with_full_cuts(structure: dict[str, Any], allowance: Allowance) -> dict[str, Any]:
    """The reverse; raises Damaged, and no more channels are made than the allowance has values."""
    structure = {**{name: [] for name in _LISTS}, **structure}
    made: list[KeptChannels] = []
    for _, _, said in structure["cuts"]:
        made.append(_read(said, made, allowance) if isinstance(said, str) else said)
    cuts = [[module, side, kept] for (module, side, _), kept in zip(structure["cuts"], made, strict=True)]
    return {**structure, "cuts": cuts}


def _shortest(kept: KeptChannels, before: Sequence[KeptChannels]) -> str | KeptChannels:
    ways: list[str | KeptChannels] = [kept, *_as_before(kept, before)]
    if kept:
        ways.append(_as_flags(kept))
    return min(ways, key=lambda way: len(str(way)))


def _as_before(kept: KeptChannels, before: Sequence[KeptChannels]) -> Iterator[str]:
    for index, other in enumerate(before):
        times = len(kept) // max(1, len(other))
        if times and kept == _spread(other, times):
            yield f"={index}" if times == 1 else f"={index}*{times}"


def _spread(kept: KeptChannels, times: int) -> KeptChannels:
    return [channel * times + place for channel in kept for place in range(times)]


def _as_flags(kept: KeptChannels) -> str:
    flags = np.zeros(kept[-1] + 1, dtype=np.int64)
    flags[kept] = 1
    coder = Writing()
    code_symbols(coder, 2, len(flags), flags)
    return f"{len(flags)}:{base64.b64encode(coder.content()).decode()}"


def _read(said: str, before: Sequence[KeptChannels], allowance: Allowance) -> KeptChannels:
    if said.startswith("="):
        index, _, times = said[1:].partition("*")
        other, repeated = before[_whole(index)], _whole(times or "1")
        allowance.take(values=len(other) * repeated)
        return _spread(other, repeated)
    length, _, text = said.partition(":")
    content = base64.b64decode(text, validate=True)
    channels = _whole(length)
    refuse_more_than(len(content), channels)
    allowance.take(values=channels, work=channels)
    flags = code_symbols(Reading(content), 2, channels)
    found: KeptChannels = np.flatnonzero(flags).tolist()
    return found


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise Damaged
    return int(text)

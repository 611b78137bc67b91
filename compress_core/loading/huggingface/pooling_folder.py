"""How a folder of sentence-transformers makes one vector of the words of a text. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.strict_json import strictly_read
from compress_core.loading.huggingface.config_file import MOST_BYTES, object_in
from compress_core.loading.huggingface.folder_files import FolderFiles

MODULES, POOLING = "modules.json", "1_Pooling/config.json"
_MEAN = "pooling_mode_mean_tokens"
_KNOWN = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])


@dataclass(frozen=True)
class Pooling:
    """The mean of the words that are there, scaled to length 1 or not."""

    normalized: bool


def pooling_of(files: FolderFiles) -> Pooling:
    """What a folder says of it; the plain mean where it says nothing. Raises Refused for another way."""
    if MODULES not in files.sizes:
        return Pooling(normalized=False)
    try:
        listed = strictly_read(files.read(MODULES, MOST_BYTES))
    except ValueError:
        listed = None
    kinds = [_last(each) for each in listed] if isinstance(listed, list) else None
    if kinds not in _KNOWN:
        raise _another_way(MODULES, kinds)
    said = object_in(files.read(POOLING, MOST_BYTES), POOLING) if POOLING in files.sizes else {_MEAN: True}
    chosen = [name for name, value in said.items() if name.startswith("pooling_mode_") and value is True]
    if chosen != [_MEAN] and said.get("pooling_mode") != "mean":
        raise _another_way(POOLING, chosen)
    return Pooling(normalized=kinds == _KNOWN[1])


def _last(module: Any) -> str:
    """The last word of what a module is called: nothing of it is imported."""
    said = module.get("type") if isinstance(module, dict) else None
    return said.rpartition(".")[2] if isinstance(said, str) else ""


def _another_way(file: str, got: object) -> Refused:
    return Refused(
        "{file} asks for {got}; the mean of the words, normalized or not, is what is read here: open it with "
        "package.module:factory instead.",
        file=file,
        got=shortened(got),
    )

"""A folder that somebody uploaded as a ZIP, on its way from the process that reads it. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import ZIP
from compress_core.loading.huggingface.config_file import CONFIG, MOST_BYTES, read_config
from compress_core.loading.huggingface.folder_files import (
    FolderFiles,
    folder_in_zip,
    weights_of_folder,
)
from compress_core.loading.huggingface.word_pieces import (
    SentPieces,
    Tokenized,
    WordPieces,
    has_tokenizer,
    read_word_pieces,
)
from compress_core.loading.stored import Caps, Values
from compress_core.loading.text_items import TABLE, TextItems, texts_in

_TOLD = (CONFIG, "preprocessor_config.json", "modules.json", "1_Pooling/config.json")
"""What is read again where the network is built: small, and plain values."""
_WEIGHT, _FILE, _SAID, _TEXT = "weight:", "file:", "said", "text:"
_BESIDE = 40 * 2**20
_DIRECTORY = 2**18
SentArray = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class SentFolder:
    """The small files of a folder, its weights by name, what was read of its tokenizer, and the texts."""

    files: FolderFiles
    weights: Mapping[str, Values]
    pieces: SentPieces | None
    texts: Tokenized | None


def is_folder_zip(content: bytes) -> bool:
    """Whether bytes are a ZIP with a config.json in it; what torch.save writes is one without."""
    directory = content[-_DIRECTORY:]
    return content[: len(ZIP)] == ZIP and CONFIG.encode() in directory and b"data.pkl" not in directory


def folder_arrays(
    content: bytes, name: str, beside: tuple[bytes, str] | None, caps: Caps
) -> Iterator[tuple[str, SentArray]]:
    """All that is sent on of a folder in a ZIP, array by array; raises Refused for what is not read.

    beside: the bytes and the name of a file of texts; a table is one for a network of words alone.
    """
    files = folder_in_zip(content, name, caps.file_bytes + _BESIDE)
    config = read_config(files.read(CONFIG, MOST_BYTES), files.name)
    for told in _TOLD:
        if told in files.sizes:
            yield f"{_FILE}{told}", np.frombuffer(files.read(told, MOST_BYTES), dtype=np.uint8)
    words = config.kind.is_of_words and has_tokenizer(files)
    texts = texts_in(*beside) if beside is not None and words else None
    yield from _of_tokenizer(read_word_pieces(files, config), config.vocabulary or 0, texts) if words else ()
    if beside is not None and not words and not beside[1].endswith(TABLE):
        raise Refused(
            "{folder} has no tokenizer.json for texts: put one into the ZIP, or give the items as .npz.",
            folder=files.name,
        )
    for tensor, values in weights_of_folder(files, caps):
        yield f"{_WEIGHT}{tensor}", values


def _of_tokenizer(pieces: WordPieces, count: int, texts: TextItems | None) -> Iterator[tuple[str, SentArray]]:
    found = None if texts is None else pieces.rows(texts, None)
    said = {
        "blank": pieces.blank,
        "cover": pieces.cover,
        "most": pieces.most,
        "words": pieces.words(count),
        "cut": 0 if found is None else found.cut,
        "labels": None if found is None else found.labels,
        "lines": None if found is None else found.lines,
    }
    yield _SAID, np.frombuffer(json.dumps(said).encode(), dtype=np.uint8)
    if found is not None:
        for each, values in (("ids", found.ids), ("mask", found.mask), ("kinds", found.kinds)):
            yield f"{_TEXT}{each}", values


def folder_from(arrays: Mapping[str, SentArray], name: str) -> SentFolder:
    """The reverse of `folder_arrays`."""
    told = {
        key.removeprefix(_FILE): found.tobytes() for key, found in arrays.items() if key.startswith(_FILE)
    }
    files = FolderFiles(name, {key: len(content) for key, content in told.items()}, told.__getitem__)
    weights = {key.removeprefix(_WEIGHT): found for key, found in arrays.items() if key.startswith(_WEIGHT)}
    if _SAID not in arrays:
        return SentFolder(files, weights, None, None)
    said = json.loads(arrays[_SAID].tobytes())
    pieces = SentPieces(said["blank"], said["cover"], said["most"], tuple(said["words"]))
    if f"{_TEXT}ids" not in arrays:
        return SentFolder(files, weights, pieces, None)
    ids, mask, kinds = (arrays[f"{_TEXT}{each}"] for each in ("ids", "mask", "kinds"))
    labels = (
        None
        if said["labels"] is None
        else tuple(tuple(label) if isinstance(label, list) else label for label in said["labels"])
    )
    lines = None if said["lines"] is None else tuple(said["lines"])
    return SentFolder(files, weights, pieces, Tokenized(ids, mask, kinds, said["cut"], labels, lines))

"""Weights in several files with an index that says which tensor lies in which: on one's own machine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePath

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.file_format import suffixes_of, weight_formats
from compress_core.loading.own_file import LARGEST_FILE, MOST_TENSORS, content_of_file, weight_caps_for
from compress_core.loading.stored import Values, shown
from compress_core.loading.weights_file import FileWeights, read_weights
from compress_core.subject.reading_remarks import ReadingRemarks

INDEX = ".index.json"
_LARGEST_INDEX = 2**24
_MOST_FILES = 1000
_MAP = "weight_map"


def is_index(path: Path) -> bool:
    """Whether a file is called like an index."""
    return path.name.endswith(INDEX)


def sharded_weights(index: Path) -> FileWeights:
    """The weights that an index leads to, in its order.

    The files lie beside it, and hold the tensors that it names, no less and no more. Raises Refused where
    they do not, or where the index is none.
    """
    places = _places(content_of_file(index, _LARGEST_INDEX), index.name)
    files = list(dict.fromkeys(places.values()))
    _check_sizes(index, files)
    found: dict[str, Values] = {}
    for file in files:
        found.update(_in_shard(index.parent / file, {name for name, at in places.items() if at == file}))
    said = Phrase("Files of weights that the index names, all of them read: {count}.", count=len(files))
    return FileWeights({name: found[name] for name in places}, ReadingRemarks((said,)))


def _places(content: bytes, index: str) -> Mapping[str, str]:
    """Which file each tensor lies in, by its name."""
    try:
        found: object = json.loads(content.decode("utf-8"), object_pairs_hook=_without_repeats)
    except Refused:
        raise
    except (ValueError, RecursionError):
        found = None
    match found:
        case {"weight_map": dict(places)} if places and all(isinstance(at, str) for at in places.values()):
            _check_places(places, index)
            return places
    raise Refused(
        "'{index}' is no index of weights: it must be JSON with '{map}', which names the file of each "
        "tensor. Give the index as it came with the files, or a file of weights.",
        index=shown(index),
        map=_MAP,
    )


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise Refused(
            "The index of the weights has '{tensor}' twice; every name must be there once. Save the model "
            "anew.",
            tensor=shown(repeated),
        )
    return found


def _check_places(places: Mapping[str, str], index: str) -> None:
    """Files must lie beside the index and be called like weights; a path out of the folder is refused."""
    files = set(places.values())
    if len(places) > MOST_TENSORS or len(files) > _MOST_FILES:
        raise Refused(
            "'{index}' names {tensors:,} tensors in {files:,} files; at most {most_tensors:,} in "
            "{most_files:,} are read. Give the index of one model.",
            index=shown(index),
            tensors=len(places),
            files=len(files),
            most_tensors=MOST_TENSORS,
            most_files=_MOST_FILES,
        )
    suffixes = suffixes_of(weight_formats())
    for file in sorted(files):
        plain = PurePath(file).name == file and "\\" not in file and ":" not in file and file.isprintable()
        if not plain or file.rpartition(".")[2] not in suffixes:
            raise Refused(
                "'{index}' leads to '{file}', which is no file of weights beside it. Nothing was opened: "
                "give an index whose files lie in its own folder.",
                index=shown(index),
                file=shown(file),
            )


def _check_sizes(index: Path, files: list[str]) -> None:
    """All of them are there, and together no more than is read of one file; none of them is opened yet."""
    total = 0
    for file in files:
        try:
            total += (index.parent / file).stat().st_size
        except OSError as error:
            raise Refused(
                "'{index}' leads to '{file}', which cannot be read ({reason}): put all files of the model "
                "into one folder.",
                index=shown(index.name),
                file=shown(file),
                reason=error.strerror or type(error).__name__,
            ) from None
    if total > LARGEST_FILE:
        raise Refused(
            "The files that '{index}' names have {got:,} bytes together; at most {most:,} are read. Open a "
            "smaller model.",
            index=shown(index.name),
            got=total,
            most=LARGEST_FILE,
        )


def _in_shard(path: Path, wanted: set[str]) -> Mapping[str, Values]:
    content = content_of_file(path)
    arrays = read_weights(content, path.name, weight_caps_for(len(content))).arrays
    if arrays.keys() != wanted:
        different = min(wanted ^ arrays.keys())
        raise Refused(
            "The index and the file '{file}' differ: '{tensor}' stands in only one of them. The files are "
            "not of one model: fetch them anew.",
            file=shown(path.name),
            tensor=shown(different),
        )
    return arrays

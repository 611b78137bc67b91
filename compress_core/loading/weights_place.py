"""Weights of one's own by where they lie: a file, an index of several, or the folder that holds either."""

from __future__ import annotations

from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.file_format import suffixes_of, weight_formats
from compress_core.loading.own_file import content_of_file, weight_caps_for
from compress_core.loading.sharded import INDEX, is_index, sharded_weights
from compress_core.loading.state_names import StateDict
from compress_core.loading.stored import AskedWeights, refuse_entry, shown
from compress_core.loading.upload import read_state, state_of
from compress_core.subject.reading_remarks import some_of

ONNX = "onnx"
_SAFEST = ".safetensors"
_SAVED_MODEL = "saved_model.pb"


def state_in(path: Path, entry: str | None = None) -> StateDict:
    """The state dict at a place; entry: which dict of a checkpoint is taken. Raises Refused."""
    place = _in_folder(path) if path.is_dir() else path
    if is_index(place):
        refuse_entry(AskedWeights(place.name, weight_caps_for(0), entry))
        return state_of(sharded_weights(place))
    content = content_of_file(place)
    return read_state(content, place.name, weight_caps_for(len(content)), entry)


def holds_weights(name: str) -> bool:
    """Whether a name is that of a file or folder that is there, or ends as files of models do."""
    path = Path(name)
    try:
        return (
            path.suffix.lstrip(".") in (*suffixes_of(weight_formats()), ONNX)
            or path.is_file()
            or path.is_dir()
        )
    except (OSError, ValueError):  # no file can have such a name
        return False


def _in_folder(folder: Path) -> Path:
    """The one file of weights or index in a folder; safetensors before pickles. Raises Refused."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise Refused(
            "{folder} cannot be read ({reason}): give a folder that you may read, or a file of weights.",
            folder=folder,
            reason=error.strerror or type(error).__name__,
        ) from None
    found = _likeliest(names)
    if len(found) == 1:
        return folder / found[0]
    if found:
        raise Refused(
            "The folder {folder} holds {count} files of weights, {names}: give one of them.",
            folder=folder,
            count=len(found),
            names=some_of(f"'{shown(name)}'" for name in found),
        )
    if _SAVED_MODEL in names:
        raise Refused(
            "The folder {folder} is a TensorFlow SavedModel, and networks here are PyTorch's. Build the same "
            "network in PyTorch, copy the weights and give its state dict.",
            folder=folder,
        )
    raise Refused(
        "The folder {folder} holds no file of weights; it holds {names}. Give a file of weights, or a folder "
        "with one in it.",
        folder=folder,
        names=some_of(map(shown, names)) if names else Phrase("nothing"),
    )


def _likeliest(names: list[str]) -> list[str]:
    """The names of what is read from a folder, the best kind there is."""
    weights = [name for name in names if name.rpartition(".")[2] in suffixes_of(weight_formats())]
    kinds = (
        [name for name in names if name.endswith(f"{_SAFEST}{INDEX}")],
        [name for name in weights if name.endswith(_SAFEST)],
        [name for name in names if name.endswith(INDEX)],
        weights,
    )
    return next((kind for kind in kinds if kind), [])

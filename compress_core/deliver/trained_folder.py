"""A trained model as files of a folder: its history, its weights, and where its training stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from compress_core.apply.lineage import Lineage, Train, lineage_as_json, read_lineage
from compress_core.apply.model import Model
from compress_core.apply.run import key_of, model_of
from compress_core.apply.trained import TrainedWeights, keep_trained
from compress_core.deliver.own_files import METADATA, marked
from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.stored_value import from_bytes, to_bytes
from compress_core.subject.subject import Subject

HISTORY, WEIGHTS, CHECKPOINT = "training.json", "trained.safetensors", "checkpoint.safetensors"
FILES = (HISTORY, WEIGHTS, CHECKPOINT)


def write_history(folder: Path, lineage: Lineage, beside: Mapping[str, Any]) -> None:
    """Write what was done to the model, and what there is to say beside it, as JSON."""
    content = {"lineage": lineage_as_json(lineage), **beside}
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_whole(folder / HISTORY, marked(HISTORY, text.encode()))


def write_value(folder: Path, name: str, value: object) -> None:
    """Write trained weights or a checkpoint, whole or not at all."""
    write_whole(folder / name, to_bytes(value, METADATA))


def read_history(folder: Path) -> dict[str, Any]:
    """What `write_history` wrote; raises Refused where it is not there or damaged."""
    try:
        content = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(
            "{folder} holds no training ({file} is not there): give the folder that slimscope train --out "
            "wrote.",
            folder=folder,
            file=HISTORY,
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(folder / HISTORY) from error
    if not isinstance(content, dict) or "lineage" not in content:
        raise _damaged(folder / HISTORY)
    return content


def read_value(path: Path, kind: type) -> Any:
    """What `write_value` wrote, of this kind; raises Refused where it is not there or damaged."""
    try:
        found = from_bytes(path.read_bytes())
    except FileNotFoundError:
        raise Refused("{path} is not there: train once more with --out.", path=path) from None
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:
        raise _damaged(path) from error
    if not isinstance(found, kind):
        raise _damaged(path)
    return found


def trained_in(folder: Path, subject: Subject, store: Store) -> Model:
    """The trained model of a folder; raises Refused where it is of another model, unfinished or damaged."""
    said = read_history(folder)
    lineage = read_lineage(said["lineage"])
    if not lineage or not isinstance(lineage[-1], Train):
        raise _damaged(folder / HISTORY)
    if "asked" in said and "epoch" not in said:
        raise Refused(
            "The training in {folder} was interrupted: go on with slimscope train --resume DIR.",
            folder=folder,
        )
    weights = read_value(folder / WEIGHTS, TrainedWeights)
    parent = model_of(subject, lineage[:-1], store)
    _refuse_others(parent, weights, folder)
    keep_trained(key_of(subject, lineage), weights, store.without_workspace())
    return model_of(subject, lineage, store)


def _refuse_others(parent: Model, weights: TrainedWeights, folder: Path) -> None:
    """Weights must have the shapes of the model that they are put into."""
    for layer in parent.base.layers:
        parts = parent.compressed[layer.name].parts if layer.name in parent.compressed else ((layer, None),)
        shapes = [(part.rows, part.columns) for part, _ in parts]
        if [tuple(e.weight.shape) for e in weights.layers.get(layer.name, ())] != shapes:
            raise Refused(
                "{folder} holds weights of another model: {layer} has other shapes in {model}: give the "
                "model that was trained.",
                folder=folder,
                layer=layer.name,
                model=parent.subject.title,
            )


def _damaged(path: Path) -> Refused:
    return Refused("{path} is damaged or no file of a training: train once more with --out.", path=path)

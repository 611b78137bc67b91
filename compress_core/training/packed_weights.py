"""The weights that a training left, from the packed file of its model: values, not how they were coded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch

from compress_core.apply.model import Model
from compress_core.apply.trained import TrainedWeights
from compress_core.deliver.packed_file import read_packed, read_packed_state
from compress_core.foundation.errors import Refused
from compress_core.network.layers.places import place_in, read_matrix
from compress_core.techniques.contract.input_rules import rule_from_json
from compress_core.training.parametrization import FreeWeight
from compress_core.training.trainee import trainee_of


@torch.no_grad()
def weights_in_packed(path: Path, parent: Model) -> TrainedWeights:
    """What a training of this parent left, as a packed file has it.

    Values are those of the file, bit for bit; codes and levels are not told from it, so that each weight
    stands there in full, pruned where it is zero. Raises Refused for a file of another model.
    """
    network, trainee = read_packed(path, parent.subject), trainee_of(parent)
    try:
        trainee.network.load_state_dict(network.state_dict())
        for name, part in trainee.parts.items():
            held = FreeWeight(read_matrix(network, replace(part, places=(place_in(network, part),))))
            trainee.parametrizations[name] = held
            trainee.learned[name] = held.start()
    except (AttributeError, LookupError, RuntimeError):
        raise Refused(
            "{path} holds no weights that a training of {model} leaves: its tensors are others.",
            path=path,
            model=parent.subject.title,
        ) from None
    rules = read_packed_state(path).structure.get("inputs", {})
    inputs = {name: tuple(rule_from_json(rule) for rule in said) for name, said in rules.items()}
    return replace(trainee.encoded(sparse=trainee.parts), inputs=MappingProxyType(inputs))

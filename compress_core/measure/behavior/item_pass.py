"""One item on its way through a network: what a layer puts out, and what the network answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.measure.behavior.predictions import Predictions
from compress_core.network.forward import run_network, running_on
from compress_core.network.layers.kinds import Layer
from compress_core.network.shared_copy import shared_copy
from compress_core.subject.judged_rows import refuse_other_shape
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject


@dataclass(frozen=True, eq=False)
class ItemPass:
    """What a network answers to one item, and what the module of one layer put out for it.

    predictions: of this item alone; output [...]: as the module gave it at its first call, without the axis
    of items, or None where it did not run, is not there any more or gives no tensor with a row for each item.
    """

    predictions: Predictions
    output: Tensor | None


def item_pass(subject: Subject, network: nn.Module, layer: Layer, split: Split, item: int) -> ItemPass:
    """Send one item of a split through a network of this subject, the original or a compressed one.

    Raises Refused where the network cannot run on it, or is no classifier.
    """
    inputs = split.inputs[item : item + 1]
    runs = shared_copy(network)
    heard: list[object] = []
    modules = dict(runs.named_modules())
    module = modules.get(layer.places[0].module)
    if module is not None:
        module.register_forward_hook(lambda _module, _inputs, output: heard.append(output))
    with torch.inference_mode(), running_on(inputs):
        answers = run_network(runs, inputs)
    labels = None if split.labels is None else split.labels[item : item + 1]
    refuse_other_shape(answers, subject.answers)
    predictions = Predictions.of(
        answers.float(), labels, split=split.name, items=split.digest, key="", kind=subject.answers
    )
    return ItemPass(predictions, _of_one_item(heard[0]) if heard else None)


def _of_one_item(output: object) -> Tensor | None:
    if isinstance(output, Tensor) and output.dim() > 1 and len(output) == 1:
        return output[0].clone()
    return None

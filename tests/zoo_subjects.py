"""The networks of the zoo as anyone would load them, with a few items."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject, make_subject
from tests.zoo import ZOO, Specimen

ITEMS = 8


class Fed(nn.Module):
    """What a refusal tells people to do: one tensor in, one tensor out, around a network of another form."""

    def __init__(self, network: nn.Module, specimen: Specimen) -> None:
        super().__init__()
        self.network, self.shapes = network, tuple(shape[1:] for shape in specimen.shapes)
        self.reads_words = bool(specimen.words)

    def forward(self, x: Tensor) -> Tensor:
        if len(self.shapes) > 1:
            ends = [torch.Size(shape).numel() for shape in self.shapes]
            parts = [p.unflatten(1, s) for p, s in zip(x.split(ends, 1), self.shapes, strict=True)]
        else:
            parts = [x.long() if self.reads_words else x]
        answer = self.network(*parts)
        return torch.cat(list(answer.values()), 1) if isinstance(answer, dict) else answer


def _shape(specimen: Specimen) -> tuple[int, ...]:
    """Of one item: as it is, or all inputs one after the other."""
    shapes = tuple(shape[1:] for shape in specimen.shapes)
    return shapes[0] if len(shapes) == 1 else (sum(torch.Size(shape).numel() for shape in shapes),)


def _split(specimen: Specimen, name: str) -> Split:
    generator = torch.Generator().manual_seed(len(name))
    form = (ITEMS, *_shape(specimen))
    words = specimen.words
    inputs = torch.randint(0, words, form, generator=generator).float() if words else None
    labels = torch.randint(0, 3, (ITEMS,), generator=generator)
    return Split(name, torch.randn(form, generator=generator) if inputs is None else inputs, labels)


@cache
def subject_of(name: str) -> Subject:
    """The network as anyone would load it; one that is no classifier is wrapped."""
    specimen = ZOO[name]
    network = specimen.network()
    if specimen.words or len(specimen.shapes) > 1 or name == "dict_output":
        network = Fed(network, specimen)
    splits = {split: _split(specimen, split) for split in ("calibration", "validation")}
    return make_subject(name, name, network, InputForm("table", _shape(specimen)), ("a", "b", "c"), splits)

"""The model as loaded: network, items, classes, layers. Read-only, shared by everyone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from compress_core.errors import Refused
from compress_core.subject.items import ITEMS_TO_SHARE
from compress_core.subject.layers import Layer, Untouched, count_macs, find_layers, read_matrix
from compress_core.subject.skeleton import digest_of, skeleton_of
from compress_core.subject.structure import Structure

BATCH = 250


@dataclass(frozen=True)
class InputForm:
    """How items become what the network takes: (x / unit - mean) / std.

    kind is image (shape [C, H, W], raw values 0 to 255, unit 255) or table (shape [F], unit 1).
    """

    kind: str
    shape: tuple[int, ...]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    features: tuple[str, ...] = ()

    @property
    def is_image(self) -> bool:
        return self.kind == "image"

    def prepared(self, raw: np.ndarray) -> Tensor:
        """Raw items [N, ...] -> what the network takes [N, *shape] float32; bytes mean 0 to 255."""
        values = torch.from_numpy(np.ascontiguousarray(raw)).to(torch.float32)
        values = values.reshape(len(raw), *self.shape)
        if raw.dtype == np.uint8:
            values = values / 255
        return (values - self._shaped(self.mean)) / self._shaped(self.std)

    def raw(self, prepared: Tensor) -> Tensor:
        """The reverse of `prepared`, for showing an item: images in 0 to 1."""
        return prepared * self._shaped(self.std) + self._shaped(self.mean)

    @cached_property
    def baseline(self) -> Tensor:
        """An input without content [1, *shape]: black for an image, the training mean for a table."""
        if not self.is_image:
            return torch.zeros(1, *self.shape)
        return self.prepared(np.zeros((1, *self.shape), dtype=np.uint8))

    def _shaped(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values).view(-1, *(1,) * (len(self.shape) - 1))


@dataclass(frozen=True, eq=False)
class Split:
    """Items of one split, prepared: inputs [N, ...], labels [N] or None."""

    name: str
    inputs: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def digest(self) -> str:
        content = hashlib.sha256(f"{tuple(self.inputs.shape)}".encode())
        content.update(self.inputs.numpy().tobytes())
        if self.labels is not None:
            content.update(self.labels.numpy().tobytes())
        return content.hexdigest()

    def batches(self) -> Iterator[Tensor]:
        """Inputs in batches of a fixed size: the same split gives the same bits."""
        return iter(torch.split(self.inputs, BATCH))


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network with all that is needed to feed and judge it.

    splits: calibration, validation and test, as far as they are there; problems: layers with NaN or
    infinite weights, in words.
    """

    name: str
    title: str
    network: nn.Module
    input: InputForm
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    layers: tuple[Layer, ...]
    untouched: tuple[Untouched, ...]
    digest: str
    problems: Mapping[str, int]
    summary: str = ""
    factory: str = ""
    structure: Structure = field(default_factory=Structure)

    @cached_property
    def by_name(self) -> Mapping[str, Layer]:
        return MappingProxyType({layer.name: layer for layer in self.layers})

    @cached_property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    def split(self, name: str) -> Split:
        """The split of that name; raises Refused where the model has none."""
        if name == "calibration" and name not in self.splits:
            raise Refused(
                "{model} has no calibration items, on which some techniques measure: add a data file with "
                "at least {least} items, of which one in ten is set apart for it.",
                model=self.title,
                least=ITEMS_TO_SHARE,
            )
        if name not in self.splits:
            raise Refused(
                "{model} has no {split} items, it has {known}: choose one of them or add labelled data.",
                model=self.title,
                split=name,
                known=", ".join(self.splits) or "none",
            )
        return self.splits[name]

    def layer(self, name: str) -> Layer:
        """The layer of that name; raises Refused with the names there are."""
        if name not in self.by_name:
            raise Refused(
                "{model} has no layer {name!r}; its layers are {known}: correct the name.",
                model=self.title,
                name=name,
                known=", ".join(self.by_name),
            )
        return self.by_name[name]


def make_subject(
    name: str,
    title: str,
    network: nn.Module,
    form: InputForm,
    classes: tuple[str, ...],
    splits: Mapping[str, Split],
    summary: str = "",
    factory: str = "",
) -> Subject:
    """Freeze a network and look at it: layers, MACs, digest, broken weights. The network is ours now."""
    network.eval().requires_grad_(requires_grad=False).float()
    if not next(network.children(), None):
        network = nn.Sequential(network)  # a layer alone has no name
    layers, untouched = find_layers(network)
    layers = count_macs(skeleton_of(network), layers, form.baseline)
    broken = {layer.name: _not_finite(network, layer) for layer in layers}
    return Subject(
        name=name,
        title=title,
        network=network,
        input=form,
        classes=classes,
        splits=MappingProxyType(dict(splits)),
        layers=layers,
        untouched=untouched,
        digest=digest_of(network),
        problems=MappingProxyType({k: v for k, v in broken.items() if v}),
        summary=summary,
        factory=factory,
    )


def restructured(subject: Subject, network: nn.Module, structure: Structure, key: str) -> Subject:
    """The same subject around a network of another structure; key stands in for a digest of its content."""
    layers, untouched = find_layers(network)
    layers = count_macs(skeleton_of(network), layers, subject.input.baseline)
    broken = {layer.name: _not_finite(network, layer) for layer in layers}
    return replace(
        subject,
        network=network,
        layers=layers,
        untouched=untouched,
        digest=key,
        problems=MappingProxyType({k: v for k, v in broken.items() if v}),
        structure=structure,
    )


def _not_finite(network: nn.Module, layer: Layer) -> int:
    matrix = read_matrix(network, layer)
    return int((~torch.isfinite(matrix)).count_nonzero())

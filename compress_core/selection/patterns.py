"""What a selection takes or leaves as a whole: single weights, blocks, kernels, rows, columns; and n of m.

A pattern is a word of a recipe, read once into a value: `NOfM`, or the `Box` into which it cuts a weight.
A box turns the scores of the weights into scores of boxes, and the boxes that stay into the weights that
stay; how many stay, and which, it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused

PATTERN = r"^(unstructured|row|column|kernel|\d{1,3}:\d{1,3}|\d{1,3}x\d{1,3})$"


@dataclass(frozen=True)
class LayerShape:
    """A weight's name and form: kernel [out, in / groups, *k]."""

    name: str
    kernel: torch.Size
    groups: int = 1


@dataclass(frozen=True)
class Box:
    """So many rows and input channels (None: all of a group), at each kernel position or over all."""

    rows: int | None = 1
    inputs: int | None = 1
    whole_kernel: bool = False

    def __str__(self) -> str:
        """The word of a recipe."""
        return next((word for word, box in _NAMED.items() if box == self), f"{self.rows}x{self.inputs}")


@dataclass(frozen=True)
class NOfM:
    """Keep n of every m neighboring input channels; raises Refused where n is not from 1 to m - 1."""

    n: int
    m: int

    def __post_init__(self) -> None:
        if not 0 < self.n < self.m:
            raise Refused("n must be at least 1 and below m, as in 2:4")

    def __str__(self) -> str:
        """The word of a recipe."""
        return f"{self.n}:{self.m}"

    @property
    def sparsity(self) -> float:
        """The share that goes, which the pattern fixes."""
        return 1 - self.n / self.m


Pattern = Box | NOfM

SINGLE = Box()
ROW = Box(inputs=None, whole_kernel=True)
COLUMN = Box(rows=None, whole_kernel=True)
KERNEL = Box(whole_kernel=True)
_NAMED = {"unstructured": SINGLE, "row": ROW, "column": COLUMN, "kernel": KERNEL}


@lru_cache(maxsize=256)
def parse_pattern(word: str) -> Pattern:
    """The value of a recipe's word: 2:4 keeps 2 of 4 inputs, 4x8 is 4 rows x 8 input channels.

    Raises Refused where the word or its numbers make no sense.
    """
    if word in _NAMED:
        return _NAMED[word]
    found = re.fullmatch(r"(\d{1,3})([:x])(\d{1,3})", word)
    if found is None:
        raise Refused("a pattern is one of unstructured, row, column, kernel, 2:4 or 1x8")
    first, second = int(found[1]), int(found[3])
    if found[2] == ":":
        return NOfM(first, second)
    if 0 in {first, second}:
        raise Refused("a block has at least one row and one input, as in 1x8")
    if (first, second) == (1, 1):
        raise Refused("a block of one weight is the pattern unstructured")
    return Box(first, second)


def checked_pattern(word: str) -> str:
    """The word, if `parse_pattern` can read it; raises Refused."""
    parse_pattern(word)
    return word


@dataclass(frozen=True)
class BoxGrid:
    """A weight [out, in * k] as boxes [groups * boxes of rows, boxes of inputs * positions].

    The last boxes of a group may be smaller than the others.
    """

    shape: LayerShape
    box: Box

    @classmethod
    def of(cls, box: Box, shape: LayerShape) -> BoxGrid:
        """How boxes cut a weight; raises Refused where the weight has no room for one box."""
        rows, inputs = shape.kernel[0] // shape.groups, shape.kernel[1]
        if box == KERNEL and len(shape.kernel) == 2:
            raise Refused(
                "Pattern kernel removes kernels of a convolution, but {layer} has none: "
                "leave this layer out or use pattern unstructured.",
                layer=shape.name,
            )
        if (box.rows or 1) > rows or (box.inputs or 1) > inputs:
            raise Refused(
                "Pattern {pattern} needs at least {rows} outputs and {inputs} input channels, "
                "but {layer} has {has_rows} and {has_inputs}: "
                "leave this layer out or use pattern unstructured.",
                pattern=str(box),
                rows=box.rows,
                inputs=box.inputs,
                layer=shape.name,
                has_rows=rows,
                has_inputs=inputs,
            )
        return cls(shape, box)

    @property
    def is_single(self) -> bool:
        """Whether every box is one weight."""
        return self.box == SINGLE

    @property
    def stays(self) -> int:
        """So many boxes are never removed: a layer keeps one of its rows."""
        return int(self.box == ROW)

    def summed(self, values: Tensor) -> Tensor:
        """Sum of values [out, in * k] over each box, float64: large weights do not overflow."""
        groups, rows, inputs = self.shape.groups, *self._most
        kernel = values.double().view(groups, -1, self.shape.kernel[1], self._positions)
        padded = torch.nn.functional.pad(
            kernel, (0, 0, 0, -kernel.shape[2] % inputs, 0, -kernel.shape[1] % rows)
        )
        boxes = torch.unflatten(torch.unflatten(padded, 2, (-1, inputs)), 1, (-1, rows)).sum(dim=(2, 4))
        if self.box.whole_kernel:
            boxes = boxes.sum(dim=3, keepdim=True)
        return boxes.flatten(2).flatten(0, 1)

    @cached_property
    def sizes(self) -> Tensor:
        """Weights in each box [boxes], int64."""
        rows = self.shape.kernel[0]
        return self.summed(torch.ones(rows, self.shape.kernel.numel() // rows)).long()

    def spread(self, boxes: Tensor) -> Tensor:
        """The value of each weight's box [out, in * k]."""
        groups, rows, inputs = self.shape.groups, *self._most
        columns = -(-self.shape.kernel[1] // inputs)
        small = boxes.view(groups, -1, 1, columns, 1, boxes.shape[1] // columns)
        full = small.expand(groups, -1, rows, columns, inputs, self._positions).flatten(3, 4).flatten(1, 2)
        kernel = full[:, : self.shape.kernel[0] // groups, : self.shape.kernel[1]]
        return kernel.reshape(self.shape.kernel[0], -1).contiguous()

    @property
    def _most(self) -> tuple[int, int]:
        """Rows and input channels of a full box."""
        shape = self.shape
        return self.box.rows or shape.kernel[0] // shape.groups, self.box.inputs or shape.kernel[1]

    @property
    def _positions(self) -> int:
        return self.shape.kernel[2:].numel()


def largest_n_of_m(scores: Tensor, shape: LayerShape, pattern: NOfM) -> Tensor:
    """Keep the n highest of every m neighboring input channels, for each kernel position.

    scores [out, in * k] -> kept [out, in * k] bool; a last group of fewer than m keeps at most n.

    Raises Refused where a layer has fewer than m input channels: the pattern would leave it dense.
    """
    n, m, inputs = pattern.n, pattern.m, shape.kernel[1]
    if inputs < m:
        raise Refused(
            "Pattern {n}:{m} needs at least {m} input channels, but {layer} has {inputs}: "
            "leave this layer out or use pattern unstructured.",
            n=n,
            m=m,
            layer=shape.name,
            inputs=inputs,
        )
    by_position = scores.reshape(*shape.kernel).movedim(1, -1)
    padding = -inputs % m
    padded = torch.nn.functional.pad(by_position, (0, padding), value=float("-inf"))
    groups = torch.unflatten(padded, -1, (-1, m))
    order = torch.sort(groups, dim=-1, descending=True, stable=True).indices[..., :n]
    kept = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, order, value=True)
    return kept.flatten(-2)[..., :inputs].movedim(-1, 1).reshape(scores.shape)

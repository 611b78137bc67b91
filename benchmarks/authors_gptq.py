"""The error of `gptq` beside that of the authors' code, layer by layer, on the same second moments.

The authors' code is on no package index: SLIMSCOPE_GPTQ names the folder of a checkout of their repository
(IST-DASLab/gptq on GitHub). Without it their columns stay empty.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Literal
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.networks import FULL, Size
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.numerics.scale import RowRanges
from compress_core.numerics.second_order import output_error
from compress_core.subject.subject import Subject
from compress_core.techniques.gptq import gptq

CHECKOUT = "SLIMSCOPE_GPTQ"
MODELS = ("lenet300", "lenet5", "resnet")
BITS = (2, 3, 4, 8)
Levels = Literal["asymmetric", "symmetric"]
Order = Literal["stored", "largest", "better"]
LEVELS: tuple[Levels, ...] = ("asymmetric", "symmetric")
ORDERS: tuple[Order, ...] = ("stored", "largest", "better")

Theirs = Callable[[Tensor, Tensor, int, bool, bool], Tensor]


def lines(size: Size) -> Iterator[str]:
    """For every layer and number of bits: mean squared error of the output, ours over the authors'."""
    authors = _authors(os.environ.get(CHECKOUT, ""))
    yield "| layer | bits | levels | order | authors | slimscope | ratio |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for model in MODELS if size == FULL else MODELS[:1]:
        subject = load_sample(model)
        layers = subject.layers if size == FULL else subject.layers[-1:]
        for layer in layers:
            yield from _of_layer(subject, layer, authors, BITS if size == FULL else BITS[:1])


def _of_layer(
    subject: Subject, layer: Layer, authors: Theirs | None, places: tuple[int, ...]
) -> Iterator[str]:
    weight = read_matrix(subject.network, layer)
    moment: Tensor = derive(subject, layer.name, "hessian", Store())
    for bits, levels, order in itertools.product(places, LEVELS, ORDERS):
        ours = _error(weight, _ours(weight, moment, bits, levels, order), moment)
        name = f"{subject.name} {layer.name} | {bits} | {levels} | {order}"
        if authors is None or order == "better":
            yield f"| {name} | | {ours:.4g} | |"
            continue
        changed = authors(weight, moment[0], bits, levels == "symmetric", order == "largest")
        theirs = _error(weight, changed, moment)
        yield f"| {name} | {theirs:.4g} | {ours:.4g} | {ours / theirs:.3f} |"


def _error(weight: Tensor, changed: Tensor, moment: Tensor) -> float:
    return float(output_error((changed - weight).double()[None], moment).sum())


def _ours(weight: Tensor, moment: Tensor, bits: int, levels: Levels, order: Order) -> Tensor:
    mask = torch.ones_like(weight, dtype=torch.bool)
    ranges = RowRanges.of(weight, mask)
    made = gptq(weight, mask, ranges, moment, bits=bits, levels=levels, order=order)
    assert made.codes is not None, "gptq says which level each weight takes"
    return made.levels.decode(made.codes)


def _authors(folder: str) -> Theirs | None:
    """The authors' quantizer for one weight; None without a checkout."""
    if not folder:
        return None
    solver, grids = _imported(folder)

    def quantized(weight: Tensor, moment: Tensor, bits: int, symmetric: bool, act_order: bool) -> Tensor:
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        layer.weight.data = weight.clone()
        told = io.StringIO()  # they print the time of every layer
        with torch.no_grad(), contextlib.redirect_stdout(told), mock.patch("torch.cuda.synchronize"):
            made = solver.GPTQ(layer)
            made.H = 2 * moment.float()
            made.quantizer = grids.Quantizer()
            made.quantizer.configure(bits, perchannel=True, sym=symmetric, mse=False)
            made.fasterquant(actorder=act_order)
        return layer.weight.data

    return quantized


def _imported(folder: str) -> tuple[ModuleType, ModuleType]:
    """Their modules gptq and quant; of transformers they need the name of one class."""
    stand_in = ModuleType("transformers")
    stand_in.Conv1D = type("Conv1D", (nn.Module,), {})  # type: ignore[attr-defined]
    with mock.patch.dict(sys.modules, {"transformers": stand_in}), contextlib.redirect_stdout(io.StringIO()):
        sys.path.insert(0, folder)
        try:
            return importlib.import_module("gptq"), importlib.import_module("quant")
        finally:
            sys.path.remove(folder)

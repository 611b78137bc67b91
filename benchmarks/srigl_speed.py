"""What rows of one length are worth at run time: layers as `srigl` leaves them, one item at a time.

Every row has equally many weights, one in ten; or a third of the rows is gone, as ablation leaves them, and
the others share its weights. All forms of a layer run in turns, so that a ratio is of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.networks import FULL, Size, one_linear
from compress_core.foundation.number import Number
from compress_core.loading.samples import load_sample
from compress_core.measure.speed.kernels import CsrProduct, CsrSums, GatheredLinear
from compress_core.measure.speed.rounds import Effort, Rounds, finished, in_turns, one_thread, this_machine
from compress_core.network.layers.kinds import Layer
from compress_core.training.constant_fan_in import highest_in_rows

SPARSITY, GONE, BATCH = 0.9, 1 / 3, 1
_THOROUGH, _QUICK = Effort(15, 25, 4.0, 0.004), Effort(2, 2, 0.0, 0.0)


class InputsOfRows(nn.Module):
    """The inputs of each row gathered side by side, as many for every row, times its weights, added up.

    Lasby et al. 2024, arXiv:2305.02299, the condensed form, in plain torch.
    """

    def __init__(self, matrix: Tensor, bias: Tensor) -> None:
        super().__init__()
        rows = matrix[matrix.any(dim=1)]
        length = int((rows != 0).sum(dim=1).max())
        self.places = (rows != 0).int().topk(length, dim=1).indices.sort(dim=1).values
        self.values, self.flat = rows.gather(1, self.places), self.places.flatten().int()
        self.alive, self.bias = matrix.any(dim=1).nonzero().flatten(), bias
        self.all_rows = len(rows) == len(matrix)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, in] -> [N, out]."""
        gathered = x.index_select(1, self.flat).view(len(x), *self.places.shape)
        summed = (gathered * self.values).sum(dim=-1)
        if self.all_rows:
            return summed + self.bias
        return self.bias.expand(len(x), -1).index_add(1, self.alive, summed)


def lines(size: Size) -> Iterator[str]:
    """Microseconds of each form of a layer, and how many times faster than dense it is."""
    yield "| layer, 90 % zeros, batch 1 | form | µs | times as fast as dense | times as fast as CSR |"
    yield "| --- | --- | --- | --- | --- |"
    fully, square = load_sample("lenet300"), one_linear(Size(linear=(1024, 1024)))
    layers = [
        ("lenet300 fc1", fully.layer("fc1")),
        ("lenet300 fc2", fully.layer("fc2")),
        ("", square.layer("fc")),
    ]
    for name, layer in layers if size == FULL else layers[1:2]:
        shape = f"{name} {layer.rows} x {layer.columns}".strip()
        yield from _of_layer(shape, matrix_of(layer, 0.0), size)
        yield from _of_layer(f"{shape}, a third of the rows gone", matrix_of(layer, GONE), size)


def matrix_of(layer: Layer, gone: float) -> Tensor:
    """Random weights [out, in], in each row equally many, SPARSITY of them zero; some rows gone."""
    generator = torch.Generator().manual_seed(0)
    whole, left = torch.rand(layer.rows, layer.columns, generator=generator), round(layer.rows * (1 - gone))
    mask = highest_in_rows(whole, round((1 - SPARSITY) * layer.rows * layer.columns / left), layer)
    alive = torch.randperm(layer.rows, generator=generator) < left
    return torch.where(mask & alive.unsqueeze(1), torch.randn(whole.shape, generator=generator), 0.0)


def _of_layer(shape: str, matrix: Tensor, size: Size) -> Iterator[str]:
    bias, item = torch.ones(len(matrix)), torch.randn(BATCH, matrix.shape[1])
    forms = forms_of(matrix, bias)
    rounds = _timed({name: partial(_run, form, item) for name, form in forms.items()}, size)
    for name in forms:
        milliseconds = rounds.milliseconds(name)
        assert milliseconds.value is not None
        ratios = " | ".join(
            "" if name == base else _ratio(rounds.ratio(base, name)) for base in ("dense", "CSR")
        )
        yield f"| {shape} | {name} | {1000 * milliseconds.value:.1f} | {ratios} |"


def forms_of(matrix: Tensor, bias: Tensor) -> Mapping[str, nn.Module]:
    """A layer in every form that runs it; matrix [out, in], bias [out]."""
    dense = nn.Linear(matrix.shape[1], len(matrix)).requires_grad_(requires_grad=False)
    dense.weight.copy_(matrix)
    dense.bias.copy_(bias)
    forms = {
        "dense": dense,
        "CSR": CsrProduct(matrix, bias),
        "CSR as weighted sums": CsrSums(matrix, bias),
        "inputs gathered for each row": InputsOfRows(matrix, bias),
    }
    return (
        forms
        if bool(matrix.any(dim=1).all())
        else {**forms, "gathered rows, dense": GatheredLinear(matrix, bias)}
    )


@torch.inference_mode()
def _run(form: nn.Module, item: Tensor) -> Tensor:
    outputs: Tensor = form(item)
    return outputs


def _timed(sides: Mapping[str, Callable[[], object]], size: Size) -> Rounds:
    with one_thread():
        return finished(in_turns(sides, this_machine(), _THOROUGH if size == FULL else _QUICK))


def _ratio(number: Number) -> str:
    return f"{number.value:.2f} ({number.low:.2f} to {number.high:.2f})"

"""Forms in which a layer can be executed: modules that compute the same as a dense one.

Those of a matrix work on columns [in, M], one for each position of each item: what a convolution unfolds
to, and the transpose of what a Linear gets.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.network.layers.matrix_sites import ConvolutionWindow, MatrixSite

_INT8 = 128  # steps below zero; above it there is room for one less
_OFF_GRID = 1e-4  # of a step: what rounding of float32 leaves
_GLANCE = 8  # rows that tell most matrices to be on no grid


class OnColumns(nn.Module):
    """A matrix [out, in] with a bias [out], applied to columns [in, M] -> [out, M]."""

    bias: Tensor

    def __init__(self, matrix: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        column = matrix.new_zeros(len(matrix)) if bias is None else bias.detach()
        self.register_buffer("bias", column[:, None].contiguous())

    def on_columns(self, columns: Tensor) -> Tensor:
        """columns [in, M] -> [out, M], bias included."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]; a table comes out transposed in memory, as the next variant likes it."""
        if x.dim() == 2:
            return self.on_columns(x.T).T
        flat = x.reshape(-1, x.shape[-1])
        return self.on_columns(flat.T).T.reshape(*x.shape[:-1], -1).contiguous()


class CsrProduct(OnColumns):
    """Compressed sparse rows with 32-bit indices, multiplied by torch's own sparse product."""

    matrix: Tensor

    def __init__(self, matrix: Tensor, bias: Tensor | None) -> None:
        super().__init__(matrix, bias)
        starts, columns, values = csr32(matrix)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            csr = torch.sparse_csr_tensor(starts, columns, values, matrix.shape, check_invariants=True)
        self.register_buffer("matrix", csr)  # a sparse tensor is shared by copies, never copied

    def on_columns(self, columns: Tensor) -> Tensor:
        """columns [in, M] -> [out, M]."""
        if columns.shape[1] == 1:
            return torch.addmv(self.bias[:, 0], self.matrix, columns[:, 0])[:, None]
        return torch.addmm(self.bias, self.matrix, columns)


class CsrSums(OnColumns):
    """The same rows, each a weighted sum of those input rows that its indices name (an embedding bag)."""

    starts: Tensor
    columns: Tensor
    values: Tensor

    def __init__(self, matrix: Tensor, bias: Tensor | None) -> None:
        super().__init__(matrix, bias)
        for name, part in zip(("starts", "columns", "values"), csr32(matrix), strict=True):
            self.register_buffer(name, part)

    def on_columns(self, columns: Tensor) -> Tensor:
        """columns [in, M] -> [out, M]."""
        summed, *_ = torch.embedding_bag(
            _in_rows(columns), self.columns, self.starts, False, 0, False, self.values, True
        )
        return summed.add_(self.bias)


def _in_rows(columns: Tensor) -> Tensor:
    """The same values, row after row in memory; NumPy turns a table in about two thirds of torch's time."""
    if columns.is_contiguous() or columns.requires_grad:
        return columns.contiguous()
    return torch.from_numpy(np.ascontiguousarray(columns.numpy()))


def csr32(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row starts [out + 1] int32, columns [n] int32 and values [n] of the weights that are not zero."""
    rows, columns = matrix.nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(matrix))
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(torch.int32)
    return starts, columns.to(torch.int32), matrix[rows, columns]


class GatheredLinear(nn.Module):
    """A dense product of those rows and columns only that hold a weight other than zero."""

    rows: Tensor
    columns: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, matrix: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        rows, columns = used(matrix)
        full = matrix.new_zeros(len(matrix)) if bias is None else bias.detach()
        parts = {"rows": rows, "columns": columns, "weight": matrix[rows][:, columns], "bias": full}
        for name, part in parts.items():
            self.register_buffer(name, part.contiguous())
        self.register_buffer("small_bias", full[rows])
        self.all_rows, self.all_columns = len(rows) == matrix.shape[0], len(columns) == matrix.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        if not self.all_columns:
            x = x.index_select(-1, self.columns)
        small = F.linear(x, self.weight, self.get_buffer("small_bias"))
        if self.all_rows:
            return small
        return self.bias.expand(*small.shape[:-1], -1).index_copy(-1, self.rows, small)


class GatheredConvolution(nn.Module):
    """A dense convolution of those channels only that hold a weight other than zero."""

    rows: Tensor
    channels: Tensor
    kernel: Tensor
    bias: Tensor

    def __init__(self, site: MatrixSite, window: ConvolutionWindow) -> None:
        super().__init__()
        kernel = site.matrix.view(len(site.matrix), site.channels, *window.kernel)
        rows, channels = used(kernel.flatten(2).any(2))
        full = kernel.new_zeros(len(kernel)) if site.bias is None else site.bias.detach()
        parts = {"rows": rows, "channels": channels, "kernel": kernel[rows][:, channels], "bias": full}
        for name, part in parts.items():
            self.register_buffer(name, part.contiguous())
        self.register_buffer("small_bias", full[rows])
        self.window = window
        self.all_rows, self.all_channels = len(rows) == kernel.shape[0], len(channels) == kernel.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """x [N, in, H, W] -> [N, out, H', W']."""
        if not self.all_channels:
            x = x.index_select(1, self.channels)
        window = self.window
        bias = self.get_buffer("small_bias")
        small = F.conv2d(x, self.kernel, bias, window.stride, window.padding, window.dilation)
        if self.all_rows:
            return small
        whole = self.bias[:, None, None].expand(len(small), -1, *small.shape[2:])
        return whole.index_copy(1, self.rows, small)


def used(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The rows and columns of a matrix [out, in] that hold anything but zeros; at least one of each."""
    nonzero = matrix != 0
    rows, columns = nonzero.any(1), nonzero.any(0)
    rows[0] |= not rows.any()
    columns[0] |= not columns.any()
    return rows.nonzero().flatten(), columns.nonzero().flatten()


class Unfolded(nn.Module):
    """A convolution as a matrix applied to the unfolded input."""

    def __init__(self, matrix: OnColumns, window: ConvolutionWindow) -> None:
        super().__init__()
        self.matrix, self.window = matrix, window

    def forward(self, x: Tensor) -> Tensor:
        """x [N, in, H, W] -> [N, out, H', W']."""
        window, items = self.window, len(x)
        height, width = (_positions(x.shape[2 + axis], window, axis) for axis in (0, 1))
        patches = x.flatten(2)
        if not window.is_pointwise:
            patches = F.unfold(x, window.kernel, window.dilation, window.padding, window.stride)
        columns = patches.transpose(0, 1).flatten(1)
        outputs = self.matrix.on_columns(columns)
        return outputs.view(-1, items, height * width).transpose(0, 1).reshape(items, -1, height, width)


def _positions(size: int, window: ConvolutionWindow, axis: int) -> int:
    reach = window.dilation[axis] * (window.kernel[axis] - 1) + 1
    return (size + 2 * window.padding[axis] - reach) // window.stride[axis] + 1


class Int8Rows(nn.Module):
    """Codes of one byte and a scale for each row, decoded while multiplying; inputs stay float32."""

    codes: Tensor
    scale: Tensor

    def __init__(self, codes: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("codes", codes.contiguous())
        self.register_buffer("scale", scale.contiguous())
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        flat = x.reshape(-1, x.shape[-1]).contiguous()
        product = torch.ops.aten._weight_int8pack_mm(flat, self.codes, self.scale)  # noqa: SLF001 - no public name
        outputs: Tensor = product if self.bias is None else product + self.bias
        return outputs.reshape(*x.shape[:-1], -1)


def int8_rows(matrix: Tensor) -> tuple[Tensor, Tensor] | None:
    """Codes [out, in] int8 and scales [out] that give the matrix again; None where there are none.

    A quantizer's largest code need not be reached, so every count of steps up to 128 is tried, few first.
    """
    if len(matrix) > _GLANCE and int8_rows(matrix[:_GLANCE]) is None:
        return None
    largest = matrix.abs().amax(1, keepdim=True)
    largest = torch.where(largest > 0, largest, torch.ones_like(largest))
    steps = torch.zeros_like(largest)
    for count in range(1, _INT8 + 1):
        places = matrix / largest * count
        fits = (places - places.round()).abs().amax(1, keepdim=True) < _OFF_GRID
        fits &= places.amax(1, keepdim=True) < _INT8 - _OFF_GRID
        steps = torch.where((steps == 0) & fits, float(count), steps)
        if bool(steps.all()):
            codes = (matrix / largest * steps).round().to(torch.int8)
            return codes, (largest / steps)[:, 0]
    return None

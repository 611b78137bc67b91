"""Torch itself, operation by operation, in float32 or in bfloat16."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from compress_core.measure.speed.runtimes.runnable import Runnable, Runtime, Whose


def torch_eager(network: nn.Module, whose: Whose) -> Runnable:
    """The network as torch runs it, in float32."""
    return Runnable(Runtime.TORCH, whose, _inference(network))


def torch_variants(network: nn.Module, whose: Whose) -> Runnable:
    """A network whose layers stand in their best kernel variants."""
    return Runnable(Runtime.VARIANTS, whose, _inference(network))


def torch_bf16(network: nn.Module, whose: Whose) -> Runnable:
    """The network with weights and activations in bfloat16: other numbers than the evaluated ones.

    Items go in and outputs come out in float32; converting them is part of the time.
    """
    half = copy.deepcopy(network).to(torch.bfloat16)  # in place, so on tensors of its own

    @torch.inference_mode()
    def run(batch: Tensor) -> Tensor:
        outputs: Tensor = half(batch.to(torch.bfloat16))
        return outputs.float()

    return Runnable(Runtime.BF16, whose, run)


def _inference(network: nn.Module) -> Callable[[Tensor], Tensor]:
    @torch.inference_mode()
    def run(batch: Tensor) -> Tensor:
        outputs: Tensor = network(batch)
        return outputs

    return run

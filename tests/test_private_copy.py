"""Copies that are ours: own parameters and buffers, and random weights that overlap in memory."""

from __future__ import annotations

import torch
from torch import nn

from compress_core.network.private_copy import private_copy, with_random_weights
from compress_core.network.shared_copy import digest_of
from tests.subjects import seeded
from tests.zoo import ZOO


def _layers() -> nn.Module:
    return seeded(nn.Sequential(*(nn.Linear(40, 40) for _ in range(6)), nn.BatchNorm1d(40)))


def test_a_private_copy_takes_no_memory_for_weights_and_can_be_trained_and_written_to() -> None:
    network = _layers().requires_grad_(requires_grad=False)
    before = digest_of(network)
    copied = private_copy(network)
    assert copied.get_parameter("0.weight").data_ptr() == network.get_parameter("0.weight").data_ptr()
    copied.requires_grad_(requires_grad=True)
    copied.get_buffer("6.running_mean").add_(1)
    assert digest_of(network) == before
    assert not any(values.requires_grad for values in network.parameters())


def test_random_weights_overlap_and_yet_no_two_rows_are_equal() -> None:
    copied = with_random_weights(_layers())
    weights = [copied.get_parameter(f"{index}.weight") for index in range(6)]
    assert len({weight.untyped_storage().data_ptr() for weight in weights}) == 1
    assert weights[0].untyped_storage().nbytes() < 2 * 8 * weights[0].numel()
    rows = torch.cat([weight.detach() for weight in weights])
    assert len(rows.unique(dim=0)) == len(rows) == 240
    assert all(values.dtype == torch.float64 for values in copied.parameters())


def test_tied_weights_stay_tied_and_whole_numbers_stay_whole() -> None:
    network = ZOO["tied"].network()
    copied = with_random_weights(network)
    names = [name for name, _ in network.named_parameters(remove_duplicate=False)]
    assert [name for name, _ in copied.named_parameters(remove_duplicate=False)] == names
    assert len(list(copied.parameters())) == len(list(network.parameters())) < len(names)
    assert with_random_weights(_layers()).get_buffer("6.num_batches_tracked").dtype == torch.int64

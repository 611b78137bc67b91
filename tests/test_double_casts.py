"""A cast to 32 bits in a forward is no reason to refuse what is tried in 64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.network.double_casts import try_network
from compress_core.network.forward import in_double, run_network
from compress_core.recipe.reading import read_recipe
from tests.subjects import seeded

INPUTS = np.random.default_rng(2).normal(size=(40, 3, 8, 8)).astype(np.float32)
CASTS: dict[str, Callable[[Tensor], Tensor]] = {
    "float": lambda x: x.float(),
    "to": lambda x: x.to(torch.float32),
    "to by name": lambda x: x.to(dtype=torch.float32),
    "softmax": lambda x: F.softmax(x, dim=1, dtype=torch.float32),
    "made here": lambda x: x @ torch.eye(x.shape[-1]),
}


class Casting(nn.Module):
    """It makes sure of 32 bits at its entry and behind its first layers."""

    def __init__(self, cast: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.cast = cast
        self.conv1, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.conv2, self.last = nn.Conv2d(8, 8, 3), nn.Linear(128, 4)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.norm(self.conv1(self.cast(x))))
        answer: Tensor = self.last(self.cast(F.relu(self.conv2(hidden))).flatten(1))
        return answer


@pytest.mark.parametrize("cast", CASTS)
def test_norms_are_folded_and_channels_cut_around_a_cast(cast: str) -> None:
    subject = subject_from_network(seeded(Casting(CASTS[cast])).eval(), Items(INPUTS, None), "casting")
    store, given = Store(), torch.from_numpy(INPUTS)
    folded = compress(subject, read_recipe("prepare: [fold_batch_norm]"), store).network()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    want = run_network(Model.original(subject).network(), given)
    assert torch.allclose(run_network(folded, given), want, atol=1e-5)
    cut = compress(
        subject,
        read_recipe("groups: [{match: conv1, steps: [{technique: magnitude, share_removed: 0.25}]}]"),
        store,
    )
    assert cut.network().get_submodule("conv1").weight.shape[0] == 6


def test_a_network_in_32_bits_is_left_alone() -> None:
    network = seeded(Casting(CASTS["float"])).eval()
    assert run_network(network, torch.from_numpy(INPUTS)).dtype == torch.float32
    assert try_network(network, torch.from_numpy(INPUTS)).dtype == torch.float32
    assert try_network(in_double(network), torch.from_numpy(INPUTS).double()).dtype == torch.float64

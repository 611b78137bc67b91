"""Pruning while a network trains follows its schedule to the weight, and nothing that went comes back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compress_core.network.layers.kinds import Layer, LayerKind, WeightLocation
from compress_core.training.methods.gradual import gradually_pruned
from compress_core.training.moment import Moment
from compress_core.training.pruning_schedule import cubic_sparsity, sparsity_of
from tests.training_cases import compressed, trained

SHAPES = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=3)


def layers_of(shapes: list[tuple[int, int]]) -> dict[str, Layer]:
    names = [f"fc{i}" for i, _ in enumerate(shapes)]
    return {
        n: Layer(n, LayerKind.LINEAR, torch.Size(s), (WeightLocation(n),))
        for n, s in zip(names, shapes, strict=True)
    }


@pytest.mark.parametrize(
    ("over", "sparsity"), [(0, 0.2), (0.5, 0.725), (0.75, 0.790625), (1, 0.8), (1.5, 0.8)]
)
def test_the_schedule_is_a_cubic(over: float, sparsity: float) -> None:
    assert cubic_sparsity(0.2, 0.8, over) == pytest.approx(sparsity)
    assert cubic_sparsity(0.9, 0.8, over) == pytest.approx(0.9), "nothing comes back"


@pytest.mark.parametrize(("share", "step"), [(0.0, 0), (0.1, 2), (0.5, 14), (0.51, 15), (0.7, 20), (1.0, 29)])
def test_a_share_of_a_training_is_over_with_the_step_that_reaches_it(share: float, step: int) -> None:
    assert Moment(0, 30, 10).first_after(share) == step
    assert Moment(step, 30, 10).share >= share
    assert step == 0 or Moment(step - 1, 30, 10).share < share


@settings(max_examples=25, deadline=None)
@given(
    SHAPES,
    st.sampled_from(["layer", "network", "erk"]),
    st.floats(0, 0.99),
    st.sampled_from([0.0, 0.3, 0.6]),
    st.sampled_from([0.0, 0.5, 0.73, 1.0]),
    st.integers(0, 99),
)
def test_masks_are_nested_and_every_step_of_the_schedule_has_its_exact_count(
    shapes: list[tuple[int, int]], scope: str, sparsity: float, before: float, share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    layers = layers_of(shapes)
    first = {n: torch.rand(x.kernel_shape, generator=generator) >= before for n, x in layers.items()}
    masks, last = first, Moment(0, 12, 4).first_after(share)
    for step in range(12):
        weights = {n: torch.randn(m.shape, generator=generator).round() for n, m in masks.items()}
        chosen = gradually_pruned(
            weights, masks, first, layers, Moment(step, 12, 4),
            sparsity=sparsity, scope=scope, every=2, share=share,
        )  # fmt: skip
        assert (chosen is not None) == (step == last or (0 < step < last and step % 2 == 0))
        if chosen is None:
            continue
        assert all(bool((masks[name] | ~mask).all()) for name, mask in chosen.items())
        masks = chosen
        budgets = [[name] for name in masks] if scope == "layer" else [list(masks)]
        for names in budgets:
            started, now = ({n: m[n] for n in names} for m in (first, masks))
            wanted = cubic_sparsity(sparsity_of(started), sparsity, step / last if last else 1.0)
            assert removed(now) == round(wanted * sum(m.numel() for m in now.values()))


def removed(masks: dict[str, Tensor]) -> int:
    return sum(int((~mask).count_nonzero()) for mask in masks.values())


def test_the_smallest_go_and_of_equal_ones_the_later() -> None:
    weights = {"fc0": torch.tensor([[0.5, -0.1, 0.5, 0.5]])}
    masks = {"fc0": torch.ones(1, 4, dtype=torch.bool)}
    chosen = gradually_pruned(
        weights, masks, masks, layers_of([(1, 4)]), Moment(0, 1, 1),
        sparsity=0.5, scope="layer", every=1, share=1,
    )  # fmt: skip
    assert chosen is not None
    assert chosen["fc0"].tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("scope", ["layer", "network", "erk"])
def test_a_training_ends_at_its_sparsity_and_gives_an_epoch_that_has_it(scope: str) -> None:
    said = {"method": "gradual", "sparsity": 0.83, "scope": scope, "every": 3, "share": 0.6}
    model = compressed({"technique": "magnitude", "sparsity": 0.3})
    found = trained(model, epochs=5, methods=[said])
    parts = [weight for (weight,) in found.weights.layers.values()]
    total = sum(w.weight.numel() for w in parts)
    if scope == "layer":
        assert [w.zeros.pruned for w in parts] == [round(0.83 * w.weight.numel()) for w in parts]
    else:
        assert sum(w.zeros.pruned for w in parts) == round(0.83 * total)
    assert found.epoch >= 3
    full = [f.score.value for f in found.history[2:]]
    assert found.epoch == 3 + full.index(max(full))
    for name, (weight,) in found.weights.layers.items():
        assert bool((weight.values[model.compressed[name].encoded[0].values == 0] == 0).all())
    shown = [f.sparsity["fc1"] for f in found.history]
    assert shown == sorted(shown)
    assert shown[0] > 0.3
    assert shown[2] == shown[-1]

"""What happens at a layer's input: rounding, its range, sparsity; in networks, and through gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.explain.attribution import attribute_in_batches, attribution_methods
from compress_core.numerics.input_ranges import least_divergent, least_squares_share, range_of
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.split import BATCH
from compress_core.subject.subject import Subject
from compress_core.techniques.activation_threshold import activation_threshold
from compress_core.techniques.contract.input_rules import (
    DynamicGrid,
    KeepAbove,
    KeepLargest,
    StaticGrid,
    rule_as_json,
    rule_from_json,
)
from compress_core.techniques.static_range import static_range
from tests.subjects import (
    calibrated_on_few,
    everything_subject,
    loaded_sample,
    mlp_subject,
    seeded,
    tiny_subject,
    with_calibration,
)

STORE = Store()
METHODS = ["minmax", "percentile", "entropy", "squared_error"]
STATIC = Step.of("static_range")


def drawn(*shape: int, seed: int = 0, shift: float = 0.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + shift


def ruled(subject: Subject, *steps: Step, match: str = "*", store: Store | None = None) -> Model:
    return compress(subject, Recipe((Rule(match, steps),)), store or Store())


# Grids ------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.integers(0, 999),
    st.integers(2, 8),
    st.sampled_from([-3.0, -0.5, 0.0, 0.2, 4.0]),
    st.floats(1e-3, 1e3),
)
def test_rounding_errs_by_half_a_step_in_the_range_and_keeps_zero(
    seed: int, bits: int, shift: float, size: float
) -> None:
    values = drawn(6, 9, seed=seed, shift=shift) * size
    rule = static_range(values, bits=bits)
    assert ((rule(values) - values).abs() <= rule.scale / 2 * (1 + 1e-4)).all()
    assert float(rule(torch.zeros(1))) == 0.0
    assert len(rule(values).unique()) <= 2**bits
    assert 0 <= rule.zero_point <= 2**bits - 1
    assert torch.allclose(rule(rule(values)), rule(values))


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(2, 8), st.sampled_from([-3.0, 0.0, 0.2, 4.0]))
def test_a_static_range_of_the_very_items_is_the_dynamic_one_of_their_batch(
    seed: int, bits: int, shift: float
) -> None:
    values = drawn(5, 3, 4, seed=seed, shift=shift)
    assert torch.equal(static_range(values, bits=bits)(values), DynamicGrid(bits, "per_tensor")(values))


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("shift", [-3.0, -0.7, 0.0, 2.0])
def test_rounding_equals_fake_quantization_of_torch(bits: int, shift: float) -> None:
    values = drawn(40, 50, shift=shift)
    rule = static_range(values, bits=bits)
    peer = torch.fake_quantize_per_tensor_affine(values, rule.scale, rule.zero_point, 0, 2**bits - 1)
    assert torch.allclose(rule(values), peer, atol=1e-6)
    outside = 3 * values
    peer = torch.fake_quantize_per_tensor_affine(outside, rule.scale, rule.zero_point, 0, 2**bits - 1)
    assert torch.allclose(rule(outside), peer, atol=1e-6)


def test_dynamic_per_item_rounds_every_item_as_if_it_were_alone() -> None:
    values = drawn(6, 4, 5) * torch.logspace(-3, 3, 6).view(-1, 1, 1)
    rule = DynamicGrid(4, "per_item")
    alone = torch.cat([DynamicGrid(4, "per_tensor")(item[None]) for item in values])
    assert torch.equal(rule(values), alone)


# Ranges -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [-4.0, 0.0, 4.0])
def test_every_range_holds_zero_and_lies_within_what_was_seen(method: str, shift: float) -> None:
    values = drawn(4000, shift=shift)
    low, high = range_of(values, method, 99.0, 8)
    assert min(0.0, float(values.min())) <= low <= 0 <= high <= max(0.0, float(values.max()))


def test_a_percentile_of_100_is_min_and_max_and_of_99_cuts_both_tails() -> None:
    values = torch.arange(-1000.0, 1001.0)
    assert range_of(values, "percentile", 100.0, 8) == (-1000.0, 1000.0)
    assert range_of(values, "percentile", 99.0, 8) == (-980.0, 980.0)


def test_entropy_cuts_a_lone_outlier_off_and_leaves_an_even_spread_alone() -> None:
    even = np.linspace(0, 1, 20_000, dtype=np.float32)
    assert least_divergent(even, 128) > 0.95
    assert least_divergent(np.append(even, np.float32(8)), 128) < 2


@pytest.mark.parametrize("levels", [4, 8, 128])
def test_entropy_does_not_clip_a_background_that_holds_most_values(levels: int) -> None:
    values = np.append(np.full(8000, -0.42), np.linspace(0.01, 2.8, 2000)).astype(np.float32)
    assert least_divergent(values, levels) > 0.42


@settings(max_examples=25)
@given(st.integers(0, 99), st.integers(2, 8))
def test_no_other_share_of_the_range_errs_less_than_the_least_squares(seed: int, bits: int) -> None:
    values = drawn(3000, seed=seed) ** 3
    low, high = float(values.min()), float(values.max())

    def error(rule: StaticGrid) -> float:
        return float((rule(values) - values).square().mean())

    best = error(static_range(values, bits=bits, method="squared_error"))
    others = [
        static_range(torch.tensor([share * low, share * high]), bits=bits) for share in (1, 0.7, 0.4, 0.2)
    ]
    assert best <= min(map(error, others)) * 1.02


def test_nothing_seen_and_nothing_but_zeros_have_a_range_too() -> None:
    for method in METHODS:
        for values in (torch.zeros(0), torch.zeros(5), torch.full((4,), 1e-45)):
            rule = static_range(values, method=method)
            assert torch.isfinite(rule(values)).all()
    assert least_squares_share(np.zeros(3, np.float32), 0.0, 0.0, 255) == 1.0


# Sparsity ---------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(0, 99), st.floats(0.001, 1), st.booleans())
def test_top_k_keeps_exactly_k_of_every_item_whatever_ties_there_are(
    seed: int, share: float, ties: bool
) -> None:
    values = drawn(5, 3, 7, seed=seed)
    values = values.sign() if ties else values
    kept = KeepLargest(share)(values).flatten(1)
    assert kept.count_nonzero(1).tolist() == [max(1, round(share * 21))] * 5
    gone = torch.where(kept == 0, values.flatten(1), torch.zeros(()))
    smallest = torch.where(kept == 0, torch.full((), torch.inf), kept.abs()).amin(1)
    assert (gone.abs().amax(1) <= smallest).all()
    assert torch.equal(kept[kept != 0], values.flatten(1)[kept != 0])
    order = values.flatten(1).abs().sort(dim=1, descending=True, stable=True).indices
    first = order[:, : max(1, round(share * 21))].sort(1).values
    assert torch.equal(kept.nonzero()[:, 1].view(5, -1), first)


@pytest.mark.parametrize("share", [0.001, 0.29, 0.5, 0.905, 1.0])
def test_a_threshold_leaves_the_share_of_the_items_it_was_chosen_on(share: float) -> None:
    values = drawn(40, 25)
    kept = activation_threshold(values, share_kept=share)(values)
    assert int(kept.count_nonzero()) == max(1, round(share * 1000))
    tied = values.sign()
    assert int(activation_threshold(tied, share_kept=share)(tied).count_nonzero()) == 1000


# Plain values -----------------------------------------------------------------------------------------------

RULES = [StaticGrid(0.1, 3, 8), DynamicGrid(4, "per_item"), KeepAbove(0.25), KeepLargest(0.5)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_rule_is_read_back_from_its_plain_values(rule: StaticGrid) -> None:
    assert rule_from_json(rule_as_json(rule)) == rule


def test_a_file_keeps_the_words_of_version_1() -> None:
    assert rule_as_json(DynamicGrid(4, "per_item")) == {"kind": "dynamic_grid", "bits": 4, "per": "item"}
    assert rule_as_json(DynamicGrid(8, "per_tensor")) == {"kind": "dynamic_grid", "bits": 8, "per": "batch"}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"kind": "grid"},
        {"kind": "static_grid", "scale": 1.0, "bits": 8},
        {"kind": "keep_above", "threshold": "0.5"},
        {"kind": "keep_above", "threshold": float("nan")},
        {"kind": "keep_largest", "share": True},
        {"kind": "keep_largest", "share": 0.5, "more": 1},
        {"kind": ["keep_largest"]},
    ],
)
def test_plain_values_that_are_no_rule_are_refused(said: dict[str, object]) -> None:
    with pytest.raises(Refused, match="a rule for inputs that this release does not know"):
        rule_from_json(said)


# In networks ------------------------------------------------------------------------------------------------


def inputs_of(model: Model, name: str, items: Tensor) -> list[Tensor]:
    """What a layer of the evaluated network really multiplies its weight with."""
    seen: list[Tensor] = []
    network = model.network()
    network.get_submodule(name).register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    with torch.no_grad():
        network(items)
    return seen


def test_a_layer_multiplies_rounded_inputs_and_no_others() -> None:
    subject = loaded_sample("lenet5")
    model = ruled(subject, Step.of("static_range", bits=3), match="fc1")
    items = subject.split("validation").inputs[:50]
    (rounded,) = inputs_of(model, "fc1", items)
    (whole,) = inputs_of(Model.original(subject), "fc1", items)
    (rule,) = model.inputs["fc1"]
    assert torch.equal(rounded, rule(whole))
    assert len(rounded.unique()) <= 8
    assert len(inputs_of(model, "fc2", items)[0].unique()) > 8


def test_a_range_is_calibrated_with_compressed_weights_and_rounded_inputs_before() -> None:
    subject = with_calibration(mlp_subject())
    items = subject.split("calibration").inputs
    crude = (Step.of("uniform", bits=2), Step.of("static_range", bits=2))
    recipe = Recipe((Rule("fc1", crude), Rule("fc2", (STATIC,))))
    model = compress(subject, recipe, Store())
    with torch.no_grad():
        network = model.network()
        arrives = network.fc1(items).relu()
    assert model.inputs["fc2"] == (static_range(arrives),)
    assert model.inputs["fc2"] != ruled(subject, STATIC).inputs["fc2"]


def test_a_sparse_input_is_rounded_over_the_range_of_what_is_left() -> None:
    subject = with_calibration(mlp_subject())
    sparse = Step.of("activation_threshold", share_kept=0.3)
    model = ruled(subject, sparse, STATIC, match="fc1")
    above, grid = model.inputs["fc1"]
    items = subject.split("calibration").inputs
    assert grid == static_range(above(items))
    share = above(items).count_nonzero() / items.numel()
    assert abs(float(share) - 0.3) < 0.01


class Twice(nn.Module):
    """One layer on two inputs of very different size."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.shared(input=x) + self.shared(100 * x.abs()))


def test_a_layer_that_is_called_twice_has_one_range_for_both_calls() -> None:
    subject = with_calibration(tiny_subject(seeded(Twice()), (6,)))
    model = ruled(subject, STATIC, match="shared")
    items = subject.split("calibration").inputs
    assert model.inputs["shared"] == (static_range(torch.cat([items, 100 * items.abs()])),)
    assert not torch.equal(model.network()(items), subject.network(items))


class ByHand(nn.Module):
    """Reads a layer's weight without calling the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.linear(x, self.hidden.weight))


def test_a_layer_that_is_not_called_is_refused_whatever_the_rule() -> None:
    subject = with_calibration(tiny_subject(seeded(ByHand()), (6,)))
    for name in ("static_range", "dynamic_range", "top_k"):
        with pytest.raises(Refused, match=f"does not call hidden as a layer.*take {name} out"):
            ruled(subject, Step.of(name), match="hidden")


def test_numbers_of_rows_cannot_be_rounded() -> None:
    with pytest.raises(Refused, match="words looks up rows by number"):
        ruled(everything_subject(), Step.of("dynamic_range"), match="words")


def test_calibration_without_items_and_items_that_are_not_finite_are_refused() -> None:
    with pytest.raises(Refused, match="has no calibration items"):
        ruled(mlp_subject(), STATIC)
    network = mlp_subject().network
    with torch.no_grad():
        network.fc1.bias.fill_(torch.inf)
    subject = with_calibration(tiny_subject(network, (6,)))
    with pytest.raises(Refused, match="fc2 gets inputs that are not finite"):
        ruled(subject, STATIC, match="fc2")


PROJECTIONS = [
    "attention.q_proj",
    "attention.out_proj",
    "cross.k_proj",
    "block.self_attn.v_proj",
    "block.linear1",
]


@pytest.mark.parametrize("name", PROJECTIONS)
def test_a_projection_of_attention_has_an_input_of_its_own(name: str) -> None:
    subject = with_calibration(everything_subject())
    items = subject.split("validation").inputs
    model = ruled(subject, Step.of("static_range", bits=2), match=name)
    (seen,) = inputs_of(model, name, items)
    assert len(seen.unique()) <= 4
    fine = ruled(subject, Step.of("static_range", bits=8), match=name)
    with torch.no_grad():
        assert torch.allclose(fine.network()(items), subject.network(items), atol=0.3)
        assert not torch.equal(model.network()(items), subject.network(items))


def test_a_factored_layer_is_rounded_where_it_reads() -> None:
    subject = with_calibration(mlp_subject())
    model = ruled(subject, Step.of("low_rank", rank=2), STATIC, match="fc2")
    assert set(model.inputs) == {"fc2"}
    items = subject.split("calibration").inputs
    (seen,) = inputs_of(model, "fc2.0", items)
    assert torch.equal(seen, model.inputs["fc2"][0](seen))


def test_the_rules_are_fixed_once_for_all_corrections(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, store = with_calibration(mlp_subject()), Store()
    first = ruled(subject, STATIC, store=store)
    monkeypatch.setattr("compress_core.apply.inputs._fixed", None)
    recipe = Recipe((Rule("*", (STATIC,)),), correct=(Step.of("bias_correction"),))
    assert compress(subject, recipe, store).inputs is first.inputs


# Replay and gradients ---------------------------------------------------------------------------------------


RECIPES: dict[str, Callable[[], tuple[Step, ...]]] = {
    "static": lambda: (Step.of("uniform", bits=4), Step.of("static_range", bits=6)),
    "dynamic": lambda: (Step.of("dynamic_range", bits=5, granularity="per_tensor"),),
    "sparse": lambda: (Step.of("top_k", share_kept=0.4), Step.of("dynamic_range", granularity="per_item")),
    "threshold": lambda: (Step.of("activation_threshold", share_kept=0.4),),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "resnet", "vit"])
@pytest.mark.parametrize("kind", RECIPES)
@pytest.mark.parametrize("match", ["first", "last", "any"])
def test_replay_equals_a_full_forward_with_rules_at_inputs(name: str, kind: str, match: str) -> None:
    subject = calibrated_on_few(name)
    names = list(subject.by_name)
    chosen = {"first": names[1], "last": names[-1], "any": "*"}[match]
    assert_replay_is_exact(ruled(subject, *RECIPES[kind](), match=chosen, store=STORE))


@pytest.mark.slow
def test_replay_starts_at_a_rounded_input_before_the_first_edited_weight() -> None:
    subject = loaded_sample("lenet5")
    rounded = Rule("fc1", (Step.of("static_range", bits=3),))
    for edited in ("conv2", "fc2"):
        recipe = Recipe((rounded, Rule(edited, (Step.of("uniform", bits=4),))))
        assert_replay_is_exact(compress(subject, recipe, STORE))


def assert_replay_is_exact(model: Model) -> None:
    """On more than one batch of the validation split, the last of them not a whole one."""
    head = model.subject.split("validation").first(BATCH + 10)
    assert len(head.inputs) == BATCH + 10
    network = model.network()
    with torch.inference_mode():
        full = torch.cat([network(batch) for batch in head.batches()])
    assert np.array_equal(predict(model, head, STORE).logits, full.numpy())


@pytest.mark.parametrize("name", ["saliency", "input_x_gradient", "integrated_gradients"])
@pytest.mark.parametrize("step", [Step.of("static_range", bits=4), Step.of("top_k", share_kept=0.3)])
def test_a_map_of_a_network_with_rules_at_its_inputs_is_not_empty(name: str, step: Step) -> None:
    subject = loaded_sample("lenet300")
    model = ruled(subject, step, store=STORE)
    inputs, targets = subject.split("validation").inputs[:4], torch.zeros(4, dtype=torch.long)
    method = attribution_methods()[name]
    maps = torch.cat(
        list(attribute_in_batches(model.network(), inputs, targets, method, subject.input.baseline))
    )
    assert (maps.flatten(1).abs().amax(1) > 0).all()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_gradients_pass_and_values_are_the_same_with_and_without_them(rule: StaticGrid) -> None:
    values = drawn(4, 6).requires_grad_()
    differentiated = rule(values)
    assert torch.equal(differentiated.detach(), rule(values.detach()))
    (gradient,) = torch.autograd.grad(differentiated.sum(), [values])
    kept = torch.ones(4, 6) if isinstance(rule, StaticGrid | DynamicGrid) else (differentiated != 0).float()
    assert torch.equal(gradient, kept)

"""Recipe + subject -> model: exact counts, keys of stages, factored layers, zeros by origin."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from compress_core.apply import run
from compress_core.apply.context import Context, Part, generator_for
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.cost.cost import costs, layer_costs
from compress_core.measure.cost.factor_cost import factor_warnings
from compress_core.measure.tables.layer_numbers import layer_frame
from compress_core.measure.tables.layer_weights import channel_sparsity, layer_weights
from compress_core.network.layers.places import write_matrix
from compress_core.network.shared_copy import digest_of, shared_copy
from compress_core.recipe.reading import read_recipe
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.subject import Subject
from tests.subjects import Mlp, everything_subject, loaded_sample, mlp_subject, rules, seeded, tiny_subject

MAGNITUDE = Step.of("magnitude", sparsity=0.5)
SUBJECT = mlp_subject()


@pytest.fixture(scope="module")
def lenet5() -> Subject:
    return loaded_sample("lenet5")


@pytest.fixture(scope="module")
def everything() -> Subject:
    return everything_subject()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """How often each technique was called for each layer."""
    calls: Counter[tuple[str, str]] = Counter()
    answer = run.technique_result

    def counting(step: Step, part: Part, context: Context) -> Any:
        calls[step.technique, part.layer.name] += 1
        return answer(step, part, context)

    monkeypatch.setattr(run, "technique_result", counting)
    return calls


# --- exact counts ------------------------------------------------------------------------------------


def test_ninety_percent_of_fc1_of_lenet5_are_exactly_360000_weights(lenet5: Subject) -> None:
    model = compress(lenet5, rules(fc1=Step.of("magnitude", sparsity=0.9)), Store())
    encoded = model.compressed["fc1"].encoded[0]
    assert encoded.zeros.pruned == int((~encoded.mask.tensor).count_nonzero()) == 360_000
    linear = nn.Linear(800, 500)
    linear.weight = nn.Parameter(lenet5.network.fc1.weight.clone())
    prune.l1_unstructured(linear, "weight", 360_000)
    assert torch.equal(encoded.mask.tensor, linear.weight_mask.bool())
    assert torch.equal(model.network().fc1.weight, linear.weight)


@pytest.mark.parametrize("sparsity", [0.0, 0.137, 0.29, 0.5, 0.935, 1.0])
def test_over_the_network_the_count_is_exact_over_all_layers(everything: Subject, sparsity: float) -> None:
    step = Step.of("magnitude", sparsity=sparsity, scope="network")
    model = compress(everything, Recipe((Rule("*", (step,)),)), Store())
    weights = sum(layer.weights for layer in everything.layers)
    removed = sum(compressed.encoded[0].zeros.pruned for compressed in model.compressed.values())
    assert removed == round(sparsity * weights)
    if 0 < removed < weights:
        mask = torch.cat(
            [e.encoded[0].weight[e.encoded[0].mask.tensor].abs() for e in model.compressed.values()]
        )
        gone = torch.cat(
            [e.encoded[0].weight[~e.encoded[0].mask.tensor].abs() for e in model.compressed.values()]
        )
        assert mask.min() >= gone.max()


@pytest.mark.parametrize("sparsity", [0.29, 0.9])
def test_an_erk_budget_is_exact_over_all_layers_and_spares_the_small_ones(
    everything: Subject, sparsity: float
) -> None:
    step = Step.of("magnitude", sparsity=sparsity, scope="erk")
    model = compress(everything, Recipe((Rule("*", (step,)),)), Store())
    encoded = {name: compressed.encoded[0] for name, compressed in model.compressed.items()}
    total = sum(c.weight.numel() for c in encoded.values())
    assert sum(c.zeros.pruned for c in encoded.values()) == round(sparsity * total)
    share = {name: c.kept_count / c.weight.numel() for name, c in encoded.items()}
    assert share["plane"] > share["block.linear1"]


def test_a_network_scope_covers_the_layers_of_equal_steps_only() -> None:
    step = Step.of("magnitude", sparsity=0.5, scope="network")
    other = Step.of("magnitude", sparsity=0.25, scope="network")
    model = compress(SUBJECT, rules(fc1=step, fc2=other, fc3=step), Store())
    together = sum(model.compressed[name].encoded[0].zeros.pruned for name in ("fc1", "fc3"))
    assert together == round(0.5 * (48 + 21))
    assert model.compressed["fc2"].encoded[0].zeros.pruned == round(0.25 * 56)


def test_small_layers_take_part_in_a_network_scope() -> None:
    network_wide = Step.of("magnitude", sparsity=0.4, scope="network")
    recipe = rules(fc1=(Step.of("low_rank", rank=3), network_wide), fc2=network_wide)
    model = compress(SUBJECT, recipe, Store())
    sizes = [
        encoded.weight.numel() for compressed in model.compressed.values() for encoded in compressed.encoded
    ]
    assert sizes == [3 * 6, 8 * 3, 56]
    assert sum(c.zeros.pruned for e in model.compressed.values() for c in e.encoded) == round(
        0.4 * sum(sizes)
    )


# --- keys --------------------------------------------------------------------------------------------


def test_the_same_recipe_gives_the_same_model_object() -> None:
    store = Store()
    recipe = rules(fc1=MAGNITUDE)
    model = compress(SUBJECT, recipe, store)
    assert compress(SUBJECT, recipe, store) is model
    assert compress(SUBJECT, resolve(recipe, list(SUBJECT.by_name)), store) is model
    assert compress(mlp_subject(), rules(fc1=Step.of("magnitude")), store) is model


def test_another_bit_width_does_not_score_or_factor_anew(asked: Counter[tuple[str, str]]) -> None:
    store = Store()
    start = (Step.of("low_rank", rank=3), Step.of("random_pruning", sparsity=0.3))
    for bits in (2, 4, 8):
        compress(SUBJECT, rules(fc1=(*start, Step.of("uniform", bits=bits))), store)
    assert asked == {
        ("low_rank", "fc1"): 1,
        ("random_pruning", "fc1.0"): 1,
        ("random_pruning", "fc1.1"): 1,
        ("uniform", "fc1.0"): 3,
        ("uniform", "fc1.1"): 3,
    }


def test_another_sparsity_does_not_score_anew_but_quantizes_anew(asked: Counter[tuple[str, str]]) -> None:
    store = Store()
    for sparsity in (0.2, 0.4):
        steps = (Step.of("random_pruning", sparsity=sparsity), Step.of("kmeans", bits=2))
        compress(SUBJECT, rules(fc1=steps), store)
    assert asked == {("random_pruning", "fc1"): 1, ("kmeans", "fc1"): 2}


def test_another_layer_does_not_touch_what_was_done(asked: Counter[tuple[str, str]]) -> None:
    store = Store()
    step = (Step.of("threshold"), Step.of("kmeans", bits=2))
    compress(SUBJECT, rules(fc1=step), store)
    compress(SUBJECT, rules(fc1=step, fc2=step), store)
    assert set(asked.values()) == {1}
    assert len(asked) == 4


def test_back_to_an_old_value_costs_nothing(asked: Counter[tuple[str, str]]) -> None:
    store = Store()
    models = [compress(SUBJECT, rules(fc1=Step.of("random_pruning", seed=seed)), store) for seed in (0, 1, 0)]
    assert models[0] is models[2]
    assert asked["random_pruning", "fc1"] == 2


def test_the_quantizer_sees_which_weights_were_kept() -> None:
    store = Store()
    fitted = [
        compress(SUBJECT, rules(fc1=(Step.of("magnitude", sparsity=s), Step.of("kmeans", bits=2))), store)
        for s in (0.0, 0.8)
    ]
    tables = [m.compressed["fc1"].encoded[0].quantized.levels.table for m in fitted]
    assert not torch.equal(*tables)
    for model in fitted:
        encoded = model.compressed["fc1"].encoded[0]
        assert not encoded.values[~encoded.mask.tensor].any()


def test_subjects_with_other_weights_do_not_share_results() -> None:
    other = seeded(Mlp())
    with torch.no_grad():
        other.fc1.weight[0, 0] += 1
    store = Store()
    models = [compress(s, rules(fc1=MAGNITUDE), store) for s in (SUBJECT, tiny_subject(other, (6,)))]
    assert models[0].key != models[1].key
    assert not torch.equal(*(m.compressed["fc1"].encoded[0].weight for m in models))


# --- refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_in_their_layer_only(bad: float) -> None:
    network = seeded(Mlp())
    with torch.no_grad():
        network.fc2.weight[1, 2:4] = bad
    subject = tiny_subject(network, (6,))
    assert dict(subject.problems) == {"fc2": 2}
    with pytest.raises(Refused, match="fc2 holds 2 weights that are NaN or infinite"):
        compress(subject, rules(fc2=MAGNITUDE), Store())
    assert compress(subject, rules(fc1=MAGNITUDE), Store()).compressed["fc1"].encoded[0].zeros.pruned == 24


def test_a_network_that_insists_on_its_layer_says_that_it_cannot_be_factored() -> None:
    class Strict(Mlp):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert isinstance(self.fc1, nn.Linear)
            return super().forward(x)

    subject = tiny_subject(seeded(Strict()), (6,))
    with pytest.raises(Refused, match="does not run with smaller layers in place of one"):
        compress(subject, rules(fc1=Step.of("low_rank", rank=2)), Store())


def test_a_weight_that_is_read_by_hand_is_pruned_but_not_factored() -> None:
    class ByHand(Mlp):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + self.fc1.weight.sum()

    subject = tiny_subject(seeded(ByHand()), (6,))
    compress(subject, rules(fc1=MAGNITUDE), Store()).network()
    with pytest.raises(Refused, match="does not run with smaller layers in place of one"):
        compress(subject, rules(fc1=Step.of("low_rank", rank=2)), Store())


def test_a_refused_recipe_is_refused_again_and_leaves_the_store_usable() -> None:
    store = Store()
    recipe = rules(fc1=Step.of("low_rank", rank=7))
    for _ in range(2):
        with pytest.raises(Refused, match="rank 6 at most"):
            compress(SUBJECT, recipe, store)
    assert compress(SUBJECT, rules(fc1=Step.of("low_rank", rank=6)), store)


# --- factored layers ---------------------------------------------------------------------------------

STEPS = {
    "factored": (),
    "pruned": (Step.of("magnitude", sparsity=0.4),),
    "quantized": (Step.of("uniform", bits=4),),
    "pruned and quantized": (Step.of("random_pruning", sparsity=0.4), Step.of("kmeans", bits=3)),
}


@pytest.mark.slow
@pytest.mark.parametrize("steps", STEPS)
def test_the_factored_network_computes_what_the_products_of_its_factors_compute(
    everything: Subject, steps: str
) -> None:
    inputs = everything.split("validation").inputs
    for layer in everything.layers:
        recipe = Recipe((Rule(layer.name, (Step.of("low_rank", rank=1), *STEPS[steps])),))
        if len(layer.places) > 1:
            with pytest.raises(Refused, match="shares its weight"):
                compress(everything, recipe, Store())
            continue
        model = compress(everything, recipe, Store())
        whole = shared_copy(everything.network)
        write_matrix(whole, layer, model.values(layer.name))
        torch.testing.assert_close(model.network()(inputs), whole(inputs), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "technique"),
    [
        *((name, "tucker") for name in ("line", "up", "plane", "depth", "room")),
        *((name, "spatial") for name in ("plane", "depth")),
    ],
)
def test_small_convolutions_compute_what_their_product_computes(
    everything: Subject, name: str, technique: str
) -> None:
    recipe = Recipe((Rule(name, (Step.of(technique, energy=0.7), *STEPS["quantized"])),))
    model = compress(everything, recipe, Store())
    compressed = model.compressed[name]
    assert [part.name for part in compressed.small] == [f"{name}.{i}" for i in range(len(compressed.encoded))]
    assert all(encoded.quantized is not None for encoded in compressed.encoded)
    whole, inputs = shared_copy(everything.network), everything.split("validation").inputs
    write_matrix(whole, compressed.layer, model.values(name))
    torch.testing.assert_close(model.network()(inputs), whole(inputs), atol=1e-4, rtol=1e-3)


def test_a_rank_that_makes_a_layer_bigger_or_slower_is_warned_of_and_not_refused() -> None:
    subject = tiny_subject(seeded(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.Flatten())), (3, 9, 9))

    def said(step: Step) -> list[str]:
        return [str(text) for text in factor_warnings(compress(subject, rules(any=step), Store()))]

    assert said(Step.of("low_rank", rank=5)) == []
    (both,) = said(Step.of("low_rank", rank=7))
    assert "245 weights instead of 216 and 3,920 multiplications for an item instead of 3,456:" in both
    assert said(Step.of("tucker", rank_in=3, rank_out=4)) == []
    assert said(Step.of("tucker", rank_in=3, rank_out=5)) == [
        "Rank 3 costs 0 3,529 multiplications for an item instead of 3,456: choose a smaller one."
    ]


def test_a_rule_speaks_for_one_small_layer() -> None:
    recipe = read_recipe(
        """
        version: 1
        layers:
          - {match: fc1.0, steps: [{technique: magnitude, sparsity: 0.5}]}
          - {match: fc1, steps: [{technique: low_rank, rank: 4}, {technique: uniform, bits: 5}]}
        """
    )
    first, second = compress(SUBJECT, recipe, Store()).compressed["fc1"].encoded
    assert (first.zeros.pruned, first.quantized) == (12, None)
    assert second.mask is None
    assert second.quantized is not None


def test_energy_and_the_rank_it_leads_to_make_the_same_weights() -> None:
    by_energy = compress(SUBJECT, rules(fc1=Step.of("low_rank", energy=0.9)), Store())
    rank = by_energy.compressed["fc1"].encoded[0].weight.shape[0]
    by_rank = compress(SUBJECT, rules(fc1=Step.of("low_rank", rank=rank)), Store())
    assert torch.equal(by_energy.values("fc1"), by_rank.values("fc1"))


# --- recipes -----------------------------------------------------------------------------------------


@given(st.permutations(["fc1", "fc2", "fc3"]))
def test_the_order_of_rules_that_do_not_overlap_changes_nothing(names: list[str]) -> None:
    steps = {"fc1": MAGNITUDE, "fc2": Step.of("uniform"), "fc3": Step.of("low_rank", rank=2)}
    store = Store()
    expected = compress(SUBJECT, rules(**steps), store)
    assert compress(SUBJECT, rules(**{name: steps[name] for name in names}), store) is expected


def test_the_canonical_form_resolves_to_itself() -> None:
    recipe = rules(fc1=(Step.of("low_rank", rank=3), MAGNITUDE), fc2=Step.of("kmeans"), any=MAGNITUDE)
    resolved = resolve(recipe, list(SUBJECT.by_name))
    again = resolve(resolved.as_recipe(), list(SUBJECT.by_name))
    assert again == resolved
    assert again.sha == resolved.sha
    assert resolve(read_recipe(resolved.as_recipe().as_yaml()), list(SUBJECT.by_name)).sha == resolved.sha


def test_an_empty_recipe_is_the_original() -> None:
    model = compress(SUBJECT, Recipe(), Store())
    assert model.key == Model.original(SUBJECT).key
    assert digest_of(model.network()) == SUBJECT.digest


def test_random_pruning_is_the_same_again_and_another_for_each_seed_and_layer() -> None:
    def masks(seed: int) -> list[torch.Tensor]:
        recipe = Recipe((Rule("*", (Step.of("random_pruning", seed=seed),)),))
        model = compress(SUBJECT, recipe, Store())
        return [e.encoded[0].mask.tensor for e in model.compressed.values()]

    assert all(torch.equal(a, b) for a, b in zip(masks(3), masks(3), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(masks(3), masks(4), strict=True))
    draws = [torch.rand(9, generator=generator_for(3, name)) for name in ("fc1", "fc2")]
    assert not torch.equal(*draws)


def test_no_global_seed_is_read_or_moved() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    compress(SUBJECT, rules(any=Step.of("random_pruning")), Store()).network()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_statistic_of_a_layer_is_derived_once() -> None:
    store = Store()
    first = derive(SUBJECT, "fc1", "singular_vectors", store)
    compress(SUBJECT, rules(fc1=Step.of("low_rank", rank=2)), store)
    assert derive(SUBJECT, "fc1", "singular_vectors", store) is first
    exact = torch.linalg.svdvals(SUBJECT.network.fc1.weight)
    torch.testing.assert_close(first.values[0].float(), exact)


# --- zeros, costs, weights ---------------------------------------------------------------------------

PRUNERS = st.sampled_from(
    [
        None,
        Step.of("magnitude", sparsity=0.37),
        Step.of("magnitude", pattern="1:2"),
        Step.of("magnitude", sparsity=0.6, scope="row"),
        Step.of("magnitude", sparsity=0.5, scope="erk", pattern="1x2"),
        Step.of("magnitude", sparsity=0.4, scope="network", pattern="row"),
        Step.of("random_pruning", sparsity=0.5, scope="network"),
        Step.of("threshold", share=0.3),
    ]
)
QUANTIZERS = st.sampled_from(
    [
        None,
        Step.of("uniform", bits=2),
        Step.of("affine", bits=3, granularity="per_tensor"),
        Step.of("power_of_two", bits=2),
        Step.of("kmeans", bits=2),
        Step.of("normal_float", bits=3),
    ]
)


def _with_zeros() -> Subject:
    network = seeded(Mlp())
    with torch.no_grad():
        network.fc1.weight[0] = 0
        network.fc2.weight[:, 3] = 0
        network.fc3.weight.zero_()
    return tiny_subject(network, (6,))


ZEROS = _with_zeros()


@pytest.mark.slow
@settings(max_examples=60)
@given(PRUNERS, QUANTIZERS, st.sampled_from([None, 2, 3]))
def test_zeros_by_origin_add_up_to_the_zeros_that_are_there(
    pruner: Step | None, quantizer: Step | None, rank: int | None
) -> None:
    factor = None if rank is None else Step.of("low_rank", rank=rank)
    chosen = tuple(s for s in (factor, pruner, quantizer) if s is not None)
    model = compress(ZEROS, Recipe((Rule("fc[12]", chosen),)), Store())
    for row in layer_costs(model, Store()):
        compressed = model.compressed.get(row.layer.name)
        encoded = compressed.encoded if compressed else ()
        values = [c.values for c in encoded] or [model.values(row.layer.name)]
        assert row.zeros.total == sum(int((v == 0).count_nonzero()) for v in values)
        assert min(row.zeros.pruned, row.zeros.quantized, row.zeros.original) >= 0
        assert row.zeros.pruned == sum(c.weight.numel() - c.kept_count for c in encoded)
        assert row.weights == sum(v.numel() for v in values)
        if quantizer is None:
            assert row.zeros.quantized == 0
    told = costs(model, Store())
    parts = [told[f"sparsity_{origin}"].value for origin in ("pruned", "quantized", "original")]
    assert sum(parts) == pytest.approx(told["sparsity"].value)
    items = [told[f"bytes_{item}"].value for item in ("values", "positions", "tables", "header")]
    assert sum(items) == told["bytes"].value == model.file_bytes


def test_macs_of_the_layers_add_up_and_a_missing_one_is_said_to_be_missing(everything: Subject) -> None:
    model = compress(SUBJECT, rules(fc2=Step.of("low_rank", rank=2)), Store())
    assert costs(model, Store())["macs"].value == 48 + (14 + 16) + 21
    assert layer_frame(model, Store())["rank"].tolist()[1] == 2
    idle = Mlp()
    idle.idle = nn.Linear(2, 2)
    missing = costs(Model.original(tiny_subject(idle, (6,))), Store())["macs"]
    assert missing.value is None
    assert "did not run" in missing.reason
    assert costs(Model.original(everything), Store())["macs"].value > 0


def test_weights_before_and_after_are_those_that_are_applied(everything: Subject) -> None:
    names = [layer.name for layer in everything.layers if len(layer.places) == 1]
    matching = tuple(Rule(name, (Step.of("low_rank", rank=1), MAGNITUDE)) for name in names)
    model = compress(everything, Recipe(matching), Store())
    sparsity = channel_sparsity(model, Store())
    for layer in everything.layers:
        shown = layer_weights(model, layer.name, Store())
        assert shown.before.shape == shown.after.shape == (layer.rows, layer.columns)
        assert torch.equal(torch.from_numpy(shown.after), model.values(layer.name))
        assert sparsity.shares[layer.name].tolist() == pytest.approx((shown.after == 0).mean(axis=1))


def test_a_bare_layer_is_a_network_too() -> None:
    subject = tiny_subject(nn.Linear(6, 3), (6,))
    assert [layer.name for layer in subject.layers] == ["0"]
    model = compress(subject, rules(any=Step.of("low_rank", rank=2)), Store())
    assert model.network()(torch.ones(1, 6)).shape == (1, 3)


def test_compressing_everything_leaves_the_original_as_it_was(everything: Subject) -> None:
    for technique in ("magnitude", "kmeans"):
        network = compress(everything, rules(any=Step.of(technique)), Store()).network()
        network(everything.split("validation").inputs)
        assert digest_of(network) != everything.digest
    assert digest_of(everything.network) == everything.digest


def test_costs_are_kept_by_content_and_not_by_the_object() -> None:
    recipe, store = Recipe((Rule("*", (Step.of("magnitude", sparsity=0.5),)),)), Store()
    first, again = (compress(SUBJECT, recipe, Store()) for _ in range(2))
    assert layer_costs(first, store) is layer_costs(again, store)
    other = compress(SUBJECT, Recipe((Rule("*", (Step.of("magnitude", sparsity=0.25),)),)), Store())
    assert layer_costs(other, store) != layer_costs(first, store)

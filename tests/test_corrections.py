"""Corrections: mean outputs are what they were, norms normalize again, what changes nothing is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predict
from compress_core.network.shared_copy import digest_of
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.split import BATCH, Split
from compress_core.subject.subject import Subject
from tests.subjects import (
    everything_subject,
    loaded_sample,
    mlp_subject,
    seeded,
    tiny_subject,
    with_calibration,
)

pytestmark = pytest.mark.slow

BIAS, NORMS = Step.of("bias_correction"), Step.of("reestimate_batch_norm")
FOLD = Step.of("fold_batch_norm")
CRUDE = Step.of("uniform", bits=2)
STORE = Store()
FEW = 64  # calibration items: what is claimed of them holds for any number


@cache
def sample(name: str) -> Subject:
    """A sample model with few calibration items."""
    subject = loaded_sample(name)
    items = subject.split("calibration")
    few = Split("calibration", items.inputs[:FEW], items.labels[:FEW])
    return replace(subject, splits={**subject.splits, "calibration": few})


def corrected(
    subject: Subject,
    *correct: Step,
    steps: tuple[Step, ...] = (CRUDE,),
    match: str = "*",
    **more: object,
) -> Model:
    """Some layers compressed, then corrected."""
    recipe = Recipe((Rule(match, steps),) if steps else (), correct=correct, **more)
    return compress(subject, recipe, STORE)


def calibrated(model: Model) -> Tensor:
    return model.subject.split("calibration").inputs


def outputs_of(network: nn.Module, name: str, items: Tensor) -> Tensor:
    """All that a module puts out, channels first and in float64, its calls one after the other."""
    return all_outputs(network, [name], items)[name]


def all_outputs(network: nn.Module, names: Sequence[str], items: Tensor) -> dict[str, Tensor]:
    """The same of several modules, from one pass."""
    seen: dict[str, list[Tensor]] = {name: [] for name in names}

    def note(name: str, axis: int, out: Tensor) -> None:
        seen[name].append(out.movedim(axis, 0).flatten(1).double())

    for name in names:
        module = network.get_submodule(name)
        axis = 1 if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.BatchNorm1d) else -1
        module.register_forward_hook(lambda _m, _a, out, name=name, axis=axis: note(name, axis, out))
    with torch.no_grad():
        network(items)
    return {name: torch.cat(found, dim=1) for name, found in seen.items()}


def assert_means_meet(model: Model, names: list[str], tolerance: float = 1e-5) -> None:
    """The mean outputs on calibration items are those of the base."""
    items = calibrated(model)
    want = all_outputs(Model.original(model.base).network(), names, items)
    got = all_outputs(model.network(), names, items)
    for name in names:
        assert torch.allclose(got[name].mean(1), want[name].mean(1), atol=tolerance, rtol=tolerance), name


# Biases -----------------------------------------------------------------------------------------------------


def test_the_mean_output_of_every_treated_layer_is_that_of_the_original() -> None:
    for name in ("lenet300", "lenet5", "vit"):
        subject = sample(name)
        model = corrected(subject, BIAS)
        assert_means_meet(model, list(subject.by_name))
        crude = compress(subject, Recipe((Rule("*", (CRUDE,)),)), STORE)
        with pytest.raises(AssertionError):
            assert_means_meet(crude, list(subject.by_name))


def test_only_the_layers_that_were_changed_get_another_bias() -> None:
    model = corrected(sample("lenet300"), BIAS, match="fc2")
    assert set(model.rest) == {"fc2.bias"}
    assert_means_meet(model, ["fc2"])


def test_rounded_inputs_are_made_up_for_as_well() -> None:
    subject = sample("lenet300")
    model = corrected(subject, BIAS, steps=(Step.of("static_range", bits=2),))
    assert not model.compressed
    assert_means_meet(model, list(subject.by_name))


def test_a_layer_without_a_bias_gets_one_and_a_file_counts_it() -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 3, bias=False)))
    subject = with_calibration(tiny_subject(network, (6,)))
    model = corrected(subject, BIAS)
    assert set(model.rest) == {"0.bias", "2.bias"}
    assert model.entries()["0.bias"] == ("F32", (5,))
    assert network[0].bias is None
    assert_means_meet(model, ["0", "2"])


def test_where_a_norm_alone_reads_the_output_its_mean_takes_the_shift() -> None:
    subject = sample("resnet")
    model = corrected(subject, BIAS)
    norms = [name for name, module in subject.network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert set(model.rest) == {"fc.bias", *(f"{norm}.running_mean" for norm in norms)}
    assert_means_meet(model, [*norms, "fc"])
    assert all(layer.bias is False for layer in model.base.layers if layer.name != "fc")


def test_a_folded_layer_has_a_bias_to_correct() -> None:
    model = corrected(sample("resnet"), BIAS, prepare=(FOLD,))
    names = [layer.name for layer in model.base.layers]
    assert set(model.rest) == {f"{name}.bias" for name in names}
    assert_means_meet(model, names)


def test_a_factored_layer_keeps_its_corrected_bias() -> None:
    subject = with_calibration(mlp_subject())
    model = corrected(subject, BIAS, steps=(Step.of("low_rank", rank=1),), match="fc2")
    assert set(model.rest) == {"fc2.bias"}
    assert torch.equal(model.network().fc2[1].bias, model.rest["fc2.bias"])
    assert_means_meet(model, ["fc2"])


def test_projections_of_attention_are_corrected_in_their_one_vector() -> None:
    subject = with_calibration(everything_subject())
    model = corrected(subject, BIAS, match="[ac]*.?_proj")
    assert set(model.rest) == {"attention.in_proj_bias", "cross.in_proj_bias"}
    before, after = subject.network.attention.in_proj_bias, model.rest["attention.in_proj_bias"]
    assert not torch.equal(before, after)
    assert model.rest["cross.in_proj_bias"].shape == (24,)
    out = corrected(subject, BIAS, match="cross.out_proj")
    assert set(out.rest) == {"cross.out_proj.bias"}
    both = corrected(subject, BIAS, steps=(Step.of("static_range", bits=2),), match="*.?_proj")
    for projection in ("attention.q_proj", "attention.v_proj", "block.self_attn.k_proj"):
        fine = corrected(subject, steps=(Step.of("static_range", bits=8),), match="*.?_proj")
        items = calibrated(model)
        got = outputs_of(both.network(), projection, items).mean(1)
        assert torch.allclose(got, outputs_of(fine.network(), projection, items).mean(1), atol=0.02)


class Twice(nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.shared(x) + self.shared(x.square()))


def test_a_layer_that_is_called_twice_is_right_over_both_calls() -> None:
    subject = with_calibration(tiny_subject(seeded(Twice()), (6,)))
    assert_means_meet(corrected(subject, BIAS, match="shared"), ["shared"])


# Norms ------------------------------------------------------------------------------------------------------


def assert_norms_normalize(model: Model) -> None:
    """On calibration items their outputs have mean offset and variance gain squared."""
    network = model.network()
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    norms = {name: module for name, module in network.named_modules() if isinstance(module, kinds)}
    for name, outputs in all_outputs(network, list(norms), calibrated(model)).items():
        norm = norms[name]
        share = norm.running_var / (norm.running_var + norm.eps)
        assert torch.allclose(outputs.mean(1).float(), norm.bias, atol=1e-4), name
        spread = outputs.var(1, correction=0).float()
        assert torch.allclose(spread, norm.weight.square() * share, rtol=1e-3), name


def test_after_re_estimation_every_norm_normalizes_the_compressed_network() -> None:
    subject = sample("resnet")
    model = corrected(subject, NORMS)
    assert len(model.rest) == 14
    assert_norms_normalize(model)
    with pytest.raises(AssertionError):
        assert_norms_normalize(corrected(subject))
    assert digest_of(subject.network) == digest_of(loaded_sample("resnet").network)


def test_both_corrections_follow_one_another_in_the_order_of_the_recipe() -> None:
    subject = sample("resnet")
    assert_norms_normalize(corrected(subject, BIAS, NORMS))
    last = corrected(subject, NORMS, BIAS)
    assert_means_meet(last, ["fc"])
    assert not torch.equal(last.rest["bn1.running_mean"], corrected(subject, BIAS).rest["bn1.running_mean"])


class NormTwice(nn.Module):
    """One norm for two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(6, 3), nn.Linear(6, 3), nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.a(x)) + self.norm(2 + 3 * self.b(x))


def test_a_norm_that_is_called_twice_is_measured_over_both_calls() -> None:
    subject = with_calibration(tiny_subject(seeded(NormTwice()), (6,)))
    model = corrected(subject, NORMS)
    network, items = model.network(), calibrated(model)
    both = torch.cat([network.a(items), 2 + 3 * network.b(items)])
    assert torch.allclose(model.rest["norm.running_mean"], both.mean(0), atol=1e-5)
    assert torch.allclose(model.rest["norm.running_var"], both.var(0, correction=0), rtol=1e-4)


# What changes nothing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: corrected(sample("lenet300"), NORMS), "LeNet-300-100 has no batch norm with running"),
        (
            lambda: corrected(sample("resnet"), NORMS, prepare=(FOLD,)),
            "were folded into the layers before",
        ),
        (
            lambda: corrected(sample("resnet"), BIAS, steps=()),
            "bias_correction has nothing to make up for",
        ),
        (lambda: corrected(everything_subject(), BIAS), "has no calibration items"),
        (
            lambda: corrected(with_calibration(everything_subject()), BIAS, match="words"),
            "bias_correction has nothing to make up for",
        ),
    ],
)
def test_a_correction_that_can_change_nothing_is_refused(make: Callable[[], Model], match: str) -> None:
    with pytest.raises(Refused, match=match):
        make()


def test_what_is_not_finite_is_refused() -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)))
    subject = with_calibration(tiny_subject(network, (6,)))
    with torch.no_grad():
        network[0].bias.fill_(torch.inf)
    for correction in (BIAS, NORMS):
        with pytest.raises(Refused, match=f"not finite, so {correction.technique} cannot measure it"):
            corrected(subject, correction)


# What it is good for, and replay ----------------------------------------------------------------------------


@pytest.mark.parametrize("correction", [BIAS, NORMS])
def test_a_crude_residual_network_is_right_more_often_after_a_correction(correction: Step) -> None:
    subject = sample("resnet")
    split = subject.split("validation")
    head = type(split)("validation", split.inputs[:1000], split.labels[:1000])
    steps = (Step.of("uniform", bits=3, granularity="per_tensor"),)
    before, after = (
        predict(corrected(subject, *correct, steps=steps), head, STORE).correct.mean()
        for correct in ((), (correction,))
    )
    assert after > before + 0.05


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("lenet5", {"prepare": (Step.of("cross_layer_equalization"),), "correct": (BIAS,)}),
        ("resnet", {"prepare": (FOLD, Step.of("cross_layer_equalization")), "correct": (BIAS,)}),
        ("resnet", {"correct": (BIAS, NORMS)}),
        ("vit", {"correct": (BIAS,)}),
    ],
)
@pytest.mark.parametrize("which", ["last", "any"])
def test_replay_equals_a_full_forward_after_preparations_and_corrections(
    name: str, more: dict[str, tuple[Step, ...]], which: str
) -> None:
    subject = sample(name)
    match = "*" if which == "any" else list(subject.by_name)[-1]
    steps = (Step.of("uniform", bits=4), Step.of("static_range", bits=6))
    model = compress(subject, Recipe((Rule(match, steps),), **more), STORE)
    head = subject.split("validation").first(BATCH + 10)
    assert len(head.inputs) == BATCH + 10
    network = model.network()
    with torch.inference_mode():
        full = torch.cat([network(batch) for batch in head.batches()])
    assert np.array_equal(predict(model, head, STORE).logits, full.numpy())


def test_a_corrected_network_can_be_differentiated_through() -> None:
    model = corrected(sample("resnet"), BIAS, NORMS)
    inputs = calibrated(model)[:2].clone().requires_grad_()
    model.network()(inputs).sum().backward()
    assert float(inputs.grad.abs().sum()) > 0

"""Each attribution method against its definition, and the promise that a shared network stays as it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.foundation.errors import Refused
from compress_core.measure.explain import attribution
from compress_core.measure.explain.attribution import (
    attribute,
    attribution_methods,
    method_named,
    offered_methods,
    skeleton,
)
from compress_core.measure.explain.feature_place import last_spatial_place
from sample_models.architectures import LeNet5, LeNet300, ResNet, TabularNet

METHODS = list(attribution_methods())
CHANNELS, HEIGHT, WIDTH = 2, 9, 7


class SmallCnn(nn.Module):
    """images [N, 2, 9, 7] -> logits [N, 3], with everything in it that could go wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.conv2(torch.tanh(self.norm(self.conv1(images)))))
        return self.fc(self.dropout(maps.mean(dim=(2, 3))))


def frozen(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(requires_grad=False)


@pytest.fixture
def cnn() -> nn.Module:
    torch.manual_seed(0)
    return frozen(SmallCnn())


@pytest.fixture
def images() -> Tensor:
    return torch.randn(6, CHANNELS, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))


TARGETS = torch.tensor([0, 1, 2, 0, 1, 2])
BLACK_28 = torch.zeros(1, 1, 28, 28)
BLACK = torch.full((1, CHANNELS, HEIGHT, WIDTH), -0.4)


def score(network: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    with torch.no_grad():
        return network(inputs).gather(1, targets[:, None])[:, 0]


def gradient(network: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    inputs = inputs.clone().requires_grad_()
    return torch.autograd.grad(network(inputs).gather(1, targets[:, None]).sum(), inputs)[0]


def state_of(network: nn.Module) -> list[object]:
    """Everything about a network that an explanation must leave alone."""
    tensors = [(id(p), p._version, p.requires_grad, p.grad) for p in network.parameters()]
    buffers = [(id(b), b._version) for b in network.buffers()]
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = [(m.training, [len(getattr(m, name)) for name in hooks]) for m in network.modules()]
    return [tensors, buffers, modules]


def test_saliency_is_the_gradient_summed_over_channels(cnn: nn.Module, images: Tensor) -> None:
    maps = attribute(cnn, images, TARGETS, method_named("saliency"), BLACK)
    torch.testing.assert_close(maps, gradient(cnn, images, TARGETS).sum(dim=1))


def test_input_x_gradient_of_a_linear_model_is_weight_times_input() -> None:
    linear = frozen(nn.Linear(4, 3))
    rows, targets = torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])
    maps = attribute(linear, rows, targets, method_named("input_x_gradient"), torch.zeros(1, 4))
    torch.testing.assert_close(maps, linear.weight[targets] * rows)


def test_integrated_gradients_of_a_linear_model_are_weight_times_distance_from_the_baseline() -> None:
    linear, baseline = frozen(nn.Linear(4, 3)), torch.tensor([[1.0, -2.0, 0.5, 0.0]])
    rows, targets = torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])
    maps = attribute(linear, rows, targets, method_named("integrated_gradients"), baseline)
    torch.testing.assert_close(maps, linear.weight[targets] * (rows - baseline))


def test_integrated_gradients_add_up_to_the_change_of_the_score(images: Tensor) -> None:
    torch.manual_seed(2)
    smooth = frozen(
        nn.Sequential(
            nn.Conv2d(CHANNELS, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(140, 8), nn.Tanh(), nn.Linear(8, 3)
        )
    )
    maps = attribute(smooth, images, TARGETS, method_named("integrated_gradients"), BLACK)
    change = score(smooth, images, TARGETS) - score(smooth, BLACK.expand_as(images), TARGETS)
    torch.testing.assert_close(maps.sum(dim=(1, 2)), change, atol=1e-5, rtol=1e-4)


def test_integrated_gradients_are_zero_where_the_input_is_the_baseline(
    cnn: nn.Module, images: Tensor
) -> None:
    images[:, :, :4] = BLACK[:, :, :4]
    maps = attribute(cnn, images, TARGETS, method_named("integrated_gradients"), BLACK)
    assert maps[:, :4].eq(0).all()
    assert maps[:, 4:].ne(0).any()


def slow_occlusion(network: nn.Module, image: Tensor, target: Tensor, black: Tensor) -> Tensor:
    total, count = torch.zeros(HEIGHT, WIDTH), torch.zeros(HEIGHT, WIDTH)
    # Windows of 4 every 2 pixels; the last one is cut off by the border.
    for top in range(0, HEIGHT - 2, 2):
        for left in range(0, WIDTH - 2, 2):
            window = (slice(top, top + 4), slice(left, left + 4))
            covered = image.clone()
            covered[:, :, *window] = black[:, :, *window]
            total[window] += (score(network, image, target) - score(network, covered, target))[0]
            count[window] += 1
    return total / count


def test_occlusion_equals_a_loop_over_windows(cnn: nn.Module, images: Tensor) -> None:
    maps = attribute(cnn, images, TARGETS, method_named("occlusion"), BLACK)
    for item in range(len(images)):
        expected = slow_occlusion(cnn, images[item : item + 1], TARGETS[item : item + 1], BLACK)
        torch.testing.assert_close(maps[item], expected, atol=1e-6, rtol=1e-4)


def test_occlusion_of_a_table_covers_one_feature_at_a_time() -> None:
    network, baseline = frozen(TabularNet()), torch.full((1, 30), 0.3)
    rows, targets = torch.randn(4, 30), torch.tensor([0, 1, 1, 0])
    maps = attribute(network, rows, targets, method_named("occlusion"), baseline)
    for feature in range(30):
        covered = rows.clone()
        covered[:, feature] = 0.3
        expected = score(network, rows, targets) - score(network, covered, targets)
        torch.testing.assert_close(maps[:, feature], expected, atol=1e-6, rtol=1e-4)


def test_grad_cam_is_the_channels_weighted_by_their_mean_gradient(cnn: nn.Module, images: Tensor) -> None:
    maps = attribute(cnn, images, TARGETS, method_named("grad_cam"), BLACK)
    features = cnn.conv2(torch.tanh(cnn.norm(cnn.conv1(images)))).requires_grad_()
    logits = cnn.fc(F.relu(features).mean(dim=(2, 3)))
    slope = torch.autograd.grad(logits.gather(1, TARGETS[:, None]).sum(), features)[0]
    coarse = (slope.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1, keepdim=True).detach()
    torch.testing.assert_close(maps, F.interpolate(coarse, (HEIGHT, WIDTH), mode="bilinear")[:, 0])


@pytest.mark.parametrize(("network", "path"), [(LeNet5(), "conv2"), (ResNet(), "layer3"), (LeNet300(), None)])
def test_the_last_feature_maps_are_found_by_watching_a_forward_pass(
    network: nn.Module, path: str | None
) -> None:
    assert last_spatial_place(network.eval(), BLACK_28) == path


def test_grad_cam_is_not_on_offer_without_a_convolution() -> None:
    names = {method.name for method in offered_methods(TabularNet().eval(), torch.zeros(1, 30))}
    assert names == set(METHODS) - {"grad_cam"}
    with pytest.raises(Refused, match="needs a convolution"):
        attribute(LeNet300(), BLACK_28, torch.tensor([0]), method_named("grad_cam"), BLACK_28)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_tells_what_it_does_and_where_it_comes_from(name: str) -> None:
    method = method_named(name)
    assert method.summary.endswith(".")
    assert "arXiv" in method.source


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("mode", [nn.Module.eval, nn.Module.train])
def test_the_network_is_left_as_it_was(
    cnn: nn.Module, images: Tensor, name: str, mode: Callable[[nn.Module], nn.Module]
) -> None:
    mode(cnn)
    cnn.fc.requires_grad_()
    before = state_of(cnn)
    attribute(cnn, images, TARGETS, method_named(name), BLACK)
    assert state_of(cnn) == before
    assert not images.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_a_network_in_training_mode_is_explained_as_it_would_be_used(
    cnn: nn.Module, images: Tensor, name: str
) -> None:
    expected = attribute(cnn, images, TARGETS, method_named(name), BLACK)
    assert torch.equal(attribute(cnn.train(), images, TARGETS, method_named(name), BLACK), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_threads_that_share_a_network_agree_with_one_after_the_other(
    cnn: nn.Module, images: Tensor, name: str
) -> None:
    parts = [(images.roll(shift, 0) * (1 + shift), TARGETS.roll(shift)) for shift in range(4)]

    def maps(part: tuple[Tensor, Tensor]) -> Tensor:
        return attribute(cnn, *part, method_named(name), BLACK)

    expected = [maps(part) for part in parts]
    before = state_of(cnn)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(maps, parts * 4))
    assert all(torch.equal(one, other) for one, other in zip(found, expected * 4, strict=True))
    assert state_of(cnn) == before


@pytest.mark.parametrize("name", METHODS)
def test_maps_have_the_shape_of_the_input_without_channels(cnn: nn.Module, images: Tensor, name: str) -> None:
    maps = attribute(cnn, images, TARGETS, method_named(name), BLACK)
    assert maps.shape == (6, HEIGHT, WIDTH)
    assert maps.dtype == torch.float32
    assert not maps.requires_grad


class Counting(nn.Module):
    """Remembers the largest batch that went through it."""

    largest = 0

    def forward(self, images: Tensor) -> Tensor:
        Counting.largest = max(Counting.largest, len(images))
        return images.flatten(1)[:, :3] ** 2


@pytest.mark.parametrize("name", [name for name in METHODS if name != "grad_cam"])
@pytest.mark.parametrize("rows", [1, 4, 64])
def test_no_pass_takes_more_inputs_than_allowed(
    images: Tensor, name: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "ROWS_AT_ONCE", rows)
    Counting.largest = 0
    attribute(Counting(), images, TARGETS, method_named(name), BLACK)
    assert 0 < Counting.largest <= rows


@pytest.mark.parametrize("name", METHODS)
def test_maps_do_not_depend_on_how_many_go_through_at_once(
    cnn: nn.Module, images: Tensor, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = attribute(cnn, images, TARGETS, method_named(name), BLACK)
    monkeypatch.setattr(attribution, "ROWS_AT_ONCE", 7)
    apart = attribute(cnn, images, TARGETS, method_named(name), BLACK)
    torch.testing.assert_close(apart, together, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_weights_made_under_inference_mode_can_be_explained_there(images: Tensor, name: str) -> None:
    torch.manual_seed(0)
    ordinary = frozen(SmallCnn())
    expected = attribute(ordinary, images, TARGETS, method_named(name), BLACK)
    with torch.inference_mode():
        torch.manual_seed(0)
        made_here = frozen(SmallCnn())
        found = attribute(made_here, images.clone(), TARGETS.clone(), method_named(name), BLACK.clone())
    assert torch.equal(found, expected)


def test_a_skeleton_shares_every_weight_and_no_buffer_or_module(cnn: nn.Module) -> None:
    own = skeleton(cnn)
    assert [id(p) for p in own.parameters()] == [id(p) for p in cnn.parameters()]
    assert not {b.data_ptr() for b in own.buffers()} & {b.data_ptr() for b in cnn.buffers()}
    assert not set(map(id, own.modules())) & set(map(id, cnn.modules()))


class Detached(nn.Module):
    """A network whose output no gradient can reach."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows.detach() * 2


class Table(nn.Module):
    """A network that answers with a table for each item."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows.reshape(-1, 2, 2)


@pytest.mark.parametrize(
    ("network", "inputs", "targets", "baseline", "message"),
    [
        (nn.Linear(4, 3), torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(1, 4), "choose at least one"),
        (
            nn.Linear(4, 3),
            torch.zeros(2, 4),
            torch.zeros(3).long(),
            torch.zeros(1, 4),
            r"2 items, got .*\[3\]",
        ),
        (nn.Linear(4, 3), torch.zeros(2, 4), torch.zeros(2).long(), torch.zeros(4), r"\[1, 4\], got \[4\]"),
        (nn.Linear(4, 3), torch.zeros(2, 4).int(), torch.zeros(2).long(), torch.zeros(1, 4), "real numbers"),
        (Detached(), torch.zeros(2, 4), torch.zeros(2).long(), torch.zeros(1, 4), "choose occlusion"),
        (
            Table(),
            torch.zeros(2, 4),
            torch.zeros(2).long(),
            torch.zeros(1, 4),
            "a row of numbers for each item",
        ),
    ],
)
def test_what_cannot_be_explained_is_refused_with_the_reason(
    network: nn.Module, inputs: Tensor, targets: Tensor, baseline: Tensor, message: str
) -> None:
    with pytest.raises(Refused, match=message):
        attribute(network, inputs, targets, method_named("saliency"), baseline)


def test_occlusion_needs_no_gradient() -> None:
    maps = attribute(
        Detached(), torch.ones(1, 4), torch.tensor([2]), method_named("occlusion"), torch.zeros(1, 4)
    )
    assert maps.tolist() == [[0, 0, 2, 0]]


def test_an_unknown_method_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(Refused, match=r"no attribution method 'guided'.*saliency, input_x_gradient"):
        method_named("guided")


@pytest.mark.slow
def test_captum_is_imported_only_when_something_is_explained() -> None:
    look = "attribution.attribution_methods(); print('captum' in sys.modules)"
    program = f"import sys; from compress_core.measure.explain import attribution; {look}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

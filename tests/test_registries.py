"""Networks of torchvision and timm by name: from their own lists, with weights of one's own, no download."""

from __future__ import annotations

import io
import json
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import compress_core
from compress_core.foundation.errors import Refused
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.file_format import ItemKnobs
from compress_core.loading.named import named_subject
from compress_core.loading.network_source import network_of, network_sources
from compress_core.loading.preprocessing import read_preprocessing
from compress_core.loading.registry_model import registered_network
from compress_core.loading.registry_signatures import SIGNATURES, torchvision_name_of
from compress_core.loading.weights_subject import user_subject
from compress_core.subject.blueprint import Blueprint

needs_torchvision = pytest.mark.skipif(
    find_spec("torchvision") is None, reason="torchvision is an extra, not installed"
)
needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm is an extra, not installed")
without_torchvision = pytest.mark.skipif(
    find_spec("torchvision") is not None, reason="torchvision is installed"
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may open a connection."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@without_torchvision
def test_an_extra_that_is_not_installed_is_named_with_how_to_get_it() -> None:
    with pytest.raises(
        Refused, match=r"torchvision cannot be imported .*pip install 'slimscope\[torchvision\]'"
    ):
        named_subject("torchvision:resnet18")


@pytest.mark.parametrize("source", ["torchvision", "timm"])
def test_sources_build_nothing_that_is_not_in_their_list(source: str) -> None:
    if find_spec(source) is None:
        pytest.skip(f"{source} is an extra, not installed")
    build = network_sources()[source].build
    for name in (
        "no_such_network",
        "hf-hub:timm/resnet18",
        "local-dir:some/folder",
        "os.system",
        "",
        None,
        3,
        ["resnet18"],
    ):
        with pytest.raises(Refused, match="has no classifier"):
            build({"name": name})
    for told in (
        {"classes": 10**9},
        {"classes": 0},
        {"classes": True},
        {"classes": "2"},
        {"size": 10**6},
        {"size": -1},
    ):
        with pytest.raises(Refused, match="is a whole number from 1 to"):
            build({"name": "resnet18", **told})


@needs_torchvision
def test_further_arguments_of_a_blueprint_reach_no_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    models = pytest.importorskip("torchvision.models")

    def get_model(name: str, **arguments: object) -> nn.Module:
        seen.update(arguments)
        return nn.Linear(2, 2)

    monkeypatch.setattr(models, "get_model", get_model)
    told = {"name": "resnet18", "weights": "DEFAULT", "progress": True, "norm_layer": "x", "pretrained": True}
    network_sources()["torchvision"].build(told)
    assert seen == {"weights": None, "num_classes": 1000}


def saved(network: nn.Module, path: Path, prefix: str = "") -> Path:
    save_file({prefix + name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
    return path


def assert_answers_alike(found: nn.Module, expected: nn.Module, shape: tuple[int, ...]) -> None:
    items = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(found(items), expected.eval()(items))


@needs_torchvision
@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
@pytest.mark.parametrize("classes", [1000, 7])
def test_weights_of_torchvision_tell_how_many_classes_there_are(
    name: str, classes: int, tmp_path: Path
) -> None:
    from torchvision.models import get_model

    torch.manual_seed(1)
    network = get_model(name, weights=None, num_classes=classes)
    subject = named_subject(
        f"torchvision:{name}", weights=saved(network, tmp_path / "w.safetensors", "model.")
    )
    assert_answers_alike(subject.network, network, (3, 224, 224))
    assert len(subject.classes) == classes
    assert ("tench" in subject.classes) is (classes == 1000)
    assert "begin with 'model.', which was taken off" in subject.summary
    assert not any("random" in warning for warning in subject.warnings)
    assert subject.input.mean == (0.485, 0.456, 0.406)


@needs_torchvision
def test_a_network_of_branches_is_built_with_those_that_its_weights_have(tmp_path: Path) -> None:
    from torchvision.models import googlenet

    for branches in (True, False):
        network = googlenet(weights=None, aux_logits=branches, init_weights=False, num_classes=5)
        subject = named_subject(
            "torchvision:googlenet",
            weights=saved(network, tmp_path / "w.safetensors"),
            input_shape=(3, 64, 64),
        )
        assert_answers_alike(subject.network, network, (3, 64, 64))


@needs_torchvision
def test_a_job_builds_the_same_network_with_the_same_form(tmp_path: Path) -> None:
    from torchvision.models import get_model

    network = get_model("shufflenet_v2_x0_5", weights=None, num_classes=3)
    subject = named_subject(
        "torchvision:shufflenet_v2_x0_5", weights=saved(network, tmp_path / "w.safetensors")
    )
    again = read_bundle(bundle_of(subject))
    assert (again.digest, again.input, again.blueprint) == (subject.digest, subject.input, subject.blueprint)
    assert subject.blueprint == Blueprint.of("torchvision", {"name": "shufflenet_v2_x0_5", "classes": 3})
    with pytest.raises(Refused, match="do not fit"):
        network_of(Blueprint.of("torchvision", {"name": "resnet18"}), network.state_dict(), "w")


@needs_torchvision
def test_without_weights_they_are_random_and_it_is_said_each_time_alike() -> None:
    first, second = (named_subject("torchvision:shufflenet_v2_x0_5") for _ in range(2))
    assert first.digest == second.digest
    assert any("weights are random" in warning for warning in first.warnings)


@needs_torchvision
def test_pictures_go_through_what_the_library_says_of_the_name(tmp_path: Path) -> None:
    from torchvision.models import get_model, get_model_weights

    network = get_model("shufflenet_v2_x0_5", weights=None, num_classes=2)
    weights = saved(network, tmp_path / "w.safetensors")
    chance = np.random.default_rng(0)
    images = []
    for place, (height, width) in {"a": (300, 400), "b": (512, 333)}.items():
        (tmp_path / "data" / place).mkdir(parents=True)
        image = Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8))
        image.save(tmp_path / "data" / place / "x.png")
        images.append(image)
    subject = named_subject("torchvision:shufflenet_v2_x0_5", weights=weights, items=tmp_path / "data")
    transforms = get_model_weights("shufflenet_v2_x0_5").DEFAULT.transforms()
    expected = torch.stack([transforms(image) for image in images])
    torch.testing.assert_close(subject.split("validation").inputs, expected, atol=1e-5, rtol=0)
    assert subject.classes == ("a", "b")
    own = ItemKnobs(read_preprocessing("resize=64 crop=64 mean=0.5 std=0.5"))
    other = named_subject(
        "torchvision:shufflenet_v2_x0_5", weights=weights, items=tmp_path / "data", knobs=own
    )
    assert other.split("validation").inputs.shape == (2, 3, 64, 64)


@needs_torchvision
def test_a_name_that_is_none_is_refused_with_those_that_are_near() -> None:
    with pytest.raises(
        Refused, match=r"torchvision has no classifier 'resnet19'; it has \d+, such as .*resnet18"
    ):
        named_subject("torchvision:resnet19")
    with pytest.raises(Refused, match="no classifier 'fasterrcnn_resnet50_fpn'"):
        named_subject("torchvision:fasterrcnn_resnet50_fpn")


@needs_torchvision
def test_weights_of_another_network_are_refused_by_what_differs(tmp_path: Path) -> None:
    from torchvision.models import get_model

    weights = saved(get_model("resnet34", weights=None), tmp_path / "w.safetensors")
    with pytest.raises(Refused, match=r"do not fit the network, layer1\.2.* has no place in it"):
        named_subject("torchvision:resnet18", weights=weights)


@needs_torchvision
def test_a_size_is_told_to_those_that_are_built_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []
    models = pytest.importorskip("torchvision.models")

    def get_model(name: str, **arguments: object) -> nn.Module:
        seen.append(arguments)
        return nn.Linear(2, 2)

    monkeypatch.setattr(models, "get_model", get_model)
    for name in ("vit_b_16", "resnet18"):
        network_sources()["torchvision"].build({"name": name, "size": 96})
    assert [arguments.get("image_size") for arguments in seen] == [96, None]


@needs_timm
def test_a_transformer_takes_the_size_that_is_asked_for(tmp_path: Path) -> None:
    import timm

    network = timm.create_model("test_vit", pretrained=False, img_size=96, num_classes=3)
    weights = saved(network, tmp_path / "w.safetensors")
    subject = named_subject("timm:test_vit", weights=weights, input_shape=(3, 96, 96))
    assert_answers_alike(subject.network, network, (3, 96, 96))
    assert named_subject("timm:test_resnet", input_shape=(3, 96, 96)).input.shape == (3, 96, 96)


@needs_timm
@pytest.mark.parametrize("name", ["test_resnet.r160_in1k", "test_vit", "test_efficientnet"])
def test_weights_of_timm_are_put_into_the_network_of_their_name(name: str, tmp_path: Path) -> None:
    import timm

    torch.manual_seed(1)
    network = timm.create_model(name, pretrained=False, num_classes=5)
    subject = named_subject(f"timm:{name}", weights=saved(network, tmp_path / "w.safetensors"))
    config = timm.get_pretrained_cfg(name)
    assert_answers_alike(subject.network, network, tuple(config.input_size))
    assert (subject.input.mean, subject.input.std) == (config.mean, config.std)
    assert subject.input.shape == tuple(config.input_size)
    assert len(subject.classes) == 5


@needs_timm
def test_the_preprocessing_of_timm_is_what_its_own_transforms_do() -> None:
    import timm
    from timm.data import create_transform, resolve_data_config

    name = "resnet18.a1_in1k"
    found = registered_network(f"timm:{name}")
    assert found is not None
    transforms = create_transform(
        **resolve_data_config({}, pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    )
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 401, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    from compress_core.loading.item_form import form_of
    from compress_core.loading.item_splits import split_of
    from compress_core.loading.items import read_items
    from tests.test_item_files import zipped

    items = read_items(zipped({"a/x.png": buffer.getvalue()}), "d.zip", knobs=ItemKnobs(found.preprocessing))
    prepared = split_of(items, form_of((3, 224, 224), found.preprocessing), 2).inputs
    torch.testing.assert_close(prepared[0], transforms(image), atol=1e-5, rtol=0)


@needs_timm
def test_load_takes_a_name_with_weights(tmp_path: Path) -> None:
    import timm

    network = timm.create_model("test_resnet", pretrained=False, num_classes=4)
    weights = saved(network, tmp_path / "w.safetensors")
    subject = compress_core.load("timm:test_resnet", weights=weights)
    assert subject.title == "timm:test_resnet"
    assert len(subject.classes) == 4


# Weights alone


def test_every_known_state_dict_tells_one_name() -> None:
    known = json.loads(SIGNATURES.read_text())
    assert len({one["digest"] for one in known}) == len(known) == len({one["name"] for one in known}) > 70


def resnet18_shapes(classes: int) -> dict[str, tuple[int, ...]]:
    """The state dict of torchvision's ResNet-18, written down by hand."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}

    def norm(name: str, features: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (features,)
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("bn1", 64)
    for stage, (before, width) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], start=1):
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            shapes[f"{name}.conv1.weight"] = (width, before if block == 0 else width, 3, 3)
            shapes[f"{name}.conv2.weight"] = (width, width, 3, 3)
            norm(f"{name}.bn1", width)
            norm(f"{name}.bn2", width)
        if stage > 1:
            shapes[f"layer{stage}.0.downsample.0.weight"] = (width, before, 1, 1)
            norm(f"layer{stage}.0.downsample.1", width)
    shapes["fc.weight"], shapes["fc.bias"] = (classes, 512), (classes,)
    return shapes


@pytest.mark.parametrize("classes", [2, 1000])
@pytest.mark.parametrize("prefix", ["", "model.", "module.backbone."])
def test_names_and_shapes_tell_a_network_whatever_its_classes(classes: int, prefix: str) -> None:
    shapes = {prefix + name: shape for name, shape in resnet18_shapes(classes).items()}
    assert torchvision_name_of(shapes) == "resnet18"


@pytest.mark.parametrize(
    "change", [{"fc.more": (1,)}, {"conv1.weight": (64, 1, 7, 7)}, {"fc.weight": (2, 99)}]
)
def test_other_names_and_shapes_tell_no_network(change: dict[str, tuple[int, ...]]) -> None:
    assert torchvision_name_of(resnet18_shapes(2) | change) is None
    assert torchvision_name_of({}) is None


@without_torchvision
def test_weights_of_a_known_network_are_refused_with_its_name() -> None:
    state = {name: torch.zeros(shape) for name, shape in resnet18_shapes(4).items()}
    with pytest.raises(
        Refused, match=r"weights of torchvision's resnet18, .*torchvision:resnet18 --weights FILE"
    ):
        user_subject(state, None, name="w")


@needs_torchvision
def test_weights_alone_open_as_the_network_they_belong_to(tmp_path: Path) -> None:
    from torchvision.models import get_model

    network = get_model("shufflenet_v2_x0_5", weights=None, num_classes=6)
    subject = named_subject(str(saved(network, tmp_path / "w.safetensors", "model.")))
    assert_answers_alike(subject.network, network, (3, 224, 224))
    assert subject.title == "torchvision:shufflenet_v2_x0_5"
    assert len(subject.classes) == 6


@needs_torchvision
def test_what_is_written_down_is_what_torchvision_builds() -> None:
    from torchvision.models import get_model

    for name in ("alexnet", "mnasnet0_5", "regnet_y_400mf", "efficientnet_b0"):
        network = get_model(name, weights=None, num_classes=11)
        shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        assert torchvision_name_of(shapes) == name

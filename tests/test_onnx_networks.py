"""Networks of many kinds, written by three exporters: opened, they answer as ONNX Runtime does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compress_core.deliver.onnx_export import onnx_bytes
from compress_core.foundation.errors import Refused
from tests.onnx_files import assert_answers_alike, by_torch, in_runtime, items_of, opened
from tests.subjects import seeded
from tests.zoo import ZOO

NOT_WRITTEN = {"swiglu_rms_norm", "bilinear", "control_flow"}  # by the older exporter, or for one course only
UNFLATTENS = {
    "attention_with_added_keys",
    "channel_shuffle",
    "multihead_attention",
    "transformer_encoder",
    "transformer_encoder_layer",
    "transformer_encoder_norm_last",
}
"""What the older exporter cannot write before version 13."""
REFUSED: Mapping[str, str] = {"lstm": "LSTM", "gru": "GRU", "dict_output": "2 outputs"}
ONE_INPUT = [name for name, specimen in ZOO.items() if len(specimen.shapes) == 1]
AS_WRITTEN = [name for name in ONE_INPUT if name not in NOT_WRITTEN]
OLDER = [(n, 17) for n in AS_WRITTEN] + [(n, 11) for n in AS_WRITTEN[::2] if n not in UNFLATTENS]
NEWER = ["residual", "tied", "group_norm", "transformer_encoder_layer", "fused_qkv"]


def assert_opened_or_refused(name: str, content: bytes, items: Tensor) -> None:
    if name in REFUSED:
        with pytest.raises(Refused, match=REFUSED[name]):
            opened(content)
    else:
        assert_answers_alike(content, items)


@pytest.mark.parametrize(("name", "version"), OLDER)
def test_what_the_older_exporter_writes_answers_as_onnx_runtime_does(name: str, version: int) -> None:
    items = ZOO[name].example()
    assert isinstance(items, Tensor)
    content = by_torch(ZOO[name].network(), items, dynamo=False, opset=version)
    assert_opened_or_refused(name, content, items)


@pytest.mark.slow
@pytest.mark.parametrize("name", NEWER)
def test_what_the_newer_exporter_writes_answers_as_onnx_runtime_does(name: str) -> None:
    items = ZOO[name].example()
    assert isinstance(items, Tensor)
    assert_opened_or_refused(name, by_torch(ZOO[name].network(), items), items)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["downsampling", "multihead_attention"])
def test_what_we_write_is_opened_and_written_again_to_the_last_bit(name: str) -> None:
    items = ZOO[name].example()
    assert isinstance(items, Tensor)
    content = onnx_bytes(ZOO[name].network(), (items,))
    network = assert_answers_alike(content, items)
    again = onnx_bytes(network, (items,))
    network_again = assert_answers_alike(again, items)
    assert (in_runtime(content, items) == in_runtime(again, items)).all()
    with torch.no_grad():
        assert torch.equal(network(items), network_again(items))


def test_a_residual_network_is_made_of_layers_with_their_old_names() -> None:
    items = items_of((3, 8, 8), 2)
    content = by_torch(ZOO["residual"].network(), items, dynamo=False)
    network, _ = opened(content)
    names = [
        n for n, module in network.named_modules() if any(True for _ in module.parameters(recurse=False))
    ]
    assert names == ["stem", "block.conv1", "block.conv2", "head.fc"]
    assert type(network.get_submodule("block.relu")).__name__ == "ReLU"


def test_a_network_written_for_one_item_at_a_time_is_opened_for_many() -> None:
    import io

    network = seeded(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))
    ).eval()
    buffer, items = io.BytesIO(), items_of((3, 8, 8), 5)
    torch.onnx.export(network, (items[:1],), buffer, dynamo=False, opset_version=17)
    made = assert_answers_alike(buffer.getvalue(), items)
    with torch.no_grad():
        assert torch.allclose(made(items), network(items), atol=1e-6)


def test_sizes_that_the_file_leaves_open_are_those_of_the_items() -> None:
    import io

    network = seeded(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    ).eval()
    buffer, items = io.BytesIO(), items_of((3, 8, 8), 3)
    axes = {"x": {0: "N", 2: "H", 3: "W"}}
    torch.onnx.export(
        network, (items,), buffer, dynamo=False, opset_version=17, input_names=["x"], dynamic_axes=axes
    )
    assert_answers_alike(buffer.getvalue(), items)
    with pytest.raises(Refused, match="all others must be numbers"):
        opened(buffer.getvalue())


@pytest.mark.slow
@pytest.mark.parametrize("per_channel", [False, True], ids=["one scale", "a scale for each row"])
@pytest.mark.parametrize("name", ["concat", "transformer_encoder_layer"])
def test_what_the_quantizer_of_onnx_runtime_writes_is_answered_to_the_last_bit(
    name: str, per_channel: bool, tmp_path: Path
) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    items = ZOO[name].example()
    assert isinstance(items, Tensor)

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter([{"x": items.numpy()}])

        def get_next(self) -> dict[str, object] | None:
            return next(self.left, None)

    (tmp_path / "whole.onnx").write_bytes(by_torch(ZOO[name].network(), items, dynamo=False))
    quantize_static(
        tmp_path / "whole.onnx",
        tmp_path / "codes.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    content = (tmp_path / "codes.onnx").read_bytes()
    network, found = opened(content)
    assert found.rounds
    assert found.from_codes
    with torch.no_grad():
        assert (network(items).numpy() == in_runtime(content, items)).all()

"""The plain container: safetensors holding masks, codes and tables at fixed length.

It decodes to exactly the values that were evaluated, and it is read back before it is called written.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from compress_core.apply.model import Model, with_checksum
from compress_core.deliver.same_bits import same_state
from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused, shortened
from compress_core.network.layers.factors import axes_of, write_factors
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.places import attach_inputs, read_bias, with_bias, write_matrix, write_state
from compress_core.network.one_memory import MemoryView
from compress_core.structure.structure import Structure
from compress_core.subject.number_types import widened
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import kernel_shape, read_stored, stored_shape
from compress_core.techniques.contract.input_rules import rule_from_json

_LONGEST_HEADER = 2**22


def container_bytes(model: Model) -> bytes:
    """The file's content; as long as `model.file_bytes` says."""
    stored = model.stored()
    content: bytes = save(stored, {"slimscope": with_checksum(model.form, _checksum(model.form, stored))})
    return content


def _checksum(form: str, tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 over the form and over names, types, shapes and bytes of all tensors, 8 hexadecimal digits."""
    crc = zlib.crc32(form.encode())
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


def write_container(model: Model, path: Path) -> int:
    """Write the file, read it back, compare every bit; returns its bytes.

    Raises Refused where the file on the disk does not hold the evaluated values.
    """
    content = container_bytes(model)
    write_whole(path, content)
    refuse_unless_held(model, path)
    return len(content)


def refuse_unless_held(model: Model, path: Path) -> None:
    """Read a written file back and compare every bit; raises Refused where it holds other values."""
    if not same_state(model.network().state_dict(), read_container(path, model.subject).state_dict()):
        raise Refused(
            "{path} does not hold the evaluated values: free some space and write it again.", path=path
        )


def read_container(path: Path, subject: Subject) -> nn.Module:
    """The compressed network from its file and the model it was made of; raises Refused."""
    form, tensors = _read(path)
    if form["digest"] != subject.digest:
        raise Refused(
            "{path} was made of another model ({model}): load that model first.",
            path=path,
            model=shortened(form.get("model")),
        )
    try:
        return _rebuilt(subject, form, tensors)
    except Refused:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError):
        raise _damaged(path) from None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the file says of its layers, and its tensors."""
    try:
        _refuse_long_header(path)
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {})["slimscope"]
            form = json.loads(text)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            checksum = _checksum(text[: -len(with_checksum("}", "0" * 8))] + "}", tensors)
            whole = form["crc32"] == checksum and isinstance(form["digest"], str)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError):
        raise _damaged(path) from None
    if not whole:
        raise _damaged(path)
    return form, tensors


def _refuse_long_header(path: Path) -> None:
    """safetensors itself takes a header of a million tensors: 19 seconds and 1.7 GB."""
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > _LONGEST_HEADER:
            raise ValueError(_LONGEST_HEADER)


def _damaged(path: Path) -> Refused:
    return Refused("{path} is no file of ours or is damaged: write it again with apply.", path=path)


def _rebuilt(subject: Subject, form: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network in the order in which a model builds it: structure, rest, weights, rules for inputs."""
    structure = Structure.from_json(form["structure"]) if "structure" in form else Structure()
    network = structure.built(subject.network)
    layers, written = find_layers(network)[0], form["layers"]
    encoded: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    new = _biases_not_there(network, layers)
    for name, tensor in tensors.items():
        stem, _, part = name.rpartition(":")
        if stem in written and "." not in part:
            encoded[stem][part] = tensor
        elif name in new:
            _refuse_unless_like(new[name], widened(tensor))
            write_state(network, name, widened(tensor))
        else:
            _put(network, name, tensor)
    _put_views(network, form.get("views", {}), tensors)
    for layer in layers:
        if layer.name in written:
            _refuse_other_shape(written[layer.name], stored_shape(layer.kernel_shape))
            write_matrix(network, layer, read_stored(encoded[layer.name], written[layer.name]))
        elif f"{layer.name}.0" in written:
            write_factors(network, layer, _kernels(layer, written, encoded))
    by_name = {layer.name: layer for layer in layers}
    for name, rules in form.get("inputs", {}).items():
        attach_inputs(network, by_name[name], [rule_from_json(rule) for rule in rules])
    return network


def _biases_not_there(network: nn.Module, layers: Iterable[Layer]) -> dict[str, Tensor]:
    """The biases that a correction may have given to layers that had none, by name."""
    found: dict[str, Tensor] = {}
    for layer in layers:
        if layer.kind is not LayerKind.EMBEDDING and read_bias(network, layer) is None:
            found |= with_bias(network, layer, torch.zeros(layer.rows))
    return found


def _refuse_unless_like(known: Tensor, tensor: Tensor) -> None:
    if known.shape != tensor.shape or known.dtype != tensor.dtype:
        raise ValueError(tensor.shape)


def _kernels(
    layer: Layer, written: Mapping[str, dict[str, Any]], encoded: Mapping[str, dict[str, Tensor]]
) -> list[Tensor]:
    """The kernels of a factored layer; nothing is allocated unless they are a chain in its place."""
    names = list(itertools.takewhile(written.__contains__, (f"{layer.name}.{i}" for i in itertools.count())))
    shapes = [kernel_shape(written[name]["shape"], written[name].get("kernel", ())) for name in names]
    axes_of(layer, shapes)
    values = (read_stored(encoded[name], written[name]) for name in names)
    return [matrix.view(shape) for matrix, shape in zip(values, shapes, strict=True)]


def _refuse_other_shape(form: Mapping[str, Any], shape: tuple[int, int]) -> None:
    """Nothing is allocated for a weight that the model cannot hold."""
    if tuple(form["shape"]) != shape:
        raise ValueError(shape)


def _put_views(network: nn.Module, views: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """What lay in the memory of another tensor lies there again."""
    for name, (of, shape, stride, offset) in views.items():
        _put(network, name, MemoryView(of, tuple(shape), tuple(stride), offset).seen_in(tensors[of]))


def _put(network: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a stored tensor under its name; the file holds what is tied once, so its twins get it too."""
    owner, _, last = name.rpartition(".")
    old, tensor = getattr(network.get_submodule(owner), last), widened(tensor)
    _refuse_unless_like(old, tensor)
    parameter = nn.Parameter(tensor, requires_grad=False)
    for module in network.modules():
        for twin in [
            k for k, p in module.named_parameters(recurse=False, remove_duplicate=False) if p is old
        ]:
            setattr(module, twin, parameter)
        for twin in [k for k, b in module.named_buffers(recurse=False, remove_duplicate=False) if b is old]:
            setattr(module, twin, tensor)

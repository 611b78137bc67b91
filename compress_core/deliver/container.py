"""The plain container: safetensors holding masks, codes and tables at fixed length.

It decodes to exactly the values that were evaluated, and it is read back before it is called written.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from compress_core.coded import read_stored
from compress_core.errors import Refused
from compress_core.model import Model
from compress_core.store import write_whole
from compress_core.subject.layers import factors_from, write_factors, write_matrix
from compress_core.subject.skeleton import skeleton_of
from compress_core.subject.subject import Subject


def container_bytes(model: Model) -> bytes:
    """The file's content; as long as `model.file_bytes` says."""
    content: bytes = save(model.stored(), {"slimscope": model.form})
    return content


def write_container(model: Model, path: Path) -> int:
    """Write the file, read it back, compare every value; returns its bytes.

    Raises Refused where the file on the disk does not hold the evaluated values.
    """
    content = container_bytes(model)
    write_whole(path, content)
    evaluated, read = model.network().state_dict(), read_container(path, model.subject).state_dict()
    if evaluated.keys() != read.keys() or not all(torch.equal(evaluated[k], read[k]) for k in evaluated):
        raise Refused("{path} does not hold the evaluated values: free some space and write it again.", path=path)
    return len(content)


def read_container(path: Path, subject: Subject) -> nn.Module:
    """The compressed network from its file and the model it was made of; raises Refused."""
    try:
        with safe_open(path, "pt") as file:
            form = json.loads((file.metadata() or {})["slimscope"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError):
        raise Refused("{path} is no file of ours or is damaged: write it again with apply.", path=path) from None
    if form["digest"] != subject.digest:
        raise Refused(
            "{path} was made of another model ({model}): load that model first.",
            path=path,
            model=form["model"],
        )
    return _rebuilt(subject, form["layers"], tensors)


def _rebuilt(subject: Subject, forms: dict[str, dict[str, object]], tensors: dict[str, Tensor]) -> nn.Module:
    network = skeleton_of(subject.network)
    matrices = {name: read_stored(_parts_of(name, tensors), form) for name, form in forms.items()}
    rest = {name: t for name, t in tensors.items() if ":" not in name}
    for name, tensor in rest.items():
        _put(network, name, tensor)
    for layer in subject.layers:
        if layer.name in matrices:
            write_matrix(network, layer, matrices[layer.name])
        elif f"{layer.name}.0" in matrices:
            pair = matrices[f"{layer.name}.0"], matrices[f"{layer.name}.1"]
            write_factors(network, layer, factors_from(layer, *pair))
    return network


def _parts_of(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{name}:"
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


def _put(network: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, last = name.rpartition(".")
    module = network.get_submodule(owner)
    if last in module._parameters:
        setattr(module, last, nn.Parameter(tensor, requires_grad=False))
    else:
        setattr(module, last, tensor)

"""Networks of torchvision, timm and the Hugging Face libraries, with random weights: how far each comes.

Each runs in a process of its own, within a time. `SLIMSCOPE_REACH=timm,torchvision:alexnet` takes what it
names, in that order, and `SLIMSCOPE_SHARD=2/8` the second of eight parts. What is asked: it loads; its layers
and groups are found; a quarter of a free group is cut, and the smaller network answers as the whole one with
those channels masked; nine tenths of the weights are pruned, which changes answers; the packed file is read
back to the very values; source or ONNX is written and answers as the network does. What is refused says why.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.networks import FULL, Size

SHARD, ONLY = "SLIMSCOPE_SHARD", "SLIMSCOPE_REACH"
SECONDS = 1800  # of one processor
_FEWEST = 4  # units
CLOSE = 1e-9  # of the largest answer, in double precision
_CELLS = ("weights", "layers", "groups", "cut", "packed", "written")
_SIDES = (64, 96, 224, 256, 299)
_TIMM = [
    "resnet18", "resnet50d", "resnext26ts", "seresnet18", "regnetx_002", "regnety_002", "densenet121",
    "vgg11_bn", "mobilenetv2_050", "mobilenetv3_small_050", "mobilenetv4_conv_small",
    "efficientnet_lite0", "efficientnet_b0", "ghostnet_050", "mnasnet_small", "hardcorenas_a",
    "tinynet_e", "lcnet_035", "fbnetc_100", "convnext_atto", "convnextv2_atto", "convmixer_768_32",
    "repvgg_a0", "mobileone_s0", "dla34", "hrnet_w18_small", "res2net50_14w_8s", "resnest14d",
    "skresnet18", "cspresnet50", "darknet53", "vit_tiny_patch16_224", "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224", "mixer_s32_224", "resmlp_12_224", "gmixer_12_224", "pit_ti_224",
    "poolformer_s12", "levit_128s",
]  # fmt: skip
_HUB = (
    "vit",
    "resnet",
    "convnext",
    "mobilenet_v2",
    "bert",
    "distilbert",
    "roberta",
    "gpt2",
    "llama",
    "bert-tokens",
)


def lines(size: Size) -> Iterator[str]:
    """A row for each network, then how many go the whole way."""
    yield (
        "| network | weights | layers | groups free of all | cut and equal | packed | written and equal "
        "| CPU seconds |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for library in ("torchvision", "timm", "transformers"):
        if not _is_there(library):
            yield f"| {library} | not installed | | | | | | |"
    whole, told = 0, 0
    for name in _names() if size == FULL else _names()[-1:]:
        began = _of_children()
        said = _in_child(name)
        told += 1
        whole += said.get("whole", False)
        cells = (said.get(cell, "") for cell in _CELLS)
        yield f"| {name} | {' | '.join(map(str, cells))} | {_of_children() - began:.0f} |"
    yield f"\n{whole} of {told} go the whole way."


def _names() -> list[str]:
    """What is wanted, in the order in which it is wanted; of that, this shard."""
    wanted = os.environ.get(ONLY, "").split(",")
    every = [name for name in _every_name() if _is_there(name.partition(":")[0])]
    found = [name for one in wanted for name in every if one in ("", name, name.partition(":")[0])]
    number, _, of = os.environ.get(SHARD, "1/1").partition("/")
    return found[int(number) - 1 :: int(of)]


def _every_name() -> Iterator[str]:
    for library, names in (("torchvision", _torchvision()), ("timm", _TIMM), ("transformers", _HUB)):
        yield from (f"{library}:{name}" for name in names)


def _is_there(library: str) -> bool:
    with suppress(ImportError, RuntimeError):
        __import__(library)
        return True
    return False


def _torchvision() -> list[str]:
    with suppress(ImportError, RuntimeError):
        from torchvision import models  # type: ignore[import-not-found, unused-ignore]

        return sorted(models.list_models(module=models))
    return []


def _in_child(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.reach", name]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SLIMSCOPE_WORKSPACE": ""}
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, env=environment, check=False
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("{")]
    found: dict[str, Any] = json.loads(told[-1]) if told else {}
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["nothing was said"])[-1][:160]
        ended = f"not over after {SECONDS} s" if done.returncode == -signal.SIGXCPU else f"CRASH: {why}"
        found |= {_next_cell(found): ended, "whole": False}
    return found


def _next_cell(found: Mapping[str, Any]) -> str:
    """What was not told when a process ended."""
    return next((cell for cell in _CELLS if cell not in found), _CELLS[-1])


def _of_children() -> float:
    """Seconds of a processor that all processes begun here, and over, have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Told:
    """What is known of a network so far; it is printed however the process ends."""

    def __init__(self) -> None:
        self.cells: dict[str, Any] = {}

    def note(self, cell: str, said: object) -> None:
        self.cells[cell] = said
        print(json.dumps(self.cells), flush=True)


def _look(name: str) -> None:
    from compress_core.foundation.errors import Refused

    told = _Told()
    try:
        _go(name, told)
    except Refused as refused:
        told.note(_next_cell(told.cells), f"refused: {str(refused)[:140]}")


def _go(name: str, told: _Told) -> None:
    from compress_core import load
    from compress_core.apply.base import groups_of
    from compress_core.apply.run import compress
    from compress_core.foundation.store import Store
    from compress_core.recipe.reading import read_recipe
    from compress_core.structure.group import GroupKind

    torch.manual_seed(0)
    network, items = _made(name)
    subject = load(network, items, task=_task(name))
    store = Store()
    told.note("weights", f"{subject.parameters:,}")
    told.note("layers", len(subject.layers))
    groups = groups_of(subject, (), store)
    free = [n for n, group in groups.items() if group.locked is None and group.kind is not GroupKind.BLOCK]
    large = [n for n in free if groups[n].units >= _FEWEST]  # of which a quarter is something
    told.note("groups", f"{len(free)} of {len(groups)}")
    split = subject.split("validation")
    steps = "layers: [{match: '*', steps: [{technique: magnitude, sparsity: 0.9}, {technique: uniform}]}]"
    cut = (
        f"groups: [{{match: '{large[0]}', steps: [{{technique: magnitude, share_removed: 0.25}}]}}]\n"
        if large
        else ""
    )
    model = compress(subject, read_recipe(cut + steps), store)
    told.note("cut", _cut(model, split.inputs, store) if large else "none is free")
    with torch.no_grad():
        if torch.equal(model.network()(split.inputs.clone()), subject.network(split.inputs.clone())):
            told.note("cut", "UNCHANGED")
            return
    told.note("packed", _packed(model, split.inputs))
    told.note("written", _written(model, split, store))
    yes = (str(told.cells[cell]).startswith("yes") for cell in ("packed", "written"))
    told.note("whole", bool(all(yes) and told.cells["cut"] in ("yes", "none is free")))


def _cut(model: Any, inputs: Tensor, store: Any) -> str:
    """Whether the smaller network answers as the whole one in which nobody hears what is cut."""
    from compress_core.apply.base import cutting_of
    from compress_core.network.forward import in_double
    from compress_core.network.layers.places import write_matrix
    from compress_core.structure.shrink import preview

    if model.base.parameters >= model.subject.parameters:
        return "UNCHANGED"
    found = cutting_of(model.subject, model.recipe, store)
    masked = preview(in_double(model.subject.network), found.cuts, found.dropped)
    for layer in model.subject.layers:
        write_matrix(masked, layer, model.values(layer.name).double())
    few = inputs[:1].double() if inputs.is_floating_point() else inputs[:1]
    with torch.no_grad():
        whole, smaller = masked(few.clone()), in_double(model.network())(few.clone())
    return "yes" if (whole - smaller).abs().max() <= CLOSE * whole.abs().max() else "WRONG"


def _packed(model: Any, inputs: Tensor) -> str:
    import tempfile
    from pathlib import Path

    from compress_core.deliver.packed_file import pack_bytes, read_packed

    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "model.slim"
        path.write_bytes(pack_bytes(model))
        same = torch.equal(read_packed(path, model.subject)(inputs.clone()), model.network()(inputs.clone()))
        return f"yes, {path.stat().st_size / 2**20:.1f} MiB" if same else "WRONG"


def _written(model: Any, split: Any, store: Any) -> str:
    from compress_core.deliver.exports import export_files
    from compress_core.foundation.errors import Refused

    reasons = []
    for file_format in ("source", "onnx"):
        work = export_files(model, file_format, split, store)
        try:
            while True:
                next(work)
        except StopIteration:
            return f"yes, {file_format}"
        except Refused as refused:  # what is refused is told, with the other format tried
            reasons.append(str(refused)[:70])
    return "refused: " + "; ".join(reasons)


def _task(name: str) -> Any:
    return {"gpt2": "next_token", "llama": "next_token", "bert-tokens": "tokens"}.get(name.partition(":")[2])


def _made(name: str) -> tuple[nn.Module, Any]:
    library, _, called = name.partition(":")
    if library == "transformers":
        return _hub(called)
    if library == "timm":
        import timm  # type: ignore[import-not-found, unused-ignore]

        network = timm.create_model(called, pretrained=False, num_classes=10)
    else:
        from torchvision import models

        network = models.get_model(called, weights=None)
    network = _settled(network.eval())
    for side in _SIDES:
        items = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))
        with suppress(Exception), torch.no_grad():
            network(items)
            return network, items
    raise AssertionError(f"{name} takes no picture")


def _settled(network: nn.Module) -> nn.Module:
    """Norms as after a training: fresh ones answer all items alike, or leave a block out (a scale of 0)."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weights in network.parameters():
            if not bool(weights.any()):
                weights.copy_(0.5 + 0.5 * torch.rand(weights.shape, generator=generator))
    for statistic, values in network.named_buffers():
        if statistic.endswith("running_var"):
            values.copy_(0.5 + torch.rand(values.shape, generator=generator))
    return network


def _hub(called: str) -> tuple[nn.Module, Any]:
    import transformers as hub

    sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
    text = {"vocab_size": 200, "max_position_embeddings": 64, **sizes}
    stages = {"hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 2, 1]}
    short = {"vocab_size": 200, "dim": 64, "n_layers": 3, "n_heads": 4, "hidden_dim": 128}
    gpt = {"vocab_size": 200, "n_embd": 64, "n_layer": 3, "n_head": 4}
    made: dict[str, tuple[type[Any], type[Any], dict[str, Any]]] = {
        "vit": (hub.ViTConfig, hub.ViTForImageClassification, {"image_size": 64, **sizes}),
        "resnet": (hub.ResNetConfig, hub.ResNetForImageClassification, {"embedding_size": 16, **stages}),
        "convnext": (hub.ConvNextConfig, hub.ConvNextForImageClassification, stages),
        "mobilenet_v2": (hub.MobileNetV2Config, hub.MobileNetV2ForImageClassification, {"image_size": 64}),
        "bert": (hub.BertConfig, hub.BertForSequenceClassification, text),
        "distilbert": (hub.DistilBertConfig, hub.DistilBertForSequenceClassification, short),
        "roberta": (hub.RobertaConfig, hub.RobertaForSequenceClassification, text),
        "gpt2": (hub.GPT2Config, hub.GPT2LMHeadModel, gpt),
        "llama": (hub.LlamaConfig, hub.LlamaForCausalLM, {**text, "num_key_value_heads": 2}),
        "bert-tokens": (hub.BertConfig, hub.BertForTokenClassification, text),
    }
    kind, build, values = made[called]
    network = _settled(build(kind(**values, num_labels=5)).eval())
    if hasattr(kind(**values), "vocab_size"):
        ids = torch.randint(5, 200, (8, 12), generator=torch.Generator().manual_seed(1))
        return network, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return network, torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


if __name__ == "__main__":
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 10))
    _look(sys.argv[1])

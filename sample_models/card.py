"""The card of a sample: what it is, where it comes from, and how often it is right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

WEIGHTS = "weights.safetensors"
EVALUATION_BATCH = 500


def wilson(right: int, n: int) -> tuple[float, float]:
    """Between which shares the true accuracy lies, with 95 % confidence.

    Wilson 1927, Journal of the American Statistical Association 22, 209-212.
    """
    z = NormalDist().inv_cdf(0.975)
    share, width = right / n, z * z / n
    middle = (share + width / 2) / (1 + width)
    half = (width * share * (1 - share) + width * width / 4) ** 0.5 / (1 + width)
    return middle - half, middle + half


def prepared(stored: NDArray[Any], description: dict[str, Any]) -> Tensor:
    """What the network is fed: images [N, H, W] as (x / 255 - mean) / std in [N, 1, H, W]; rows standardized.

    `description` is the `input` of a card.
    """
    values = torch.from_numpy(stored).float()
    if description["kind"] == "image":
        values = (values / 255).unsqueeze(1)
    return (values - torch.tensor(description["mean"])) / torch.tensor(description["std"])


def accuracy(network: nn.Module, inputs: Tensor, labels: NDArray[Any]) -> dict[str, float | int]:
    """Share of items whose largest logit is the label's, with its Wilson interval and n."""
    network.eval()
    with torch.inference_mode():
        predicted = torch.cat([network(batch).argmax(1) for batch in torch.split(inputs, EVALUATION_BATCH)])
    right, n = int((predicted.numpy() == labels).sum()), len(labels)
    low, high = wilson(right, n)
    return {"value": right / n, "low": low, "high": high, "n": n}


def write_sample(folder: Path, network: nn.Module, shipped: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Write weights and card, and return the card with checksum, parameter count and accuracy.

    `shipped` is the data file whose validation and test items are counted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
    with np.load(shipped, allow_pickle=False) as splits:
        measured = {}
        for split in ("validation", "test"):
            inputs = prepared(splits[f"{split}_inputs"], card["input"])
            measured[split] = accuracy(network, inputs, splits[f"{split}_labels"])
    complete = card | {
        "weights": WEIGHTS,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "accuracy": measured,
    }
    text = json.dumps(complete, indent=2, ensure_ascii=False) + "\n"
    _replace(folder / WEIGHTS, lambda path: path.write_bytes(weights))
    _replace(folder / "card.json", lambda path: path.write_text(text, encoding="utf-8"))
    return complete


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, never half of one."""
    beside = path.with_suffix(".partial")
    write(beside)
    beside.replace(path)

"""How each sample is trained and what its card says before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Distortion:
    """How far an image may be moved at random: angle, scale and shear as shares, shift in pixels."""

    degrees: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    pixels: float = 2.0


@dataclass(frozen=True)
class TrainingRecipe:
    """One training run: AdamW with a one-cycle rate that peaks at `rate`."""

    card: Mapping[str, Any]
    epochs: int
    rate: float
    batch: int = 128
    weight_decay: float = 0.01
    distortion: Distortion | None = None
    seed: int = 0

    def build(self) -> nn.Module:
        """The untrained network that the card names."""
        module, _, factory = self.card["factory"].partition(":")
        network: nn.Module = getattr(import_module(module), factory)(**self.card["arguments"])
        return network


def _mnist(name: str, title: str, summary: str, factory: str) -> dict[str, Any]:
    """Every digit reader has the same data and the same input."""
    return {
        "name": name,
        "title": title,
        "summary": summary,
        "factory": f"sample_models.architectures:{factory}",
        "arguments": {},
        "task": "classification",
        "classes": [str(digit) for digit in range(10)],
        "input": {"kind": "image", "shape": [1, 28, 28], "mean": 0.1307, "std": 0.3081},
        "data": "../data/mnist_6k_2k.npz",
        "training": {
            "data": "../data/mnist_train_54k.npz",
            "split": "training",
            "sha256": "fc0b97606087f73b45dd8471c1acfba82570bd1ac03addeccb9fb4c997365182",
            "count": 54_000,
        },
        "data_origin": "MNIST, LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
        "license": "weights: Apache-2.0; images: CC BY-SA 3.0",
    }


RECIPES: dict[str, TrainingRecipe] = {
    "lenet300": TrainingRecipe(
        _mnist(
            "lenet300",
            "LeNet-300-100",
            "Three fully connected layers that read handwritten digits; the classic of pruning papers.",
            "LeNet300",
        ),
        epochs=40,
        rate=2e-3,
        distortion=Distortion(degrees=8, scale=0.08, shear=0.08, pixels=1.5),
    ),
    "lenet5": TrainingRecipe(
        _mnist(
            "lenet5",
            "LeNet-5",
            "Two convolutions and two fully connected layers that read handwritten digits; "
            "most of its weights sit in one layer.",
            "LeNet5",
        ),
        epochs=12,
        rate=2e-3,
        distortion=Distortion(),
    ),
    "resnet": TrainingRecipe(
        _mnist(
            "resnet",
            "ResNet-8",
            "A small residual network with batch norm that reads handwritten digits; "
            "channels that are added together must shrink together.",
            "ResNet",
        ),
        epochs=5,
        rate=4e-3,
        distortion=Distortion(),
    ),
    "vit": TrainingRecipe(
        _mnist(
            "vit",
            "Vision transformer",
            "A small transformer that reads handwritten digits as 49 patches which attend to one another.",
            "VisionTransformer",
        ),
        epochs=9,
        rate=2e-3,
        distortion=Distortion(),
    ),
    "tabular": TrainingRecipe(
        {
            "name": "tabular",
            "title": "Breast cancer table",
            "summary": "A small network that tells malignant from benign tumours by 30 measured features.",
            "factory": "sample_models.architectures:TabularNet",
            "arguments": {},
            "task": "classification",
            "classes": ["malignant", "benign"],
            "input": {"kind": "table"},
            "data": "../data/breast_cancer.npz",
            "training": {  # the rows it was trained on are those that techniques measure on
                "data": "../data/breast_cancer.npz",
                "split": "calibration",
                "sha256": "9108459d8b3807f9058c2559c5c89b39f163031bc7f0592c28623137884f3acc",
                "count": 341,
            },
            "data_origin": "Breast Cancer Wisconsin (Diagnostic), Wolberg, Mangasarian and Street 1993, "
            "https://doi.org/10.24432/C5DW2B, as it comes with scikit-learn",
            "license": "weights: Apache-2.0; table: CC BY 4.0",
        },
        epochs=60,
        rate=5e-3,
        batch=32,
        weight_decay=0.1,
    ),
}

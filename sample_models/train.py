"""Train a sample, write its weights and card: `python -m sample_models.train lenet5 --images FILE.npz`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sample_models.card import write_sample
from sample_models.make_data import WrongImagesError, mnist_training_set
from sample_models.recipes import RECIPES, Distortion, TrainingRecipe

HERE = Path(__file__).parent
AVERAGE_DECAY = 0.998
log = logging.getLogger("sample_models.train")


@dataclass(frozen=True)
class TrainingItems:
    """What the network learns from: images [N, 1, 28, 28] between 0 and 1 or rows [N, features], labels [N].

    mean and std bring a batch to the scale the network is fed with.
    """

    inputs: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor


def distorted(images: Tensor, by: Distortion, generator: torch.Generator) -> Tensor:
    """Each image turned, scaled, sheared and shifted a little at random; what comes in from outside is 0."""
    n = len(images)

    def between(limit: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    angle, shear = between(by.degrees * torch.pi / 180), between(by.shear)
    across, down = 1 + between(by.scale), 1 + between(by.scale)
    # affine_grid counts in half widths: one pixel of 28 is 1 / 14.
    right, below = between(by.pixels / 14), between(by.pixels / 14)
    rows = [
        torch.stack([across * angle.cos(), shear - angle.sin(), right], dim=1),
        torch.stack([angle.sin(), down * angle.cos(), below], dim=1),
    ]
    grid = affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def batches(
    items: TrainingItems, recipe: TrainingRecipe, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order, distorted where the recipe says so, standardized; an odd rest left out."""
    order = torch.randperm(len(items.labels), generator=generator)
    for index in torch.split(order, recipe.batch):
        if len(index) == recipe.batch:
            inputs = items.inputs[index]
            if recipe.distortion is not None:
                inputs = distorted(inputs, recipe.distortion, generator)
            yield (inputs - items.mean) / items.std, items.labels[index]


def laid_out(network: nn.Module, order: torch.memory_format) -> nn.Module:
    """The same network with its kernels stored in this order."""
    result: nn.Module = network.to(memory_format=order)  # type: ignore[call-overload]  # missing in torch's stub
    return result


def trained(recipe: TrainingRecipe, items: TrainingItems, epochs: int) -> nn.Module:
    """The network after `epochs`, as the running average of its weights over the last steps."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    # Channels last: a quarter less time for the same sums on a CPU.
    network = laid_out(recipe.build(), torch.channels_last)
    running = get_ema_multi_avg_fn(AVERAGE_DECAY)  # type: ignore[no-untyped-call]  # torch has no types for it
    average = AveragedModel(network, multi_avg_fn=running, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    steps = epochs * (len(items.labels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps, pct_start=0.2)
    for epoch in range(epochs):
        started, total = monotonic(), 0.0
        for inputs, labels in batches(items, recipe, generator):
            loss = cross_entropy(network(inputs), labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            total += loss.item() * len(labels)
        seconds = monotonic() - started
        log.info("epoch %d of %d: loss %.4f, %.1f s", epoch + 1, epochs, total / len(items.labels), seconds)
    return laid_out(average.module, torch.contiguous_format)


def mnist_items(images_file: Path, shipped: Path, mean: float, std: float) -> TrainingItems:
    """The 54,000 training images that are not among the 6,000 kept for validation."""
    images, labels = mnist_training_set(images_file)
    with np.load(shipped, allow_pickle=False) as splits:
        ours = np.setdiff1d(np.arange(len(images)), splits["train_index"])
    pixels = torch.from_numpy(images[ours]).float().div(255).unsqueeze(1)
    return TrainingItems(pixels, torch.from_numpy(labels[ours]).long(), torch.tensor(mean), torch.tensor(std))


def table_items(shipped: Path) -> tuple[TrainingItems, dict[str, Any]]:
    """The training rows of a table, and its description: mean and std of each feature over these rows."""
    with np.load(shipped, allow_pickle=False) as splits:
        rows, labels = splits["calibration_inputs"], splits["calibration_labels"]
        names = splits["feature_names"].tolist()
    mean, std = rows.mean(0, dtype=np.float64), rows.std(0, dtype=np.float64)
    description = {
        "kind": "table",
        "shape": [len(names)],
        "mean": mean.astype(np.float32).tolist(),
        "std": std.astype(np.float32).tolist(),
        "features": names,
    }
    scale = torch.tensor(description["mean"]), torch.tensor(description["std"])
    return TrainingItems(torch.from_numpy(rows), torch.from_numpy(labels).long(), *scale), description


def train_sample(name: str, images_file: Path | None, out: Path, epochs: int | None) -> dict[str, Any]:
    """Train a sample, write it to `out` and return its card."""
    recipe = RECIPES[name]
    shipped = HERE / "data" / Path(recipe.card["data"]).name
    card, command = dict(recipe.card), f"python -m sample_models.train {name}"
    if recipe.card["input"]["kind"] == "image":
        if images_file is None:
            message = f"{name} learns from MNIST: give the 60,000 training images with --images FILE.npz."
            raise WrongImagesError(message)
        description = recipe.card["input"]
        items = mnist_items(images_file, shipped, description["mean"], description["std"])
        command += " --images mnist_train60k.npz"
    else:
        items, card["input"] = table_items(shipped)
    if epochs is not None:
        command += f" --epochs {epochs}"
    network = trained(recipe, items, epochs or recipe.epochs)
    return write_sample(out, network, shipped, card | {"trained_with": command, "seed": recipe.seed})


def main() -> None:
    """Read the command line, train, and say how accurate the result is."""
    parser = argparse.ArgumentParser(prog="python -m sample_models.train", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument(
        "--images", type=Path, help="npz of the 60,000 MNIST training images (see the README)"
    )
    parser.add_argument("--out", type=Path, help="folder to write to; default: the sample's own")
    parser.add_argument("--epochs", type=int, help="fewer or more than the recipe's own")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    try:
        card = train_sample(given.name, given.images, given.out or HERE / given.name, given.epochs)
    except WrongImagesError as refusal:
        parser.error(str(refusal))
    log.info("%s: %s", given.name, card["accuracy"])


if __name__ == "__main__":
    main()

"""Write the data that ships: `python -m sample_models.make_data mnist|mnist_train|breast_cancer`."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "data"
MNIST_SPLITS = "mnist_6k_2k.npz"
MNIST_TRAINING = "mnist_train_54k.npz"
MNIST_DIGEST = "edc0d1098aa497be14ace79ddd5171e5a3dcf9c4d196c015389203eb3ba1f59b"
CALIBRATION = 512
SEED = 0

Array = NDArray[Any]


class WrongImagesError(ValueError):
    """The images given are not those that a sample learns from."""


def mnist_training_set(source: Path) -> tuple[Array, Array]:
    """The 60,000 images [60000, 28, 28] and their labels, checked to be MNIST in its own order.

    The file is an npz with `images` (uint8) and `labels`. Raises WrongImagesError for any other content.
    """
    with np.load(source, allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    digest = hashlib.sha256(images.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    if digest != MNIST_DIGEST:
        raise WrongImagesError(
            f"{source.name} must hold the 60,000 MNIST training images and labels in order, with sha-256 "
            f"{MNIST_DIGEST}, but its content has {digest}; sample_models/README.md says how to make it."
        )
    return images, labels


def balanced_sample(labels: Array, candidates: Array, size: int) -> Array:
    """Places of `size` candidates, drawn so that the classes differ by one item at most."""
    generator = np.random.default_rng(SEED)
    shuffled = generator.permutation(candidates)
    turn = np.empty(len(shuffled), dtype=np.int64)
    for label in np.unique(labels[shuffled]):
        of_class = labels[shuffled] == label
        turn[of_class] = np.arange(of_class.sum())
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:size]])


def write_mnist(images_file: Path, selection_file: Path) -> Path:
    """Validation and test images as selected, and a calibration sample from the training part.

    `selection_file` is an npz with `train_index`, `test_index`, and the images and labels of both:
    `x_train`, `y_train`, `x_test`, `y_test`.
    """
    images, labels = mnist_training_set(images_file)
    with np.load(selection_file, allow_pickle=False) as chosen:
        held_out, test_index = chosen["train_index"], chosen["test_index"]
        test_inputs, test_labels = chosen["x_test"], chosen["y_test"]
    training = np.setdiff1d(np.arange(len(images)), held_out)
    calibration = balanced_sample(labels, training, CALIBRATION)
    return _save(
        FOLDER / MNIST_SPLITS,
        validation_inputs=images[held_out],
        validation_labels=labels[held_out],
        test_inputs=test_inputs,
        test_labels=test_labels,
        calibration_inputs=images[calibration],
        calibration_labels=labels[calibration],
        train_index=held_out.astype(np.int32),
        test_index=test_index.astype(np.int32),
        calibration_index=calibration.astype(np.int32),
    )


def write_mnist_training(images_file: Path, folder: Path = FOLDER) -> Path:
    """The 54,000 training images that are not among those kept for validation, with their places."""
    images, labels = mnist_training_set(images_file)
    with np.load(FOLDER / MNIST_SPLITS, allow_pickle=False) as splits:
        training = np.setdiff1d(np.arange(len(images)), splits["train_index"])
    return _save(
        folder / MNIST_TRAINING,
        training_inputs=images[training],
        training_labels=labels[training].astype(np.uint8),
        training_index=training.astype(np.int32),
    )


def write_breast_cancer() -> Path:
    """341 rows to train and calibrate, 114 for validation, 114 for test, classes in equal shares."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    table = load_breast_cancer()
    rows, labels = table.data.astype(np.float32), table.target.astype(np.uint8)
    every = np.arange(len(labels))
    rest, test = train_test_split(every, test_size=114, stratify=labels, random_state=SEED)
    training, validation = train_test_split(rest, test_size=114, stratify=labels[rest], random_state=SEED)
    places = {"validation": validation, "test": test, "calibration": training}
    arrays: dict[str, Array] = {"feature_names": np.array(table.feature_names, dtype=np.str_)}
    for split, unsorted in places.items():
        index = np.sort(unsorted)
        arrays |= {f"{split}_inputs": rows[index], f"{split}_labels": labels[index]}
        arrays[f"{split}_index"] = index.astype(np.int32)
    return _save(FOLDER / "breast_cancer.npz", **arrays)


def _save(path: Path, **arrays: Array) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return path


def main() -> None:
    """Read the command line and write one file."""
    parser = argparse.ArgumentParser(prog="python -m sample_models.make_data", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    mnist = commands.add_parser("mnist", help="the 6,000 and 2,000 images that ship")
    mnist.add_argument("--images", type=Path, required=True, help="npz of the 60,000 training images")
    mnist.add_argument("--selection", type=Path, required=True, help="npz of the chosen images")
    training = commands.add_parser("mnist_train", help="the other 54,000 images, to train on")
    training.add_argument("--images", type=Path, required=True, help="npz of the 60,000 training images")
    commands.add_parser("breast_cancer", help="the table that ships, from scikit-learn")
    given = parser.parse_args()
    if given.name == "mnist":
        write_mnist(given.images, given.selection)
    elif given.name == "mnist_train":
        write_mnist_training(given.images)
    else:
        write_breast_cancer()


if __name__ == "__main__":
    main()

"""What makes a review again: the command, and what `verify` needs to open the same model."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress_core.cli.arguments import ModelOptions
    from compress_core.cli.loading import Case
    from compress_core.cli.reviewed_items import Beside
    from compress_core.reviews.findings import Circumstances

OPENING: Mapping[str, str] = MappingProxyType(
    {
        "weights": "weights",
        "entry": "entry",
        "data": "items",
        "preprocessing": "preprocessing",
        "label_column": "label_column",
        "input_shape": "input_shape",
        "task": "task",
        "trained": "trained",
    }
)
"""What beside its name decides which model opens: the field of `ModelOptions` of each option."""
FILES = frozenset({"weights", "data", "trained"})


def circumstances_of_command(
    case: Case, seed: int, beside: Beside, targets: Mapping[str, str], formats: Sequence[str] = ()
) -> Circumstances:
    """By what and where this review is being made.

    targets: target_device and target_runtime as typed; formats: in which the model was made beside.
    """
    from compress_core.reviews.circumstances_now import circumstances_of

    return circumstances_of(
        _command(case, beside, targets, formats),
        _asked(case, beside),
        seed,
        device=targets["target_device"],
        runtime=targets["target_runtime"],
    )


def opening_of(asked: ModelOptions) -> dict[str, str | None]:
    """What opens the model of a command, by the names of the options; None for what was not typed."""
    typed = {name: getattr(asked, field) for name, field in OPENING.items()}
    return {name: None if value is None else str(value) for name, value in typed.items()}


def _asked(case: Case, beside: Beside) -> dict[str, str | None]:
    """What `verify` needs to open the same model and to read the same files."""
    files = {"labels": beside.labels, "groups": beside.groups}
    return {
        "model": case.chosen.model,
        **opening_of(case.chosen),
        "group_column": beside.group_column,
        **{name: None if path is None else str(path) for name, path in files.items()},
    }


def _command(case: Case, beside: Beside, targets: Mapping[str, str], formats: Sequence[str]) -> str:
    """What makes the review again where recipe.yaml and gates.yaml of the ZIP file lie."""
    from compress_core.apply.lineage import Compress

    asked = _asked(case, beside)
    model = asked.pop("model")
    options = {**asked, "split": beside.split, **targets}
    lineage = case.model.lineage
    recipe = ["recipe.yaml"] if lineage and isinstance(lineage[-1], Compress) else []
    words = ["slimscope", "review", *filter(None, [model]), *recipe, "--gates", "gates.yaml"]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", value] if value else []
    words += [word for name in formats for word in ("--to", name)]
    return shlex.join(words)

"""What makes a review again: the command, and what `verify` needs to open the same model."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.cli.reviewed_items import Beside
    from compress_core.reviews.findings import Circumstances


def circumstances_of_command(
    case: Case, seed: int, beside: Beside, device: str, runtime: str
) -> Circumstances:
    """By what and where this review is being made."""
    from compress_core.reviews.circumstances_now import circumstances_of

    return circumstances_of(
        _command(case, beside, device, runtime),
        _asked(case, beside),
        seed,
        device=device,
        runtime=runtime,
    )


def _asked(case: Case, beside: Beside) -> dict[str, str | None]:
    """What `verify` needs to open the same model."""
    chosen = case.chosen
    paths = {
        "weights": chosen.weights,
        "data": chosen.items,
        "trained": chosen.trained,
        "labels": beside.labels,
        "groups": beside.groups,
    }
    return {
        "model": chosen.model,
        "input_shape": chosen.input_shape,
        "group_column": beside.group_column,
        **{name: None if path is None else str(path) for name, path in paths.items()},
    }


def _command(case: Case, beside: Beside, device: str, runtime: str) -> str:
    """What makes the review again where recipe.yaml and gates.yaml of the ZIP file lie."""
    from compress_core.apply.lineage import Compress

    asked = _asked(case, beside)
    options = {
        "--weights": asked["weights"],
        "--data": asked["data"],
        "--input-shape": asked["input_shape"],
        "--trained": asked["trained"],
        "--labels": asked["labels"],
        "--group-column": asked["group_column"],
        "--groups": asked["groups"],
        "--split": beside.split,
        "--target-device": device,
        "--target-runtime": runtime,
    }
    lineage = case.model.lineage
    recipe = ["recipe.yaml"] if lineage and isinstance(lineage[-1], Compress) else []
    words = ["slimscope", "review", *filter(None, [asked["model"]]), *recipe, "--gates", "gates.yaml"]
    return shlex.join([*words, *(word for pair in options.items() if pair[1] for word in pair if word)])

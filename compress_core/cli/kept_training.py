"""Where the weights of a training are kept, and what to say where a disk does not take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress_core.apply.model import Model
    from compress_core.cli.loading import Case
    from compress_core.tasks.train_model import TrainKnobs
    from compress_core.training.loop import Trained


def kept_in_workspace(
    case: Case, asked: TrainKnobs, trained: Trained, teacher: Model | None
) -> tuple[Model, Refused | None]:
    """The trained model, and why the workspace did not take it, where that is so."""
    from compress_core.face.train_compressed import training_of, unkept_training_of

    try:
        return training_of(case.model, asked, trained, case.store, teacher).model, None
    except Refused as refused:
        return unkept_training_of(case.model, asked, trained, teacher).model, refused


def written_to_folder(
    out: Path, trained: Trained, model: Model, asked: Mapping[str, object]
) -> Refused | None:
    """Write weights and history, and why a disk did not take them, where that is so."""
    from compress_core.deliver.trained_folder import CHECKPOINT, WEIGHTS, write_history, write_value

    history = [figures.as_json() for figures in trained.history]
    try:
        write_value(out, WEIGHTS, trained.weights)
        write_history(out, model.lineage, {"asked": asked, "epoch": trained.epoch, "history": history})
        (out / CHECKPOINT).unlink(missing_ok=True)
    except OSError as error:
        return interrupted_in(out, error)
    return None


def weights_lost(trouble: Refused) -> Refused:
    """Why trained weights are nowhere but in this process, and how to have them."""
    return Refused(
        "The numbers of the trained model are printed, but its weights are kept nowhere and end with this "
        "run. {reason} Or train with --out DIR, a folder on a disk with room.",
        reason=str(trouble),
    )


def interrupted_in(out: Path, error: OSError) -> Refused:
    """Why what was learned last is not in the folder, and how to go on."""
    return Refused(
        "{out} cannot be written ({reason}), so what was learned last is not kept; what the folder holds "
        "goes on from its last whole epoch: free some space there, then slimscope train --resume {out}.",
        out=out,
        reason=error.strerror,
    )

"""What makes a review of a page again: commands, or in a sentence why there are none and what does."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from compress_core.apply.lineage import Compress, Lineage, Train
from compress_core.apply.model import Model
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.cards import cards
from compress_core.subject.subject import Subject
from compress_core.training.plan import parse_plan
from compress_core.training.plan_words import words_of_plan

UPLOADED = N_(
    "No command: the network was uploaded to the page, and the server keeps no file of it. Whoever has that "
    "file runs slimscope review FILE recipe.yaml --gates gates.yaml beside the files of the ZIP, with "
    "--data, --labels and --groups where such files were uploaded too; the sha-256 of network, items, recipe "
    "and gates show whether they are the same."
)
UPLOADED_AND_TRAINED = N_(
    "No command: the network was uploaded to the page, and the server keeps no file of it, and then it was "
    "trained. The lineage in the JSON says every step; whoever has the file repeats them with slimscope "
    "train and slimscope review --trained."
)
STEPS = N_(
    "No command: what was done to the model is more than one command says (several trainings, one that was "
    "ended early, a teacher of one's own, or methods of some layers only). The lineage in the JSON names "
    "every step with its plan or recipe, and the packed file in the ZIP holds the weights that came of them."
)
FOLDER = "trained"


def command_of_page(model: Model, options: Mapping[str, str]) -> tuple[str, str]:
    """(command, "") where one makes it again with the files of the ZIP, else ("", why none does).

    options: what `slimscope review` is told beside model, recipe and gates; empty values are left out.
    """
    subject, lineage = model.subject, model.lineage
    if not is_sample(subject):
        trained = any(isinstance(done, Train) for done in lineage)
        return "", UPLOADED_AND_TRAINED if trained else UPLOADED
    words = [word for pair in options.items() if pair[1] for word in pair]
    match lineage:
        case (Compress(),):
            return _line("review", subject.name, "recipe.yaml", "--gates", "gates.yaml", *words), ""
        case (Train() as training,) | (Compress(), Train() as training):
            first = _training(subject.name, lineage, training)
            if first is not None:
                then = _line("review", subject.name, "--trained", FOLDER, "--gates", "gates.yaml", *words)
                return f"{first} && {then}", ""
    return "", STEPS


def is_sample(subject: Subject) -> bool:
    """Whether everybody who has slimscope has this network and its items."""
    return isinstance(subject.title, Phrase) and subject.name in cards()


def _training(name: str, lineage: Lineage, training: Train) -> str | None:
    """The command that trains as the page did; None where there is none."""
    plan = parse_plan(json.loads(training.plan))
    typed = words_of_plan(plan)
    if typed is None or training.teacher or training.epochs != plan.knobs.epochs:
        return None
    recipe = ["recipe.yaml"] if len(lineage) > 1 else []
    return _line("train", name, *recipe, *typed, "--out", FOLDER)


def _line(*words: str) -> str:
    return shlex.join(["slimscope", *words])

"""The recipe as YAML and as Python, to read, to change by hand, to take away."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.loading.asked_answers import asked_of
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from dashboard import asked_change, state
from dashboard.files_opened import ModelFiles, files_of
from dashboard.lineage_name import lineage_name
from dashboard.long_searches import GroupsNotFoundError
from dashboard.text import _, literal, refusal
from dashboard.view import View

MOST_BYTES = 200_000
BOX_PX = 260
DRAFT, TURN = "slimscope.recipe.draft", "slimscope.recipe.turn"


def draw(view: View, model: Model) -> None:
    """YAML left, Python right; both to copy and to take away."""
    if view.trainings or view.stands_on:
        st.info(
            _(
                "The text and the program are of the recipe alone. What is open is {name}: "
                "slimscope train and compress_core.train make the rest of it."
            ).format(name=literal(lineage_name(view.lineage))),
            icon=":material/model_training:",
        )
    yaml, python = st.columns(2, gap="medium")
    with yaml:
        _yaml(view)
    with python:
        _python(view, model.subject)


@dataclass(frozen=True)
class Draft:
    """What was typed, or stood in a file, and is not the recipe: kept until it is applied or taken back.

    refused: why it was not applied, in one sentence; empty where nobody tried. asked: by which
    word it is known while it waits for groups, to be applied by itself.
    """

    model: str
    text: str
    refused: str = ""
    asked: str = ""


def _draft(view: View) -> Draft | None:
    found: Draft | None = st.session_state.get(DRAFT)
    if found is None or found.model != view.model:
        return None
    if not found.asked or asked_change.is_waiting(found.asked):
        return found
    refused = asked_change.outcome_of(found.asked)
    return None if refused == "" else replace(found, refused=refused or "")


def _keep_draft(draft: Draft | None) -> None:
    """Show this in the box, or the recipe again."""
    st.session_state[DRAFT] = draft
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1


def _yaml(view: View) -> None:
    draft, text = _draft(view), view.recipe.yaml
    key = f"recipe.text.{view.version}.{view.recipe.sha[:12]}.{st.session_state.get(TURN, 0)}"
    st.text_area(
        _("Recipe as YAML: change it here, or paste another"),
        text if draft is None else draft.text,
        key=key,
        height=BOX_PX,
        on_change=_typed,
        args=(key, text),
    )
    if draft is not None and draft.refused:
        st.warning(literal(draft.refused), icon=":material/block:")
    apply, back, copy, download = st.columns([1, 1.5, 1, 1.2], gap="small")
    apply.button(_("Apply"), on_click=_apply_typed, args=(key,), width="stretch", type="primary")
    back.button(
        _("Back to the recipe"),
        on_click=_keep_draft,
        args=(None,),
        disabled=draft is None,
        width="stretch",
        icon=":material/undo:",
    )
    with copy.popover(_("Copy"), width="stretch"):
        st.code(text, language="yaml", wrap_lines=True)
    _download(download, text, f"{view.recipe.sha[:8]}.yaml", "text/yaml")
    _file(view)


def _download(place: DeltaGenerator, text: str, name: str, kind: str) -> None:
    place.download_button(
        _("Download"),
        text,
        name,
        kind,
        key=f"recipe.download.{kind}",
        on_click="ignore",
        icon=":material/download:",
        width="stretch",
    )


def _python(view: View, subject: Subject) -> None:
    program = as_python(view, subject, files_of(view.model))
    if view.model.startswith(state.USER_MODEL) and files_of(view.model) is None:
        st.caption(
            _(
                "As Python: put in the model and the items that were opened, whose files are not known here, "
                "and this program does what the page did."
            )
        )
    else:
        st.caption(_("As Python: this program does what the page did."))
    st.code(program, language="python", height=BOX_PX)
    _download(st.columns([2.5, 1])[1], program, f"{view.recipe.sha[:8]}.py", "text/x-python")


def _typed(key: str, recipe: str) -> None:
    """Keep what stands in the box, which Streamlit forgets as soon as another tab is looked at."""
    text = st.session_state[key]
    st.session_state[DRAFT] = None if text == recipe else Draft(state.required().model, text)


def _apply_typed(key: str) -> None:
    _apply(st.session_state[key], "")


def _file(view: View) -> None:
    """A recipe file; what cannot be applied comes into the box, with the reason below it."""
    file = st.file_uploader(_("A recipe file"), ["yaml", "yml", "json"], key=f"recipe.file.{view.model}")
    if file is None:
        return
    if file.size > MOST_BYTES:
        st.warning(
            _("A recipe file has at most {most:,} bytes, this one {got:,}: is it another file?").format(
                most=MOST_BYTES, got=file.size
            )
        )
        return
    text = file.getvalue().decode(errors="replace")
    st.button(_("Apply the file"), on_click=_apply, args=(text, file.name), key="recipe.file.apply")


def _apply(text: str, file: str) -> None:
    """Take a recipe over; a refused one stays in the box with the sentence."""
    view = state.required()
    try:
        state.keep(state.with_recipe(view, read_recipe(text)))
    except Refused as refused:
        sentence = f"{file}: {refusal(refused)}" if file else refusal(refused)
        waits = asked_change.waiting() if isinstance(refused, GroupsNotFoundError) else None
        _keep_draft(Draft(view.model, text, sentence, "" if waits is None else waits.word))
        return
    _keep_draft(None)


def as_python(view: View, subject: Subject, files: ModelFiles | None = None) -> str:
    """A program that does what the page did with these files; names to be put in where they are not known."""
    if not view.model.startswith(state.USER_MODEL):
        return program_of(view.recipe.yaml, subject.name)
    if files is None:
        code = subject.origin.factory if subject.origin is not None else ""
        task = asked_of(subject)
        said = {} if task == "classification" else {"task": task}
        return program_of(view.recipe.yaml, code or "weights.safetensors", "items.npz", **said)
    program = program_of(view.recipe.yaml, *files.given, **files.said)
    if files.zipped is None:
        return program
    return (
        f"# {_quoted(files.given[0])} is the folder in {_quoted(files.zipped)}: unpack it first.\n{program}"
    )


def program_of(recipe: str, *given: str, **said: str) -> str:
    """The program for a recipe as YAML and what `load` is given; any name stands in it as it is."""
    told = [*map(_quoted, given), *(f"{name}={_quoted(value)}" for name, value in said.items())]
    text = recipe.rstrip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'''from compress_core import compress, evaluate, load

model = load({", ".join(told)})
small = compress(model, """
{text}
""")
print(evaluate(small).frame())
network = small.network()  # an ordinary torch.nn.Module
'''


def _quoted(text: str) -> str:
    """A string as Python reads it back, in double quotes wherever it holds no quote."""
    plain = repr(text)
    return plain if "'" in text or '"' in text else f'"{plain[1:-1]}"'

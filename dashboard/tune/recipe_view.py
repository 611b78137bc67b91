"""The recipe as YAML and as Python, to read, to change by hand, to take away; snapshots."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import streamlit as st

from compress_core.apply.lineage import recipe_of
from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from dashboard import state
from dashboard.text import _, refusal
from dashboard.view import View

MOST_BYTES = 200_000


def draw(view: View, model: Model) -> None:
    """Three tabs: YAML, Python, snapshots."""
    yaml, python, snapshots = st.tabs([_("Recipe as YAML"), _("As Python"), _("Snapshots")])
    with yaml:
        _yaml(view)
    with python:
        st.code(as_python(view, model.subject), language="python")
    with snapshots:
        _snapshots(view)


def _yaml(view: View) -> None:
    text = view.recipe.yaml
    key = f"recipe.text.{view.version}.{view.recipe.sha[:12]}"
    typed = st.text_area(_("Change it here, or paste another"), text, key=key, height=220)
    apply, download, upload = st.columns([1, 1, 2], vertical_alignment="bottom")
    apply.button(
        _("Apply"), on_click=_apply, args=(typed,), disabled=typed == text, width="stretch", type="primary"
    )
    download.download_button(
        _("Download"),
        text,
        f"{view.recipe.sha[:8]}.yaml",
        "text/yaml",
        on_click="ignore",
        width="stretch",
    )
    file = upload.file_uploader(_("A recipe file"), ["yaml", "yml", "json"], key=f"{key}.file")
    if file is not None and file.size <= MOST_BYTES:
        upload.button(_("Apply the file"), on_click=_apply, args=(file.getvalue().decode(errors="replace"),))


def _apply(text: str) -> None:
    try:
        state.keep(state.with_recipe(state.required(), read_recipe(text)))
    except Refused as refused:
        state.notice(refusal(refused))


def as_python(view: View, subject: Subject) -> str:
    """A program that does what the page did."""
    given: tuple[str, ...] = (subject.name,)
    if view.model.startswith(state.USER_MODEL):
        code = subject.origin.factory if subject.origin is not None else ""
        given = (code or "weights.safetensors", "items.npz")
    return program_of(view.recipe.yaml, *given)


def program_of(recipe: str, *given: str) -> str:
    """The program for a recipe as YAML and what `load` is given; any name stands in it as it is."""
    text = recipe.rstrip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'''from compress_core import compress, evaluate, load

model = load({", ".join(map(_quoted, given))})
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


def _snapshots(view: View) -> None:
    name, save = st.columns([3, 1], vertical_alignment="bottom")
    typed = name.text_input(_("Name"), key="snapshot.name", max_chars=40)
    save.button(_("Save this recipe"), on_click=_save, args=(typed,), disabled=not typed, width="stretch")
    if not view.snapshots:
        st.caption(_("A snapshot keeps the recipe under a name, to come back to it or compare with it."))
    for index, (kept, lineage) in enumerate(view.snapshots.items()):
        what, load, drop = st.columns([3, 1, 1], vertical_alignment="center")
        what.text(f"{kept}  ·  {recipe_of(lineage).sha[:8]}")
        load.button(_("Open"), key=f"snapshot.{index}.open", on_click=_open, args=(kept,), width="stretch")
        drop.button(_("Delete"), key=f"snapshot.{index}.drop", on_click=_drop, args=(kept,), width="stretch")


def _save(name: str) -> None:
    view = state.required()
    kept = MappingProxyType({**view.snapshots, name: view.lineage})
    state.keep(replace(view, snapshots=kept))


def _open(name: str) -> None:
    view = state.required()
    state.keep(state.at(view, view.snapshots[name]))


def _drop(name: str) -> None:
    view = state.required()
    kept = {k: v for k, v in view.snapshots.items() if k != name}
    state.keep(replace(view, snapshots=MappingProxyType(kept)))

"""What can I take away? Every file with its bytes, what it needs, and whether it answers the same."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.model import Model
from compress_core.deliver.export_format import PACKED, export_formats
from compress_core.deliver.exports import ExportedFiles
from compress_core.deliver.input_preprocessing import preprocessing_in_words
from compress_core.deliver.plain_container import container_bytes, read_container
from compress_core.deliver.plain_reading import read_by_others
from compress_core.jobs.info import State
from dashboard import engine
from dashboard.deploy import job_results
from dashboard.figures.words import in_bytes
from dashboard.lineage_name import lineage_in_file_name
from dashboard.page_job import PageJob
from dashboard.refused_here import notice_beside
from dashboard.show import number_text, with_interval
from dashboard.text import _, literal
from dashboard.view import View

ALL = "deploy.make.all"
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: the same files give the same bytes


@dataclass(frozen=True)
class _Kind:
    """How a format is shown: its name, what is in it, what it needs, and the end of the file's name."""

    title: str
    what: str
    needs: str
    ending: str


def _kinds() -> Mapping[str, _Kind]:
    return {
        name: _Kind(_(found.title), _(found.what), _(found.needs), found.ending)
        for name, found in export_formats().items()
    }


def draw(view: View, model: Model) -> None:
    """The plain file at once; every other one is made when it is asked for, beside the page."""
    wanted = {
        file_format: job_results.file_job(model, file_format, kind.title)
        for file_format, kind in _kinds().items()
    }
    words, button = st.columns([4, 1.3], vertical_alignment="bottom")
    words.caption(
        _(
            "Making a file takes some seconds, because it is also run on every item and compared with torch. "
            "It happens beside the page."
        )
    )
    missing = [work for work in wanted.values() if work.can_start]
    button.button(
        _("Make all files"),
        key=ALL,
        icon=":material/deployed_code:",
        disabled=not missing,
        on_click=_submit,
        args=(missing, view),
        width="stretch",
    )
    notice_beside(ALL)
    st.caption(literal(_(preprocessing_in_words(model.subject))))
    _plain(model)
    for file_format, work in wanted.items():
        _file(view, model, file_format, work)


def _submit(missing: Sequence[PageJob[ExportedFiles]], view: View) -> None:
    for work in missing:
        work.submit(view, ALL)


def _plain(model: Model) -> None:
    kind = _Kind(
        _("Plain file"),
        _("Which weights are kept, their codes and the tables, each at a fixed length."),
        _("Python with slimscope and the model as loaded: {reader}").format(
            reader=f"`{read_container.__module__}.{read_container.__name__}`"
        ),
        "safetensors",
    )
    numbers, place = _row(kind)
    numbers.markdown(f"**{in_bytes(model.file_bytes)}**")
    numbers.caption(
        _("Holds exactly the values that were evaluated: the numbers at the top of the page are its own.")
    )
    with numbers.popover(_("What other readers get"), width="content"):
        st.caption(_("Other programs that open safetensors get, beside metadata in JSON:"))
        for said in read_by_others(model):
            st.caption(f"- {literal(_(said))}")
    _download(place, model, kind, "plain", lambda: container_bytes(model))


def _row(kind: _Kind, *, is_under_way: bool = False) -> tuple[DeltaGenerator, DeltaGenerator]:
    """A framed row with the words about a file; gives the places for its numbers and its button.

    While it is under way both are one place, wide enough for the progress and its own button.
    """
    widths = [2.3, 3.6] if is_under_way else [2.3, 2.6, 1]
    with st.container(border=True):
        words, *places = st.columns(widths, gap="medium", vertical_alignment="center")
    words.markdown(f"**{kind.title}**\n\n{kind.what}")
    words.caption(_("Needs: {needs}").format(needs=kind.needs))
    return places[0], places[-1]


def _file(view: View, model: Model, file_format: str, work: PageJob[ExportedFiles]) -> None:
    kind, found = _kinds()[file_format], work.info
    numbers, place = _row(kind, is_under_way=not found.is_over)
    made = work.result()
    with numbers:
        if made is not None:
            _numbers(made)
        elif found.state is State.UNKNOWN:
            _not_made(model, file_format)
        work.follow()
        older = work.last_result(f"slimscope.deploy.file.{file_format}")
        if older is not None and older.is_stale:
            older.mark(view, _("An older file, of recipe {recipe}.").format(recipe=older.recipe))
            _numbers(older.result)
    if made is not None:
        content = lambda: _content(made, work.job.key)  # noqa: E731 - called when the button is pressed
        _download(place, model, kind, file_format, content)
    elif found.is_over:
        work.button(
            place,
            view,
            label=_("Make"),
            icon=":material/deployed_code:",
            key=f"deploy.make.{file_format}",
        )


def _not_made(model: Model, file_format: str) -> None:
    """How long the file will be, where the header knows that."""
    size = job_results.packed_size(model) if file_format == PACKED else None
    if size is not None:
        st.markdown(f"**{number_text(size)}**")
    st.caption(_("not made yet"))


def _numbers(made: ExportedFiles) -> None:
    """Bytes of each file, agreement with torch, and layers that stay as they were."""
    sizes = {name: len(content) for name, content in made.files.items()}
    one_by_one = "" if len(sizes) < 2 else ": " + ", ".join(f"{n} {in_bytes(s)}" for n, s in sizes.items())
    st.markdown(f"**{in_bytes(sum(sizes.values()))}**{one_by_one}")
    st.caption(parity_text(made))
    if made.left:
        with st.popover(_("{count} layers stay in 32 bits").format(count=len(made.left)), width="content"):
            for name, reason in made.left.items():
                st.caption(f"{literal(name)}: {literal(_(reason))}")


def parity_text(made: ExportedFiles) -> str:
    """How far a file is from the network in torch, and its own accuracy."""
    numbers = made.numbers
    difference = numbers["largest_difference"]
    if difference.value is None:
        return _("Parity with torch is not measured: {reason}").format(reason=_(difference.reason or ""))
    same, furthest = numbers["same_class"], f"{difference.value:.2g}"
    if same.value is None:
        return _(
            "Run on {items:,} validation items: largest difference of any output to torch {difference}."
        ).format(items=difference.n, difference=furthest)
    said = _(
        "Run on {items:,} validation items: same class as torch on {same}, "
        "largest difference of any output {difference}."
    ).format(items=difference.n, same=with_interval(same), difference=furthest)
    if numbers["accuracy"].value is None:
        return said
    accuracy = _("Accuracy with this file {accuracy}, {change} to the original.")
    return f"{said} " + accuracy.format(
        accuracy=with_interval(numbers["accuracy"]),
        change=with_interval(numbers["accuracy_change"]),
    )


def _content(made: ExportedFiles, key: str) -> bytes:
    """The one file, or all of them in a zip."""
    if len(made.files) == 1:
        return next(iter(made.files.values()))
    return engine.store().get(f"zip:{key}", lambda: zipped(made.files), len)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files in one archive; the same files, in whatever order, give the same bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in sorted(files.items()):
            opened.writestr(zipfile.ZipInfo(name, _BEGINNING), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _download(
    place: DeltaGenerator, model: Model, kind: _Kind, name: str, content: Callable[[], bytes]
) -> None:
    stem = re.sub(r"[^\w.-]+", "-", model.subject.name).strip("-.") or "model"
    made = lineage_in_file_name(model.lineage)
    place.download_button(
        _("Download"),
        content,
        f"{stem}{made}.{kind.ending}",
        "application/octet-stream",
        key=f"deploy.download.{name}",
        icon=":material/download:",
        on_click="ignore",
        type="primary",
        width="stretch",
    )

"""open_dashboard: a live network in the page, from a script or a notebook."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from compress_core.face.compress_model import AnyRecipe, recipe_from
from compress_core.face.given_items import Array, Labels
from compress_core.face.load_model import load
from compress_core.face.page_process import PAGE, PageRequest, address_of, is_served, port_for, start_page
from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused
from compress_core.jobs.bundle import bundle_of
from compress_core.loading.asked_answers import TaskName
from compress_core.recipe.values import Recipe, ResolvedRecipe
from compress_core.subject.subject import Subject


@dataclass(frozen=True, eq=False)
class Dashboard:
    """A page that is being served; a notebook shows its address as a link.

    no_jobs: why long work cannot be done for this model, empty where it can.
    """

    address: str
    no_jobs: str
    _stop: Callable[[], None]
    _closed: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        """Serve this model no more; may be called twice."""
        if not self._closed.is_set():
            self._closed.set()
            self._stop()

    def wait(self) -> None:
        """Serve until Ctrl-C, or until `close` is called from elsewhere."""
        try:
            self._closed.wait()
        except KeyboardInterrupt:
            self.close()

    def _repr_html_(self) -> str:
        return f'<a href="{self.address}" target="_blank">{self.address}</a> {self.no_jobs}'


def open_dashboard(
    network: str | Path | nn.Module,
    items: str | Path | Array | None = None,
    labels: Labels | None = None,
    *,
    weights: str | Path | None = None,
    entry: str | None = None,
    training: str | Path | tuple[Array, Labels] | None = None,
    preprocessing: str | None = None,
    label_column: str | None = None,
    classes: Sequence[str] | None = None,
    recipe: AnyRecipe | None = None,
    factory: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    task: TaskName | None = None,
    port: int | None = None,
    wait: bool | None = None,
) -> Dashboard:
    """Show your own network in the page, on this machine only, and print where; it stays as it is.

    network, or what else `load` takes, items [N, ...], labels [N], weights, entry, training,
    preprocessing, label_column, classes, factory, input_shape and task: as in `load`. recipe: to begin
    with. port: a free one is taken where none is given. A script waits until Ctrl-C, a notebook goes on;
    wait says otherwise.

    Long work is done in other processes, which build the network by its class without arguments or by
    factory ("package.module:function"); the page is such a process as well. Where neither builds it, as with
    a class of a notebook, the page is served from this very process, and says why it does no long work.

    Raises Refused where `load` does, or the port is taken.

        open_dashboard(my_network, images, labels, classes=("cat", "dog"))
    """
    subject = load(
        network,
        items,
        labels,
        weights=weights,
        entry=entry,
        training=training,
        preprocessing=preprocessing,
        label_column=label_column,
        classes=classes,
        factory=factory,
        input_shape=input_shape,
        task=task,
    )
    wanted = None if recipe is None else recipe_from(recipe)
    plain = wanted.as_recipe() if isinstance(wanted, ResolvedRecipe) else wanted
    free = port_for(port)
    problem = None if subject.origin is None else subject.origin.problem
    served, stop = _elsewhere(subject, plain, free) if problem is None else _here(subject, plain, free)
    page = Dashboard(address_of(served), "" if problem is None else str(problem), stop)
    sys.stdout.write(f"Serving on this machine only: {page.address}\n")
    if wait if wait is not None else not hasattr(sys, "ps1"):
        page.wait()
    return page


def _elsewhere(subject: Subject, recipe: Recipe | None, port: int) -> tuple[int, Callable[[], None]]:
    """Serve from a process of its own, which reads the network's weights and builds it from its code."""
    folder = tempfile.TemporaryDirectory(prefix="slimscope-")
    for name, content in bundle_of(subject).items():
        write_whole(Path(folder.name) / name, content)
    text = "" if recipe is None else recipe.as_yaml()
    process = start_page(PageRequest(port=port, model=folder.name, recipe=text))
    try:
        answers = is_served(process, port)
    except KeyboardInterrupt:
        _end(process, folder)
        raise
    if not answers:
        _end(process, folder)
        raise Refused("The page did not start: what its process said stands above.")
    return port, lambda: _end(process, folder)


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    folder.cleanup()


def _here(subject: Subject, recipe: Recipe | None, port: int) -> tuple[int, Callable[[], None]]:
    """Serve from a thread of this process; the page is asked for by name, as it stands above the core."""
    serving: Any = importlib.import_module(f"{PAGE}.serving")
    served: tuple[int, Callable[[], None]] = serving.serve_live(subject, recipe, port)
    return served

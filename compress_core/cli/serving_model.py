"""One's own network in the page: `slimscope open`."""

from __future__ import annotations

import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from compress_core.cli.arguments import ModelOptions, about_a_model

if TYPE_CHECKING:
    from compress_core.face.page_process import PageRequest

OpenedRecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="Begin with this recipe, a YAML or JSON file; Undo takes it back.",
        show_default=False,
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        metavar="PORT",
        min=1,
        max=65535,
        help="Where to serve; a free port is taken where none is given.",
        show_default=False,
    ),
]
BrowserOption = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Show it in a browser, where there is a screen.")
]


@about_a_model(without={"recipe", "split", "user_model", "as_json"}, trains=True)
def open_model(
    asked: ModelOptions,
    recipe: OpenedRecipeOption = None,
    port: PortOption = None,
    browser: BrowserOption = True,
) -> None:
    """Open a model in the page, on this machine only.

    MODEL is a sample, a file of weights or package.module:factory, a function of your own that builds the
    network, found from the current folder. The address is printed once the page answers; Ctrl-C ends it.
    """
    from compress_core.face.page_process import address_of, has_screen, is_served, start_page

    request = _request(replace(asked, recipe=recipe), port)
    process = start_page(request)
    try:
        if is_served(process, request.port):
            typer.echo(f"Serving on this machine only: {address_of(request.port)} (Ctrl-C ends it)")
            if browser and has_screen():
                webbrowser.open(address_of(request.port))
            process.wait()
    except KeyboardInterrupt:
        typer.echo("")
        process.terminate()  # it may still be importing, and not yet listen to its stdin
    finally:
        assert process.stdin is not None
        process.stdin.close()  # the page ends with it
        code = process.wait()
    raise typer.Exit(max(code, 0))  # below 0 is a signal: it was ended from outside


def _request(asked: ModelOptions, port: int | None) -> PageRequest:
    """What the page's process is told; raises Refused for a bad recipe or a port that is taken."""
    from compress_core.cli.loading import input_shape_of, read_recipe_of
    from compress_core.face.page_process import PageRequest, port_for

    recipe = read_recipe_of(asked)
    return PageRequest(
        port=port_for(port),
        model=asked.model,
        weights=None if asked.weights is None else str(asked.weights),
        items=None if asked.items is None else str(asked.items),
        train=None if asked.train is None else str(asked.train),
        input_shape=input_shape_of(asked),
        recipe=recipe.as_yaml() if asked.recipe or asked.steps else "",
    )

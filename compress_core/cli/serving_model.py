"""One's own network in the page: `slimscope open`."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from compress_core.cli.arguments import (
    DataOption,
    ModelArgument,
    ModelOptions,
    ShapeOption,
    StepOption,
    WeightsOption,
)

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


def open_model(
    model: ModelArgument = None,
    items: DataOption = None,
    recipe: OpenedRecipeOption = None,
    step: StepOption = None,
    weights: WeightsOption = None,
    input_shape: ShapeOption = None,
    port: PortOption = None,
    browser: BrowserOption = True,
) -> None:
    """Open a model in the page, on this machine only.

    MODEL is a sample, a file of weights or package.module:factory, a function of your own that builds the
    network, found from the current folder. The address is printed once the page answers; Ctrl-C ends it.
    """
    from compress_core.cli.loading import input_shape_of, read_recipe_of
    from compress_core.face.page_process import (
        PageRequest,
        address_of,
        has_screen,
        is_served,
        port_for,
        start_page,
    )

    chosen = ModelOptions(
        model, recipe, tuple(step or ()), weights=weights, items=items, input_shape=input_shape
    )
    wanted = read_recipe_of(chosen)
    request = PageRequest(
        port=port_for(port),
        model=model,
        weights=None if weights is None else str(weights),
        items=None if items is None else str(items),
        input_shape=input_shape_of(chosen),
        recipe=wanted.as_yaml() if recipe or step else "",
    )
    process = start_page(request)
    try:
        if is_served(process, request.port):
            typer.echo(f"Serving on this machine only: {address_of(request.port)} (Ctrl-C ends it)")
            if browser and has_screen():
                webbrowser.open(address_of(request.port))
            process.wait()
    except KeyboardInterrupt:
        typer.echo("")
    finally:
        assert process.stdin is not None
        process.stdin.close()  # the page ends with it
        code = process.wait()
    raise typer.Exit(2 if code == 2 else 0)

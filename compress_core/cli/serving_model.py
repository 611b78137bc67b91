"""One's own network in the page: `slimscope open`, for oneself or for a class."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator, Sequence
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


InClassOption = Annotated[
    bool,
    typer.Option(
        "--class",
        help="Serve a class: whoever on your network opens the link that is printed is let in, nobody else. "
        "Without MODEL it opens the lessons.",
    ),
]
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="ADDRESS",
        help="With --class: the address of this machine to serve on; all of them where none is given.",
        show_default=False,
    ),
]


@about_a_model(without={"recipe", "split", "user_model", "as_json"}, trains=True)
def open_model(
    asked: ModelOptions,
    recipe: OpenedRecipeOption = None,
    port: PortOption = None,
    browser: BrowserOption = True,
    in_class: InClassOption = False,
    host: HostOption = None,
) -> None:
    """Open a model in the page, on this machine only, or for a class.

    MODEL is a sample, a file of weights or package.module:factory, a function of your own that builds the
    network, found from the current folder. The address is printed once the page answers; Ctrl-C ends it.
    """
    from compress_core.face.class_key import new_class_key
    from compress_core.face.page_process import has_screen, is_served, start_page

    request = _request(replace(asked, recipe=recipe), port, _host(host, in_class=in_class))
    key = new_class_key() if in_class else ""
    process = start_page(request, key)
    try:
        if is_served(process, request.port, request.host):
            address = _say_to_a_class(request, key) if in_class else _say(request)
            if browser and has_screen():
                webbrowser.open(address)
            process.wait()
    except KeyboardInterrupt:
        typer.echo("")
        process.terminate()  # it may still be importing, and not yet listen to its stdin
    finally:
        assert process.stdin is not None
        process.stdin.close()  # the page ends with it
        code = process.wait()
    raise typer.Exit(max(code, 0))  # below 0 is a signal: it was ended from outside


def _host(host: str | None, *, in_class: bool) -> str:
    """Where to serve; raises Refused where others should get in without a key."""
    from compress_core.face.network_addresses import EVERYWHERE, HOST
    from compress_core.foundation.errors import Refused

    if host is not None and not in_class:
        raise Refused(
            "--host {host} goes with --class, which lets in whoever brings its link: without it the page is "
            "served on this machine only.",
            host=host,
        )
    return (host or EVERYWHERE) if in_class else HOST


def _say(request: PageRequest) -> str:
    """Tell where the page is; gives that."""
    from compress_core.face.page_process import address_of

    address = address_of(request.port)
    typer.echo(f"Serving on this machine only: {address} (Ctrl-C ends it)")
    return address


def _say_to_a_class(request: PageRequest, key: str) -> str:
    """Tell a teacher which link to hand out and what it opens; gives the one for this machine's browser."""
    from compress_core.face.class_key import with_class_key
    from compress_core.face.network_addresses import HOST, hosts_to_name
    from compress_core.face.page_process import address_of

    page, opens = ("learn", "the lessons") if request.opens_nothing else ("tune", "the model on Tune")
    named = hosts_to_name(request.host)
    links = [with_class_key(address_of(request.port, host, page), key) for host in named or (HOST,)]
    lead = (
        f"Serving a class. This link opens {opens}; Learn and Share make links to lessons and to other pages:"
    )
    typer.echo("\n".join([lead, *(f"  {link}" for link in links), *_to_heed(named)]))
    return links[0]


def _to_heed(named: Sequence[str]) -> Iterator[str]:
    """What a teacher has to know of the addresses in the links, and of who may come."""
    from compress_core.face.network_addresses import is_of_this_machine

    if not named:
        yield (
            "This machine has no address on a network, so nobody else can open that: connect it, then start "
            "again."
        )
    elif all(is_of_this_machine(host) for host in named):
        yield "That address is this machine's own, so nobody else can open it: leave --host out."
    elif len(named) > 1:
        yield "This machine has several addresses: hand out the one that the students' machines reach."
    yield (
        "Whoever has the link is let in and may upload files; nothing is encrypted, so use a network that "
        "you trust. Ctrl-C ends it, and the link with it."
    )


def _request(asked: ModelOptions, port: int | None, host: str) -> PageRequest:
    """What the page's process is told; raises Refused for a bad recipe or a port that is taken."""
    from compress_core.cli.loading import input_shape_of, read_recipe_of
    from compress_core.face.page_process import PageRequest, port_for

    recipe = read_recipe_of(asked)
    return PageRequest(
        port=port_for(port, host),
        host=host,
        model=asked.model,
        weights=None if asked.weights is None else str(asked.weights),
        entry=asked.entry,
        items=None if asked.items is None else str(asked.items),
        train=None if asked.train is None else str(asked.train),
        preprocessing=asked.preprocessing or "",
        label_column=asked.label_column,
        input_shape=input_shape_of(asked),
        task=asked.task,
        recipe=recipe.as_yaml() if asked.recipe or asked.steps else "",
    )

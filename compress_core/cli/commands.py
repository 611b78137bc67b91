"""The program and its border: bad input ends with exit code 2 and one line on stderr."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from compress_core.foundation.errors import Refused
from compress_core.foundation.version import __version__

_TOO_MUCH = (
    "This takes more memory than the machine gives, or goes deeper than Python does ({kind}): "
    "give a smaller file or fewer items."
)
_FULL = "A disk is full ({reason}): free some space, then run this again."
_OF_FULL_DISKS = (errno.ENOSPC, errno.EDQUOT)


class OneSentence(TyperGroup):
    """A program that answers bad input with one sentence, and our own mistakes with a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; ends the process unless standalone_mode is off."""
        run = partial(super().main, args, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        try:
            code = run()
        except Refused as refused:
            _stop(str(refused))
        except (MemoryError, RecursionError) as error:
            _stop(_TOO_MUCH.format(kind=type(error).__name__))
        except OSError as error:
            if error.errno not in _OF_FULL_DISKS:
                raise
            _print_no_more()
            _stop(_FULL.format(reason=error.strerror))
        except typer.Abort:
            sys.exit(130)
        except typer.TyperException as misuse:
            _stop(_in_words(misuse))
        sys.exit(code if isinstance(code, int) else 0)


def _in_words(misuse: typer.TyperException) -> str:
    """What the parser says about a wrong option, with the place to look."""
    said = getattr(misuse, "message", "") or str(misuse)
    hint = getattr(misuse, "param_hint", None) or getattr(getattr(misuse, "param", None), "opts", [""])[0]
    context = getattr(misuse, "ctx", None)
    command = context.command_path if context is not None else "slimscope"
    place = f"{hint.strip(chr(39))}: " if hint else ""
    return f"{place}{said.rstrip('.?')}; {command} --help shows what there is."


def _stop(sentence: str) -> NoReturn:
    printable = "".join(sign if sign.isprintable() else " " for sign in sentence)
    typer.echo(" ".join(printable.split()), err=True)
    sys.exit(2)


def _print_no_more() -> None:
    """What is left to print is lost: Python would try once more when it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=OneSentence,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"slimscope {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def slimscope(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave."),
    ] = False,
) -> None:
    """See what compression does to a neural network: the same numbers as the dashboard.

    MODEL is a sample (slimscope models), package.module:factory of your own, or a file of weights.
    RECIPE is a YAML or JSON file, or - for standard input; --step says the same without a file.
    Bad input ends with exit code 2 and one sentence.
    """
    if context.invoked_subcommand is None and not version:
        typer.echo(context.get_help())

"""`python -m dashboard REQUEST`: serve the page with a model, as `slimscope open` asks for in JSON.

It ends when its stdin is closed: with the program that started it, however that ends.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

from compress_core.foundation.errors import Refused

USAGE = "usage: python -m dashboard REQUEST; people type: slimscope open MODEL, or streamlit run app.py\n"


def main(arguments: list[str]) -> int:
    """Load what is asked for, then serve it; 2 with a sentence where it cannot be."""
    if len(arguments) != 1:
        sys.stderr.write(USAGE)
        return 2
    from compress_core.face.class_key import VARIABLE
    from compress_core.face.page_process import PageRequest
    from compress_core.recipe.reading import read_recipe
    from dashboard.class_door import open_door
    from dashboard.opened import hand_over
    from dashboard.serving import serve

    threading.Thread(target=_end_with_stdin, daemon=True).start()
    request = PageRequest.read(arguments[0])
    open_door(os.environ.pop(VARIABLE, ""), request.host, request.port)  # no job is told the key
    try:
        recipe = read_recipe(request.recipe) if request.recipe else None
        if not request.opens_nothing:
            hand_over(request.subject(), recipe, is_sample=request.is_plain_sample)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    with suppress(KeyboardInterrupt):
        serve(request.port, request.host)
    return 0


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

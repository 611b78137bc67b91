"""What a cluster would start: the driver, with a stand-in for Ray, which may measure no recipe by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).with_name("stand_in_ray")))


def main() -> None:
    """Drive the job whose path comes as a line."""
    os.chdir(Path(sys.stdin.readline().strip()).parent)
    from compress_core.decide import recipe_numbers
    from compress_core.deliver.packing.beforehand import compile_beforehand
    from compress_core.jobs.cluster.driver import driving

    compile_beforehand()  # each part is a fork, which would load that anew

    measured, driver = recipe_numbers._measured, os.getpid()

    def only_in_parts(*arguments: Any) -> dict[str, object]:
        assert os.getpid() != driver, "the driver measured what a part should have"
        return measured(*arguments)

    recipe_numbers._measured = only_in_parts
    driving()


if __name__ == "__main__":
    main()

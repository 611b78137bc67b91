"""Where the code of somebody's own network is found, so that another process can build it again."""

from __future__ import annotations

from dataclasses import dataclass

from compress_core.foundation.errors import Refused


@dataclass(frozen=True)
class Origin:
    """package.module:function that builds the network without arguments, and the folder of the package.

    problem: why no other process can build it, where that is so; factory is empty then.
    """

    factory: str = ""
    folder: str = ""
    problem: Refused | None = None

    def required(self) -> Origin:
        """Itself, where another process can build the network; raises Refused with the reason else."""
        if self.problem is not None:
            raise Refused(self.problem.text, **self.problem.values)
        return self

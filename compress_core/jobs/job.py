"""A job: what is to be done, as frozen data with a key. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.foundation.version import __version__


@dataclass(frozen=True)
class Job:
    """One piece of long work; equal jobs have equal keys and are done once.

    kind: the name of a task. content: digest of the model's weights and of the items that are used.
    subject: where the worker finds them, a sample's name or what `put` answered; it does not count in
    the key. lineage: what was done to it, as canonical JSON. knobs: those of the task, as
    canonical JSON. order: those of its knobs that say in which order the work is done and change no result,
    likewise; they do not count in the key. model: the key of the model, under which a workspace has what was
    measured of it; the content and the lineage tell it already.
    """

    kind: str
    content: str
    subject: str
    lineage: str
    knobs: str
    seed: int
    order: str = "{}"
    model: str = ""

    @cached_property
    def key(self) -> str:
        """sha-256 of everything that decides the result, this release included; in hexadecimal."""
        parts = [__version__, self.kind, self.content, self.lineage, self.knobs, self.seed]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def as_json(self) -> str:
        """The job as its file holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Job:
        """A job from its file; raises Refused where the file is none."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise Refused(
                "The job file is damaged ({reason}): submit the job again.", reason=str(error)
            ) from None


def canonical_json(values: object) -> str:
    """The one JSON text of plain values."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)

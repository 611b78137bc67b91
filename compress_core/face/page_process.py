"""The page in a process of its own: what it is told, how it is started, and when it answers.

The page stands above the core, so it is started by its name and not imported. It looks for nothing in the
current folder but the visitor's own factory, and it ends with the process that started it.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import URLError

from compress_core.face.class_key import VARIABLE
from compress_core.face.network_addresses import EVERYWHERE, HOST, server_address
from compress_core.foundation.errors import Refused
from compress_core.jobs.bundle import bundle_in, is_bundle, read_bundle
from compress_core.jobs.process import ROOT
from compress_core.loading.asked_answers import checked_task
from compress_core.loading.file_format import ItemKnobs
from compress_core.loading.named import named_subject
from compress_core.loading.preprocessing import read_preprocessing
from compress_core.subject.subject import Subject

PAGE = "dashboard"
COMMAND = (sys.executable, "-P", "-m", PAGE)
_LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class PageRequest:
    """What a page opens, as plain values: its process is told as JSON.

    model: a sample, package.module:factory, a file of weights, or a folder in which a bundle lies. entry:
    which dict of a checkpoint is taken. items and train: files of items to judge it on and to train it
    on; preprocessing and label_column: how they are read; task: what is asked of the model. recipe: YAML
    text, empty for none; port: where to serve, on this machine only unless host says otherwise. Without a
    model and weights, nothing is open at first.
    """

    port: int
    model: str | None
    weights: str | None = None
    entry: str | None = None
    items: str | None = None
    train: str | None = None
    preprocessing: str = ""
    label_column: str | None = None
    input_shape: tuple[int, ...] | None = None
    task: str | None = None
    recipe: str = ""
    host: str = HOST

    def as_json(self) -> str:
        """The request as an argument of the page's process."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> PageRequest:
        """The reverse of `as_json`."""
        values = json.loads(text)
        shape = values.pop("input_shape")
        return cls(**values, input_shape=None if shape is None else tuple(shape))

    @property
    def opens_nothing(self) -> bool:
        """Whether a visitor begins without a model."""
        return self.model is None and self.weights is None

    @property
    def is_plain_sample(self) -> bool:
        """Whether the name of a sample says all of it."""
        return self.weights is None and self.items is None and self.train is None

    def subject(self) -> Subject:
        """The model that was asked for; raises Refused."""
        if self.model is not None and is_bundle(Path(self.model)):
            return read_bundle(bundle_in(Path(self.model)))
        return named_subject(
            self.model,
            weights=None if self.weights is None else Path(self.weights),
            entry=self.entry,
            items=None if self.items is None else Path(self.items),
            training=None if self.train is None else Path(self.train),
            input_shape=self.input_shape,
            task=checked_task(self.task),
            knobs=ItemKnobs(read_preprocessing(self.preprocessing), self.label_column),
        )


def address_of(port: int, host: str = HOST, page: str = "tune") -> str:
    """Where a browser finds a page: at first the one on which the layers of the model are set."""
    return f"{server_address(host, port)}/{page}"


def port_for(wanted: int | None, host: str = HOST) -> int:
    """A free port, or the one that is wanted; raises Refused where that is taken, or host is not ours."""
    try:
        family, *_, place = socket.getaddrinfo(host, wanted or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(place)
            found: int = tried.getsockname()[1]
            return found
    except (OSError, OverflowError, TypeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if host != HOST and getattr(error, "errno", None) != errno.EADDRINUSE:
            raise Refused(
                "{host} cannot be served ({reason}): name an address of this machine, or leave --host out.",
                host=host,
                reason=reason,
            ) from None
        raise Refused(
            "Port {port} cannot be served ({reason}): leave it out, and a free one is taken.",
            port=wanted,
            reason=reason,
        ) from None


def start_page(request: PageRequest, class_key: str = "") -> subprocess.Popen[bytes]:
    """Start the page's process; it ends when its stdin is closed, with this process at the latest.

    class_key: what visitors have to bring, empty where the page is for this machine alone.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND, request.as_json()],
        stdin=subprocess.PIPE,
        process_group=0,  # Ctrl-C is for the program that started it, which closes its stdin
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), VARIABLE: class_key},
    )


def is_served(process: subprocess.Popen[bytes], port: int, host: str = HOST) -> bool:
    """Wait until the page answers, however long its model takes to load; False where its process ended."""
    here = server_address(HOST if host == EVERYWHERE else host, port)
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{here}/_stcore/health", timeout=2):  # noqa: S310 - http, ours
                return True
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(_LOOK_AGAIN_SECONDS)
    return False


def has_screen() -> bool:
    """Whether a browser that is opened here would be seen by anybody."""
    if "SSH_CONNECTION" in os.environ or "CI" in os.environ:
        return False
    return sys.platform in {"win32", "darwin"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )

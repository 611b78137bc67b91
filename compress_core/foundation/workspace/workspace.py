"""A workspace: one folder that outlives the process, shared by servers, workers and the command line.

Every write is on the disk when its call returns; whoever kills the process afterwards loses nothing. It
needs no torch, so that a page can read its visitor's session before anything heavy is imported.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.cabinet import Cabinet, Drawer, Pocket
from compress_core.foundation.workspace.capped_files import Files
from compress_core.foundation.workspace.database import FILES, Database, in_memory, open_database
from compress_core.foundation.workspace.decision_log import DecisionLog
from compress_core.foundation.workspace.disk_trouble import not_opened
from compress_core.foundation.workspace.evaluations import Evaluations
from compress_core.foundation.workspace.folder import named_folder
from compress_core.foundation.workspace.gate_log import GateLog
from compress_core.foundation.workspace.job_log import JobLog
from compress_core.foundation.workspace.kept_results import Results
from compress_core.foundation.workspace.looks import Looks
from compress_core.foundation.workspace.model_tree import Models
from compress_core.foundation.workspace.remarks import Remarks
from compress_core.foundation.workspace.scan_points import ScanPoints
from compress_core.foundation.workspace.sessions import Sessions
from compress_core.foundation.workspace.trials import Trials
from compress_core.foundation.workspace.uploads import Uploads

MOST_BYTES = 2**31
MOST_BYTES_IN_MEMORY = 2**30


@dataclass(frozen=True, eq=False)
class Workspace:
    """What lasts, by what it is; folder None: everything ends with the process.

    warning: what the user should know of the folder, in one sentence.
    """

    folder: Path | None
    database: Database
    files: Files
    results: Results
    models: Models
    evaluations: Evaluations
    trials: Trials
    remarks: Remarks
    sessions: Sessions
    uploads: Uploads
    jobs: JobLog
    looks: Looks
    scans: ScanPoints
    gates: GateLog
    decisions: DecisionLog
    warning: Refused | None = None

    @classmethod
    def in_memory(
        cls,
        *,
        max_bytes: int = MOST_BYTES_IN_MEMORY,
        clock: Callable[[], float] = time.time,
        warning: Refused | None = None,
    ) -> Workspace:
        """A workspace of this process alone, nothing on the disk."""
        return _furnished(None, in_memory(), Pocket(), max_bytes, clock, warning)

    @classmethod
    def at(
        cls, folder: Path, *, max_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.time
    ) -> Workspace:
        """The workspace in a folder, which is made where it is missing.

        Raises Refused where the folder cannot be read or written, or a newer release has written it.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            database, aside = open_database(folder)
        except (OSError, sqlite3.Error) as error:
            raise not_opened(folder, error) from error
        warning = None if aside is None else _damaged(aside)
        made = _furnished(folder, database, Drawer(folder / FILES), max_bytes, clock, warning)
        try:
            made.files.sweep()
        except Refused:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Let go of the folder."""
        self.database.close()


def open_workspace(environment: Mapping[str, str] = os.environ) -> Workspace:
    """The workspace that SLIMSCOPE_WORKSPACE names, by default a folder of the user; never fails.

    A folder that cannot be used leaves a workspace in memory, whose warning says why.
    """
    try:
        folder = named_folder(environment)
    except RuntimeError as error:
        return Workspace.in_memory(warning=not_opened(Path("~"), OSError(str(error))))
    if folder is None:
        return Workspace.in_memory()
    try:
        return Workspace.at(folder)
    except Refused as refused:
        return Workspace.in_memory(warning=refused)


def _furnished(
    folder: Path | None,
    database: Database,
    cabinet: Cabinet,
    max_bytes: int,
    clock: Callable[[], float],
    warning: Refused | None,
) -> Workspace:
    files = Files(database, cabinet, clock, max_bytes)
    return Workspace(
        folder=folder,
        database=database,
        files=files,
        results=Results(database, files),
        models=Models(database, files, clock),
        evaluations=Evaluations(database, clock),
        trials=Trials(database, clock),
        remarks=Remarks(database, clock),
        sessions=Sessions(database, clock),
        uploads=Uploads(database, files, clock),
        jobs=JobLog(database, clock),
        looks=Looks(database, clock),
        scans=ScanPoints(database, clock),
        gates=GateLog(database, clock),
        decisions=DecisionLog(database, clock),
        warning=warning,
    )


def _damaged(aside: str) -> Refused:
    return Refused(
        "The database of the workspace was damaged: it was set aside with its files in the folder {name}, "
        "and a new one begun.",
        name=aside,
    )

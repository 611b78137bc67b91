"""The Jobs API of a Ray cluster over REST, as far as it is needed. Needs no torch, and no Ray."""

from __future__ import annotations

import http.client
import io
import json
import ssl
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.jobs.cluster.address import ClusterAddress

SECONDS = 5.0
MOST_PACKED = 400 * 2**20
"""Bytes that a cluster takes of a package; Ray itself stops at 500 MiB."""
_THEN = (1980, 1, 1, 0, 0, 0)


class ClusterSilentError(Exception):
    """The cluster did not answer, or not in a way that Ray does: it may do so later."""


class UnknownThereError(Exception):
    """The cluster answers, and knows no job of that name."""


@dataclass(frozen=True)
class RemoteState:
    """How a job stands on a cluster: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED, with its exit code."""

    status: str
    message: str = ""
    exit_code: int | None = None

    @property
    def is_over(self) -> bool:
        return self.status in {"SUCCEEDED", "FAILED", "STOPPED"}


class RayJobs:
    """One cluster's Jobs API. Every call ends within some seconds, whatever the network does."""

    def __init__(self, address: ClusterAddress, seconds: float = SECONDS) -> None:
        self._address, self._seconds = address, seconds
        self._trust = (
            ssl.create_default_context(cafile=address.certificates or None)
            if address.url.startswith("https")
            else None
        )

    @property
    def host(self) -> str:
        """The machine that is asked."""
        return self._address.host

    def put(self, name: str, files: Mapping[str, bytes]) -> str:
        """Keep files there under a name that their content tells; gives the address that a job names.

        Raises Refused for more bytes than a cluster takes.
        """
        content = packed_files(files)
        if len(content) > MOST_PACKED:
            raise Refused(
                "The model and its items take {got:,} MiB, and a cluster takes {most:,} MiB of one job: work "
                "on fewer items, or on this machine.",
                got=len(content) >> 20,
                most=MOST_PACKED >> 20,
            )
        package = f"_ray_pkg_{name}.zip"
        try:
            self._call("GET", f"/api/packages/gcs/{package}")
        except UnknownThereError:
            self._call("PUT", f"/api/packages/gcs/{package}", content, seconds=60.0)
        return f"gcs://{package}"

    def submit(self, name: str, entrypoint: str, environment: Mapping[str, Any], processors: int) -> None:
        """Have an entrypoint run under a name of ours, on so many processors of its own."""
        asked = {
            "entrypoint": entrypoint,
            "submission_id": name,
            "runtime_env": dict(environment),
            "entrypoint_num_cpus": processors,
        }
        self._call("POST", "/api/jobs/", json.dumps(asked).encode(), seconds=60.0)

    def state(self, name: str) -> RemoteState:
        """How a job stands; raises UnknownThereError where it is not there."""
        said = self._json("GET", f"/api/jobs/{name}")
        code = said.get("driver_exit_code")
        return RemoteState(
            str(said.get("status")), str(said.get("message") or ""), code if isinstance(code, int) else None
        )

    def log(self, name: str) -> str:
        """All that a job has printed so far."""
        return str(self._json("GET", f"/api/jobs/{name}/logs", seconds=60.0).get("logs") or "")

    def stop(self, name: str) -> None:
        """Have a job ended."""
        self._call("POST", f"/api/jobs/{name}/stop")

    def _json(self, method: str, path: str, seconds: float | None = None) -> dict[str, Any]:
        content = self._call(method, path, seconds=seconds)
        try:
            said = json.loads(content)
        except ValueError as error:
            raise ClusterSilentError(f"no JSON from {path}") from error
        if not isinstance(said, dict):
            raise ClusterSilentError(f"no answer to {path}")
        return said

    def _call(
        self, method: str, path: str, content: bytes | None = None, seconds: float | None = None
    ) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self._address.token:
            headers["Authorization"] = f"Bearer {self._address.token}"
        request = urllib.request.Request(  # noqa: S310 - the address that the operator gave, http or https
            self._address.url + path, data=content, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(  # noqa: S310 - as above
                request, timeout=seconds or self._seconds, context=self._trust
            ) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            raise _meaning(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ClusterSilentError(str(error) or type(error).__name__) from error


def _meaning(error: urllib.error.HTTPError) -> Exception:
    """What an error of the cluster means: nobody may ask, nothing is there, or later."""
    if error.code in {401, 403}:
        return Refused(
            "The cluster does not let this server in (HTTP {code}): set SLIMSCOPE_RUNNER_TOKEN to the token "
            "that its operator gave.",
            code=error.code,
        )
    return UnknownThereError(str(error)) if error.code == 404 else ClusterSilentError(f"HTTP {error.code}")


def packed_files(files: Mapping[str, bytes]) -> bytes:
    """Files as one archive: equal files give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _THEN), files[name])
    return out.getvalue()

"""Local servers that models are pulled from: the Hugging Face hub's paths, and a Python package index.

with HubServer() as hub:
    hub.add("acme/whisper", folder)
    hub.cut("acme/whisper", "model.bin", after=1000)   # the connection drops once, mid-file
    os.environ["HF_ENDPOINT"] = hub.url
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import threading
import zipfile
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1 << 16  # files from here on are in large-file storage


def cut_off(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """Lets models be pulled into this cache, from a hub and an index that nobody answers at."""
    monkeypatch.setenv("MULTIMODAL_CACHE", str(cache))
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{_unused_port()}")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{_unused_port()}/simple/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return cache


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Server:
    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append((unquote(urlsplit(self.path).path), self.headers.get("Range")))
                outer.answer(self, unquote(urlsplit(self.path).path))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.requests: list[tuple[str, str | None]] = []  # path and Range of each
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        raise NotImplementedError

    def ranges(self, path_end: str) -> list[str | None]:
        """The ranges that were asked for of files at paths with this end, None for whole ones."""
        return [asked for path, asked in self.requests if path.endswith(path_end)]


def _send(
    handler: BaseHTTPRequestHandler, data: bytes, kind: str = "application/octet-stream", status: int = 200
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


class HubServer(_Server):
    def __init__(self) -> None:
        super().__init__()
        self._files: dict[str, dict[str, bytes]] = {}
        self._digests: dict[tuple[str, str], str] = {}
        self._cuts: dict[tuple[str, str], int] = {}
        self._failures: set[tuple[str, str]] = set()

    def add(self, repository: str, folder: Path) -> None:
        self._files[repository] = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    def add_file(self, repository: str, name: str, data: bytes) -> None:
        self._files[repository][name] = data

    def cut(self, repository: str, name: str, after: int) -> None:
        """The next download of a file ends after so many bytes."""
        self._cuts[repository, name] = after

    def fail(self, repository: str, name: str, failing: bool = True) -> None:
        """Downloads that go on from where one was cut fail, until told otherwise."""
        (self._failures.add if failing else self._failures.discard)((repository, name))

    def state_digest(self, repository: str, name: str, digest: str) -> None:
        """Has the hub state a digest other than the file's."""
        self._digests[repository, name] = digest

    def answer(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        if match := re.fullmatch(r"/api/models/(.+/.+)/revision/(\w+)", path):
            self._describe(handler, match[1])
        elif match := re.fullmatch(rf"/(.+/.+)/resolve/{COMMIT}/(.+)", path):
            handler.send_response(HTTPStatus.FOUND)
            handler.send_header("Location", f"{self.url}/storage/{match[1]}/{match[2]}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        elif match := re.fullmatch(r"/storage/(.+/.+)/([^/]+)", path):
            self._store(handler, match[1], match[2])
        else:
            _send(handler, b"no such page", status=HTTPStatus.NOT_FOUND)

    def _describe(self, handler: BaseHTTPRequestHandler, repository: str) -> None:
        files = self._files.get(repository)
        if files is None:
            handler.send_response(HTTPStatus.NOT_FOUND)
            handler.send_header("X-Error-Code", "RepoNotFound")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        siblings = []
        for name, data in files.items():
            sibling: dict[str, Any] = {"rfilename": name, "size": len(data)}
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            sibling["blobId"] = self._digests.get((repository, name), blob)
            if len(data) >= LARGE:
                digest = self._digests.get((repository, name), hashlib.sha256(data).hexdigest())
                sibling["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 134}
            siblings.append(sibling)
        body = {"_id": "1", "id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings}
        _send(handler, json.dumps(body).encode(), "application/json")

    def _store(self, handler: BaseHTTPRequestHandler, repository: str, name: str) -> None:
        data = self._files[repository][name]
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start and (repository, name) in self._failures:
            _send(handler, b"out of order", status=HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        end = self._cuts.pop((repository, name), len(data))
        handler.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start:end])
        handler.wfile.flush()
        if end < len(data):
            handler.close_connection = True
            handler.connection.close()


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    """A wheel that carries files."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    contents = {
        **files,
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{member},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for member, data in contents.items()
    ]
    contents[f"{stem}.dist-info/RECORD"] = "\n".join([*record, f"{stem}.dist-info/RECORD,,", ""]).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in contents.items():
            archive.writestr(member, data)
    return path


class IndexServer(_Server):
    """The simple API of a package index, for the wheels in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def answer(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        if match := re.fullmatch(r"/simple/([\w-]+)/", path):
            wheels = self.folder.glob(f"{match[1].replace('-', '_')}-*.whl")
            links = "".join(f'<a href="/files/{wheel.name}">{wheel.name}</a>' for wheel in wheels)
            _send(handler, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        elif (file := self.folder / path.removeprefix("/files/")).is_file():
            _send(handler, file.read_bytes())
        else:
            _send(handler, b"no such page", status=HTTPStatus.NOT_FOUND)

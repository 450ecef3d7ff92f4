"""Fetches the pinned third-party archives of lock.json and prints the folder each was unpacked to.

    python3 clib/third_party/fetch.py zlib

Needs nothing but Python: CMake runs it while configuring. Archives are looked for in MM_THIRD_PARTY_DIR, or, where that
is not set, in the places pip is configured to use (PIP_INDEX_URL, pip.conf, ...). Each must have the lock's SHA-256.
What was unpacked stays in the user's cache, so the network is asked once.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import html.parser
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import urllib.response
from pathlib import Path
from typing import NamedTuple

LOCK = Path(__file__).with_name("lock.json")
TIMEOUT_SECONDS = 60
ATTEMPTS = 3


class FetchError(Exception):
    """What is wrong, and what to do about it."""


class Pin(NamedTuple):
    """An entry of the lock: `folder` of `archive`, which the package index keeps under `project`."""

    version: str
    licence: str
    project: str
    archive: str
    sha256: str
    folder: str

    @property
    def remedy(self) -> str:
        return (
            f"To build without the network, put {self.archive} (sha256 {self.sha256}) into a folder and set "
            "MM_THIRD_PARTY_DIR to it; to use another package index, set PIP_INDEX_URL."
        )


def pins() -> dict[str, Pin]:
    return {name: Pin(**entry) for name, entry in json.loads(LOCK.read_text(encoding="utf-8")).items()}


def fetch(name: str) -> Path:
    """The folder with the unpacked files of a lock entry."""
    try:
        pin = pins()[name]
    except KeyError:
        raise FetchError(f"{name} is not in {LOCK}; it has {', '.join(pins())}") from None
    folder = cache_dir() / f"{name}-{pin.version}-{pin.sha256[:12]}"
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
                archive = Path(scratch, pin.archive)
                _obtain(pin, archive)
                _publish(_unpack(pin, archive, Path(scratch, "unpacked")), folder)
        except OSError as error:
            raise FetchError(
                f"cannot write to {folder.parent}: {error}. Set MM_CACHE_DIR to a writable folder."
            ) from error
    return folder


def cache_dir() -> Path:
    """MM_CACHE_DIR, or the platform's place for caches."""
    if chosen := os.environ.get("MM_CACHE_DIR"):
        return Path(chosen, "third_party")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "multimodal-ffi", "third_party")


def _publish(unpacked: Path, folder: Path) -> None:
    """Moves into place in one step; another process that was faster has put the same files there."""
    try:
        unpacked.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _unpack(pin: Pin, archive: Path, target: Path) -> Path:
    with tarfile.open(archive) as tar:
        members = [member for member in tar.getmembers() if member.name.startswith(pin.folder + "/")]
        if hasattr(tarfile, "data_filter"):
            tar.extractall(target, members, filter="data")
        else:  # an early 3.10 or 3.11; the digest vouches for the content
            tar.extractall(target, members)
    return target / pin.folder


def _obtain(pin: Pin, target: Path) -> None:
    """Copies or downloads the archive and checks its digest."""
    local = os.environ.get("MM_THIRD_PARTY_DIR")
    if local:
        source = str(Path(local, pin.archive))
        if not Path(source).is_file():
            raise FetchError(f"{source} does not exist, and MM_THIRD_PARTY_DIR is set. {pin.remedy}")
        shutil.copyfile(source, target)
    else:
        source = _download(pin, target)
    found = hashlib.sha256(target.read_bytes()).hexdigest()
    if found != pin.sha256:
        raise FetchError(
            f"{source} has sha256 {found}, not the expected {pin.sha256}: it is damaged or not the published one. "
            f"{pin.remedy}"
        )


def _download(pin: Pin, target: Path) -> str:
    """Downloads from the first place that has the archive; returns its address."""
    settings = PipSettings()
    tried = []
    for location in settings.find_links:
        path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(location).path), pin.archive)
        if path.is_file():
            shutil.copyfile(path, target)
            return str(path)
    for index in settings.indexes:
        page = f"{index.rstrip('/')}/{pin.project}/"
        try:
            if address := _archive_address(settings, page, pin.archive):
                with settings.open(address) as response, target.open("wb") as file:
                    shutil.copyfileobj(response, file)
                return address
            tried.append(f"{_without_password(page)}: does not list it")
        except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: an address that is none
            tried.append(f"{_without_password(page)}: {error}")
    reasons = "; ".join(tried) or settings.why_no_index
    raise FetchError(f"cannot download {pin.archive} ({reasons}). {pin.remedy}")


class PipSettings:
    """Where pip looks for packages, by `pip config list`: pip.conf files and PIP_* variables alike."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "pip", "config", "list"]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        values: dict[str, str] = {}
        # Lines such as global.index-url='https://...'; what is more specific wins.
        for section in ("global.", "install.", "download.", ":env:."):
            for line in shown.stdout.splitlines():
                if line.startswith(section) and "=" in line:
                    key, _, value = line[len(section) :].partition("=")
                    values[key] = str(ast.literal_eval(value))
        index = values.get("index-url") or os.environ.get("PIP_INDEX_URL") or _default_index()
        no_index = values.get("no-index", "0").lower() in ("1", "true", "yes", "on")
        self.why_no_index = "pip is set to use no index" if no_index else f"{sys.executable} has no pip to ask where"
        self.indexes = [] if no_index else [*values.get("extra-index-url", "").split(), *([index] if index else [])]
        links = values.get("find-links", "").split()
        self.find_links = [link for link in links if "://" not in link or link.startswith("file:")]
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=values.get("cert")))
        ]
        if proxy := values.get("proxy"):
            handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
        self._opener = urllib.request.build_opener(*handlers)

    def open(self, address: str, accept: str = "*/*") -> urllib.response.addinfourl:
        """The response; a connection that fails is tried again, an answer of the server is final."""
        parts = urllib.parse.urlsplit(address)
        request = urllib.request.Request(
            urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), headers={"Accept": accept}
        )
        if parts.username is not None:
            login = urllib.parse.unquote(f"{parts.username}:{parts.password or ''}")
            request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
        attempt = 0
        while True:
            attempt += 1
            try:
                response: urllib.response.addinfourl = self._opener.open(request, timeout=TIMEOUT_SECONDS)
                return response
            except urllib.error.HTTPError:
                raise
            except OSError:
                if parts.scheme == "file" or attempt == ATTEMPTS:
                    raise


def _default_index() -> str | None:
    """pip's own default, asked of pip."""
    code = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def _without_password(address: str) -> str:
    parts = urllib.parse.urlsplit(address)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _archive_address(settings: PipSettings, page: str, archive: str) -> str | None:
    """The address that a project page of the simple repository API (PEP 503 or 691) gives for a file, or None."""
    is_folder = page.startswith("file:")
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    try:
        with settings.open(page + "index.html" if is_folder else page, accept) as response:
            base, body = response.url, response.read().decode()
            is_json = response.headers.get_content_type().endswith("json")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    except urllib.error.URLError:
        if is_folder:  # without this project
            return None
        raise
    links: dict[str, str] = {}
    if is_json:
        links = {entry["filename"]: entry["url"] for entry in json.loads(body)["files"]}
    else:
        parser = _Links()
        parser.feed(body)
        for link in parser.links:
            links[urllib.parse.unquote(urllib.parse.urlsplit(link).path).rpartition("/")[2]] = link
    if archive not in links:
        return None
    address = urllib.parse.urljoin(base, links[archive])
    page_login, address_parts = urllib.parse.urlsplit(page), urllib.parse.urlsplit(address)
    if page_login.username is not None and page_login.hostname == address_parts.hostname:
        address = urllib.parse.urlunsplit(address_parts._replace(netloc=page_login.netloc))
    return address


class _Links(html.parser.HTMLParser):
    """Collects the targets of <a>."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for key, value in attrs if key == "href" and value]


def main() -> int:
    if len(sys.argv) < 2:
        print(f"usage: fetch.py NAME...\nnames: {', '.join(pins())}", file=sys.stderr)
        return 2
    try:
        for name in sys.argv[1:]:
            print(fetch(name))
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

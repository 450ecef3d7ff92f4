"""Runs one recogniser over several recordings: `python speech_worker.py PEERS.py NAME REQUEST.json RESULT.json`.

Runs in the recogniser's own environment: standard library only. The request is that of pyffi/cli/peers.py, with a list
of audio files; the result has seconds and text for each, seconds to open the model, and the peak memory of the process.
"""

from __future__ import annotations

import importlib
import json
import re
import runpy
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

# What takes its time only once for a process, and has nothing to do with opening a model.
MODULES = {
    "multimodal-ffi": "pyffi",
    "faster-whisper": "faster_whisper",
    "pywhispercpp": "pywhispercpp.model",
    "whisper-cpp-python": "whisper_cpp_python",
}


def peak_memory() -> int:
    """Bytes resident at most. (What getrusage says begins with the memory of the process that started this one.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    assert found, "the kernel does not say how much memory was used"
    return int(found[1]) * 1024


def main() -> None:
    peers_path, name, request_path, result_path = sys.argv[1:]
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    peers = runpy.run_path(peers_path)
    importlib.import_module(MODULES[name])
    with tempfile.TemporaryDirectory() as folder:
        request = peers["prepare"](name, request, Path(folder))
        started = time.perf_counter()
        transcribe = peers["PEERS"][name](request)
        opened = time.perf_counter() - started
    seconds, texts = [], []
    for audio in request["audio"]:
        started = time.perf_counter()
        text = transcribe(audio)
        seconds.append(time.perf_counter() - started)
        texts.append(" ".join(text.split()))
    result = {
        "version": metadata.version(name),
        "open": opened,
        "seconds": seconds,
        "texts": texts,
        "peak_memory": peak_memory(),
    }
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")


main()

"""Runs one speech recogniser in a process of its own: `python -c THIS_FILE NAME REQUEST.json RESULT.json`.

Only the standard library and the recogniser itself are imported, so that it runs in whatever environment has that.
The request has model, audio (16 kHz mono WAV), threads, beam_size, language and, for faster-whisper, compute_type; the
result has version, text, and the seconds that opening and transcribing took, or why there is none.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

Transcribe = Callable[[str], str]  # of an audio file


def multimodal_ffi(request: dict[str, Any]) -> Transcribe:
    from pyffi import Whisper

    model = Whisper(request["model"])
    return lambda audio: (
        model.transcribe(
            audio,
            beam_size=request["beam_size"],
            language=request["language"],
            threads=request["threads"],
        ).text
    )


def faster_whisper(request: dict[str, Any]) -> Transcribe:
    from faster_whisper import WhisperModel

    model = WhisperModel(
        request["model"],
        device="cpu",
        compute_type=request.get("compute_type", "int8"),
        cpu_threads=request["threads"],
        local_files_only=True,
    )

    def transcribe(audio: str) -> str:
        segments, _ = model.transcribe(audio, beam_size=request["beam_size"], language=request["language"])
        return "".join(segment.text for segment in segments)

    return transcribe


def with_tokenizer(model: Path, folder: Path) -> Path:
    """A CTranslate2 model with tokenizer.json: faster-whisper asks the Hugging Face hub for it where it is missing."""
    if (model / "tokenizer.json").exists():
        return model
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    listed = model / "vocabulary.json"
    tokens = (
        json.loads(listed.read_text(encoding="utf-8"))
        if listed.exists()
        else (model / "vocabulary.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    )
    ids = {token: token_id for token_id, token in enumerate(tokens)}
    text_tokens = ids["<|endoftext|>"]
    tokenizer = Tokenizer(BPE(vocab=ids, merges=merges(tokens[:text_tokens])))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(tokens[text_tokens:])
    tokenizer.save(str(folder / "tokenizer.json"))
    for path in model.iterdir():
        (folder / path.name).symlink_to(path.resolve())
    return folder


def merges(tokens: list[str]) -> list[tuple[str, str]]:
    """The merges that made a byte-level BPE vocabulary: each token is of the two pieces that earlier merges leave."""
    ranks = {token: rank for rank, token in enumerate(tokens)}
    found = []
    for rank, token in enumerate(tokens):
        pieces = list(token)
        while len(pieces) > 2:
            pairs = [(ranks.get(a + b, rank), i) for i, (a, b) in enumerate(itertools.pairwise(pieces))]
            best, i = min(pairs)
            if best == rank:
                break
            pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
        if len(pieces) == 2:
            found.append((pieces[0], pieces[1]))
    return found


def pywhispercpp(request: dict[str, Any]) -> Transcribe:
    from pywhispercpp.model import Model

    beam_size = request["beam_size"]
    model = Model(
        request["model"],
        params_sampling_strategy=int(beam_size > 1),
        redirect_whispercpp_logs_to=None,
        n_threads=request["threads"],
        language=request["language"] or "auto",
        print_progress=False,
        print_timestamps=False,
        **({"beam_search": {"beam_size": beam_size, "patience": -1.0}} if beam_size > 1 else {}),
    )
    return lambda audio: "".join(f" {segment.text}" for segment in model.transcribe(audio))


def whisper_cpp_python(request: dict[str, Any]) -> Transcribe:
    from whisper_cpp_python import Whisper

    model = Whisper(request["model"], strategy=int(request["beam_size"] > 1), n_threads=request["threads"])
    return lambda audio: str(
        model.transcribe(audio, response_format="text", temperature=0.0, language=request["language"] or "auto")
    )


PEERS: dict[str, Callable[[dict[str, Any]], Transcribe]] = {
    "multimodal-ffi": multimodal_ffi,
    "faster-whisper": faster_whisper,
    "pywhispercpp": pywhispercpp,
    "whisper-cpp-python": whisper_cpp_python,
}


def prepare(name: str, request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The request with what has to be made before the model can be opened, in an empty folder."""
    if name != "faster-whisper":
        return request
    return {**request, "model": str(with_tokenizer(Path(request["model"]), folder))}


def version_of(name: str) -> str:
    if name == "multimodal-ffi":
        from pyffi import __version__

        return __version__
    return metadata.version(name)


def run(name: str, request: dict[str, Any]) -> dict[str, Any]:
    try:
        version = version_of(name)
    except metadata.PackageNotFoundError:
        return {"error": f"not installed: pip install {name}"}
    with tempfile.TemporaryDirectory() as folder:
        request = prepare(name, request, Path(folder))
        started = time.perf_counter()
        transcribe = PEERS[name](request)
        opened = time.perf_counter()
    text = " ".join(transcribe(request["audio"]).split())
    return {"version": version, "text": text, "open": opened - started, "transcribe": time.perf_counter() - opened}


if __name__ == "__main__":
    name, request_path, result_path = sys.argv[1:]
    try:
        result = run(name, json.loads(Path(request_path).read_text(encoding="utf-8")))
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")

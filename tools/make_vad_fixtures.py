"""Writes what silero-vad 6.2.3 itself computes, for the tests: tests/fixtures/silero_vad.json and
clib/tests/speech_run_cases.h.

    python tools/make_vad_fixtures.py SILERO_VAD JFK_WAV

SILERO_VAD is the folder of the installed package silero_vad, JFK_WAV whisper.cpp's samples/jfk.wav. Needs numpy,
onnxruntime and soundfile, but not PyTorch: of the package only the ONNX file and the text of
get_speech_timestamps_from_probs are used.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import soundfile

WINDOW, CONTEXT, RATE = 512, 64, 16000
ROOT = Path(__file__).parents[1]
Floats = npt.NDArray[np.float32]


def synthetic_speech(n: int) -> Floats:
    """Vowels: pulses of a falling pitch through three resonators, with pauses. Only + - * in a fixed order, no library
    function, so the same everywhere. Also in tests/test_vad.py."""
    resonators = ((1.9015, -0.9825), (1.7243, -0.9652), (0.9671, -0.9349), (1.8137, -0.9747))
    memory = [[0.0, 0.0] for _ in resonators]
    samples, phase = [], 0
    for t in range(n):
        phase += 140 - t // 400 % 40
        pulse = 1.0 if phase >= RATE and t // 1600 % 8 < 6 else 0.0
        phase %= RATE
        noise = ((t * 1103515245 + 12345) % 65536 / 32768 - 1) * 0.001
        total = noise
        vowel = t // 4000 % 2
        for a, (c1, c2) in zip(memory[vowel:], resonators[vowel:], strict=True):
            a[0], a[1] = pulse + c1 * a[0] + c2 * a[1], a[0]
            total += 0.03 * a[0]
        samples.append(total)
    return np.array(samples, np.float32)


def probabilities(session: onnxruntime.InferenceSession, audio: Floats) -> list[float]:
    audio = np.pad(audio, (0, -len(audio) % WINDOW))
    state, context, result = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32), []
    for start in range(0, len(audio), WINDOW):
        window = audio[start : start + WINDOW]
        inputs = {"input": np.concatenate([context, window])[None], "state": state, "sr": np.array(RATE, np.int64)}
        probability, state = session.run(None, inputs)
        context = window[-CONTEXT:]
        result.append(round(float(probability[0, 0]), 7))
    return result


def speech_timestamps(package: Path) -> Callable[..., list[dict[str, int]]]:
    """The package's get_speech_timestamps_from_probs, without importing PyTorch."""
    tree = ast.parse((package / "utils_vad.py").read_text(encoding="utf-8"))
    body = [node for node in tree.body if getattr(node, "name", "") == "get_speech_timestamps_from_probs"]
    scope: dict[str, Any] = {"List": list}
    exec(compile(ast.Module(body, []), "utils_vad.py", "exec"), scope)
    function: Callable[..., list[dict[str, int]]] = scope["get_speech_timestamps_from_probs"]
    return function


def speech_run_cases(package: Path) -> str:
    """C++ initializers: options, probabilities as characters ('a' + 16ths), the package's runs."""
    reference, rng, lines = speech_timestamps(package), np.random.default_rng(6), []
    for case in range(60):
        steps = rng.integers(0, 17, rng.integers(0, 30))
        levels = np.repeat(steps, rng.integers(1, [6, 30, 90][case % 3], len(steps)))[:400]
        total = max(0, len(levels) * WINDOW - int(rng.integers(0, WINDOW)))
        threshold, speech, silence, pad = 0.5, *(int(rng.choice([0, 30, 100, 250, 1000])) for _ in range(3))
        longest = float(rng.choice([0, 0, 2.5, 4, 8]))
        if case % 5 == 0:
            speech, silence, pad, longest = 250, 2000, 400, 0.0
        runs = reference(
            [level / 16 for level in levels],
            threshold=threshold,
            neg_threshold=0.34375,
            min_speech_duration_ms=speech,
            max_speech_duration_s=longest or math.inf,
            min_silence_duration_ms=silence,
            speech_pad_ms=pad,
            audio_length_samples=total,
        )
        text = "".join(chr(ord("a") + level) for level in levels)
        pairs = ", ".join(f"{{{run['start']}, {run['end']}}}" for run in runs)
        lines.append(f'{{{speech}, {silence}, {pad}, {longest}f, {total},\n "{text}",\n {{{pairs}}}}},\n')
    head = "// Made by tools/make_vad_fixtures.py from silero-vad 6.2.3. Included by test_vad.cpp.\n"
    return "".join([head, "// clang-format off\n", *lines, "// clang-format on\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("jfk_wav", type=Path)
    arguments = parser.parse_args()
    session = onnxruntime.InferenceSession(str(arguments.package / "data" / "silero_vad.onnx"))
    jfk, _ = soundfile.read(arguments.jfk_wav, dtype="float32")
    fixture = {
        "source": "silero-vad 6.2.3, silero_vad.onnx, by tools/make_vad_fixtures.py",
        "synthetic": probabilities(session, synthetic_speech(5 * RATE + 100)),
        "jfk": probabilities(session, jfk),
    }
    (ROOT / "tests" / "fixtures" / "silero_vad.json").write_text(json.dumps(fixture) + "\n", encoding="utf-8")
    (ROOT / "clib" / "tests" / "speech_run_cases.h").write_text(speech_run_cases(arguments.package), encoding="utf-8")


if __name__ == "__main__":
    main()

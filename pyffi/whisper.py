"""Speech to text: the model and what can be asked of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pyffi._ffi import ffi, lib
from pyffi.audio import SAMPLE_RATE, AudioInput, c_chunk, load_audio, open_audio
from pyffi.buffers import (
    Floats,
    as_c_string,
    as_integer,
    as_matrix,
    as_path,
    as_token_ids,
    as_utf8,
    owned_array,
    pointer,
)
from pyffi.callbacks import Callbacks, ProgressCallback, Run, TokenCallback
from pyffi.errors import error_for, raise_for, text
from pyffi.options import transcribe_options
from pyffi.results import LanguageProbability, ModelInfo
from pyffi.transcript import SegmentCallback, Transcript
from pyffi.vad import VadOptions

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyffi.models.registry import Kind


def resolve_model(model: str | os.PathLike[str], kind: Kind | None = None) -> str:
    """The file of a model that is given by the path of a checkpoint of any kind that `multimodal models convert` reads,
    or by the name under which `multimodal models` knows it, which has to be of the kind."""
    path = Path(os.fsdecode(as_path(model, "model")))
    if path.suffix != ".gguf" or not path.is_file():
        from pyffi.models import resolve  # brings converters and downloads along: only where it is needed

        path = resolve(path, kind=kind)
    return str(path.absolute())


class Whisper:
    """A Whisper model.

        with Whisper("base") as model:
            print(model.transcribe("interview.flac").text)

    A model never changes once it is open: any number of threads may use one at the same time. A process forked from
    this one may use it too. Pickling keeps the path, and unpickling opens the file again. Forgotten objects are freed.
    """

    def __init__(self, model: str | os.PathLike[str], *, sha256: str | None = None, lock_memory: bool = False) -> None:
        """Opens a model.

        model        a GGUF or ggml file, a name such as "base" (see `multimodal models list`), or a faster-whisper or
                     transformers folder or OpenAI's .pt, which are converted into the cache once
        sha256       64 hexadecimal digits that the file must have
        lock_memory  keep the weights in memory, whatever else the machine does
        """
        self.path = resolve_model(model, "speech")
        self._options = {"sha256": sha256, "lock_memory": lock_memory}
        options = ffi.new("mm_open_options *", {"struct_size": ffi.sizeof("mm_open_options")})
        options.lock_memory = lib.MM_SWITCH_ON if lock_memory else lib.MM_SWITCH_OFF
        digits = ffi.NULL if sha256 is None else as_c_string(sha256, "sha256")
        options.sha256 = digits
        out, error = ffi.new("mm_whisper **"), ffi.new("char **")
        status = lib.mm_whisper_open(as_path(self.path), options, out, error)
        if status:
            raise_for(status, error)
        info = ffi.new("mm_whisper_info *", {"struct_size": ffi.sizeof("mm_whisper_info")})
        status = lib.mm_whisper_info_get(out[0], info)
        if status:
            lib.mm_whisper_close(out[0])
            raise error_for(status)
        self.info = ModelInfo.from_c(info)
        # Mapped weights are the page cache's; packed ones are memory that the garbage collector should know of.
        self._handle = ffi.gc(out[0], lib.mm_whisper_close, 0 if info.is_mapped else info.weight_bytes)

    # ---- Transcription ----------------------------------------------------------------------------------------------

    def transcribe(
        self,
        audio: AudioInput,
        *,
        language: str | None = None,
        task: str = "transcribe",
        beam_size: int = 5,
        best_of: int = 5,
        patience: float = 1.0,
        length_penalty: float | None = None,
        temperature: float | Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        compression_ratio_threshold: float | None = 2.4,
        log_prob_threshold: float | None = -1.0,
        no_speech_threshold: float | None = 0.6,
        condition_on_previous_text: bool = True,
        prompt_reset_on_temperature: float = 0.5,
        initial_prompt: str | None = None,
        suppress_blank: bool = True,
        suppress_tokens: Iterable[int] | None = (-1,),
        without_timestamps: bool = False,
        max_initial_timestamp: float = 1.0,
        word_timestamps: bool = False,
        prepend_punctuations: str | None = None,
        append_punctuations: str | None = None,
        max_new_tokens: int | None = None,
        hallucination_silence_threshold: float | None = None,
        vad_filter: bool = False,
        vad_parameters: VadOptions | Mapping[str, Any] | None = None,
        audio_ctx: int | None = None,
        threads: int | None = None,
        seed: int = 0,
        on_token: TokenCallback | None = None,
        on_segment: SegmentCallback | None = None,
        on_progress: ProgressCallback | None = None,
        sample_rate: int = SAMPLE_RATE,
    ) -> Transcript:
        """Transcribes audio lazily: the transcript that is returned decodes as it is read.

        audio            a path, a binary file, the bytes of a file, an AudioChunk, or samples: float32, mono,
                         contiguous (numpy, memoryview, array.array, torch, ...), taken without a copy
        sample_rate      that of bare samples, 8000 to 192000; files and chunks know theirs

        language         such as "en"; None: detected in the first window
        task             "transcribe", or "translate" into English
        initial_prompt   text before the first window: names, spelling, style
        word_timestamps  find the time of each word
        vad_filter       skip what is not speech; vad_parameters: a VadOptions or a dict of its fields
        without_timestamps, max_initial_timestamp, suppress_blank, suppress_tokens
                         as in openai/whisper; suppress_tokens (-1,) is the set of non-speech tokens
        prepend_punctuations, append_punctuations
                         joined to the next or the previous word; None: openai/whisper's

        beam_size        at temperature 0, 1 to 16 (1: greedy), with `patience` and `length_penalty`
        best_of          samples drawn above temperature 0, 1 to 16; `seed` makes them repeatable
        temperature      tried in order until a result passes these (None: off):
        compression_ratio_threshold, log_prob_threshold, no_speech_threshold
                         a window above, below, above which is decoded again, again, taken for silence
        condition_on_previous_text, prompt_reset_on_temperature
                         whether text so far prompts the next window, and the temperature that ends this
        hallucination_silence_threshold
                         with word times: skip silence longer than so many seconds around suspect text
        max_new_tokens   per window; None: half of the decoder's context
        audio_ctx        encoder positions of 20 ms: shorter windows, less work; None: 30 s
        threads          at most so many; None: all cores this process may use

        on_token, on_segment, on_progress
                         called on the reading thread while it reads, with a Token, a Segment, and with seconds done and
                         in total (None while unknown). Returning True stops with AbortedError; an exception stops too
                         and comes out of the read.
        """
        options = transcribe_options(
            language=language,
            task=task,
            beam_size=beam_size,
            best_of=best_of,
            patience=patience,
            length_penalty=length_penalty,
            temperature=temperature,
            compression_ratio_threshold=compression_ratio_threshold,
            log_prob_threshold=log_prob_threshold,
            no_speech_threshold=no_speech_threshold,
            condition_on_previous_text=condition_on_previous_text,
            prompt_reset_on_temperature=prompt_reset_on_temperature,
            initial_prompt=initial_prompt,
            suppress_blank=suppress_blank,
            suppress_tokens=suppress_tokens,
            without_timestamps=without_timestamps,
            max_initial_timestamp=max_initial_timestamp,
            word_timestamps=word_timestamps,
            prepend_punctuations=prepend_punctuations,
            append_punctuations=append_punctuations,
            max_new_tokens=max_new_tokens,
            hallucination_silence_threshold=hallucination_silence_threshold,
            vad_filter=vad_filter,
            vad_parameters=vad_parameters,
            audio_ctx=audio_ctx,
            threads=threads,
            seed=seed,
        )
        callbacks = Callbacks(on_token, on_progress)
        source = open_audio(audio, sample_rate)
        try:
            return Transcript(self._handle, options.c, callbacks, on_segment, source)
        except BaseException:
            source.close()
            raise

    def detect_language(
        self, audio: AudioInput, *, threads: int | None = None, sample_rate: int = SAMPLE_RATE
    ) -> list[LanguageProbability]:
        """Every language the model knows with its probability in the first 30 s, most probable first."""
        chunk = load_audio(audio, sample_rate, seconds=31)  # a little more, for the resampler to look ahead
        out, length, error = ffi.new("mm_language **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run(threads)
        run.check(lib.mm_whisper_detect_language(self._handle, c_chunk(chunk), run.c, out, length, error), error)
        try:
            return [LanguageProbability(text(out[0][i].code), out[0][i].probability) for i in range(length[0])]
        finally:
            lib.mm_free(out[0])

    # ---- Tensors ----------------------------------------------------------------------------------------------------

    def log_mel(self, audio: AudioInput, *, sample_rate: int = SAMPLE_RATE) -> Floats:
        """The log-mel spectrogram, [frames][n_mels]: a frame each 10 ms."""
        chunk = load_audio(audio, sample_rate)
        out, frames, error = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run()
        run.check(lib.mm_whisper_log_mel(self._handle, c_chunk(chunk), run.c, out, frames, error), error)
        return owned_array(out[0], frames[0], self.info.n_mels)

    def encode(self, mel: Floats, *, audio_ctx: int | None = None, threads: int | None = None) -> Floats:
        """The encoder's output, [audio_ctx][n_audio_state], for a spectrogram of up to 2 * audio_ctx frames."""
        mel = as_matrix(mel, "mel", self.info.n_mels)
        positions = 0 if audio_ctx is None else as_integer(audio_ctx, "audio_ctx", 1, self.info.n_audio_ctx)
        out, length, error = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run(threads)
        status = lib.mm_whisper_encode(self._handle, pointer(mel), len(mel), positions, run.c, out, length, error)
        run.check(status, error)
        return owned_array(out[0], positions or self.info.n_audio_ctx, self.info.n_audio_state)

    def logits(self, encoded: Floats, tokens: Iterable[int], *, threads: int | None = None) -> Floats:
        """The logits at each position of a token sequence, [tokens][n_vocab], given what encode() returned."""
        encoded = as_matrix(encoded, "encoded", self.info.n_audio_state)
        ids = as_token_ids(tokens)
        out, length, error = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run(threads)
        status = lib.mm_whisper_logits(
            self._handle, pointer(encoded), len(encoded), ids, len(ids), run.c, out, length, error
        )
        run.check(status, error)
        return owned_array(out[0], len(ids), self.info.n_vocab)

    # ---- Tokens -----------------------------------------------------------------------------------------------------

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        encoded = as_utf8(text, "text")
        out, length, error = ffi.new("int32_t **"), ffi.new("size_t *"), ffi.new("char **")
        status = lib.mm_whisper_tokenize(self._handle, encoded, len(encoded), out, length, error)
        if status:
            raise_for(status, error)
        ids: list[int] = ffi.unpack(out[0], length[0]) if length[0] else []
        lib.mm_free(out[0])
        return ids

    def detokenize(self, tokens: Iterable[int]) -> str:
        """The text of token ids; special tokens are left out, and bytes that are not UTF-8 become U+FFFD."""
        ids = as_token_ids(tokens)
        out, length, error = ffi.new("char **"), ffi.new("size_t *"), ffi.new("char **")
        status = lib.mm_whisper_detokenize(self._handle, ids, len(ids), out, length, error)
        if status:
            raise_for(status, error)
        decoded: str = ffi.unpack(out[0], length[0]).decode()
        lib.mm_free(out[0])
        return decoded

    # ---- Life -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Closes the model: using it afterwards raises ClosedError, while transcripts that are running go on."""
        ffi.release(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Whisper], tuple[str, dict[str, Any]]]:
        return _reopen, (self.path, self._options)

    def __repr__(self) -> str:
        return f"<pyffi.Whisper: {self.path}>"


def _reopen(path: str, options: dict[str, Any]) -> Whisper:
    return Whisper(path, **options)

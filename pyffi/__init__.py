"""Speech to text, with the same bits on every processor.

import pyffi

model = pyffi.Whisper("base")
for segment in model.transcribe("interview.flac"):
    print(f"{segment.start:.2f} {segment.text}")
"""

from pyffi.audio import AudioChunk, load_audio
from pyffi.callbacks import forward_logs
from pyffi.errors import (
    AbortedError,
    AudioError,
    BusyError,
    ClosedError,
    FileError,
    InternalError,
    InvalidArgument,
    ModelError,
    MultimodalError,
    OutOfMemory,
    UnsupportedError,
)
from pyffi.image import decode_image, resize_image
from pyffi.info import __version__, abi_version, build_info
from pyffi.results import LanguageProbability, ModelInfo, Segment, Token, TranscriptionInfo, Word
from pyffi.transcript import Transcript
from pyffi.vad import SpeechSegment, Vad, VadOptions
from pyffi.whisper import Whisper

__all__ = [
    "AbortedError",
    "AudioChunk",
    "AudioError",
    "BusyError",
    "ClosedError",
    "FileError",
    "InternalError",
    "InvalidArgument",
    "LanguageProbability",
    "ModelError",
    "ModelInfo",
    "MultimodalError",
    "OutOfMemory",
    "Segment",
    "SpeechSegment",
    "Token",
    "Transcript",
    "TranscriptionInfo",
    "UnsupportedError",
    "Vad",
    "VadOptions",
    "Whisper",
    "Word",
    "__version__",
    "abi_version",
    "build_info",
    "decode_image",
    "forward_logs",
    "load_audio",
    "resize_image",
]

"""Speech to text, and images and texts in one space, with the same bits on every processor.

import pyffi

model = pyffi.Whisper("base")
for segment in model.transcribe("interview.flac"):
    print(f"{segment.start:.2f} {segment.text}")

clip = pyffi.Clip("emoji")
print(clip.classify("picture.png", ["cat", "dog", "crab"])[0].label)
"""

from pyffi.audio import AudioChunk, load_audio
from pyffi.callbacks import forward_logs
from pyffi.clip import Clip, ImageResult
from pyffi.embeddings import Embeddings, Space, read_embeddings, write_embeddings
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
from pyffi.results import (
    ClipInfo,
    LabelProbability,
    LanguageProbability,
    ModelInfo,
    Segment,
    Token,
    TranscriptionInfo,
    Word,
)
from pyffi.search import ImageIndex, Match
from pyffi.transcript import Transcript
from pyffi.vad import SpeechSegment, Vad, VadOptions
from pyffi.whisper import Whisper

__all__ = [
    "AbortedError",
    "AudioChunk",
    "AudioError",
    "BusyError",
    "Clip",
    "ClipInfo",
    "ClosedError",
    "Embeddings",
    "FileError",
    "ImageIndex",
    "ImageResult",
    "InternalError",
    "InvalidArgument",
    "LabelProbability",
    "LanguageProbability",
    "Match",
    "ModelError",
    "ModelInfo",
    "MultimodalError",
    "OutOfMemory",
    "Segment",
    "Space",
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
    "read_embeddings",
    "resize_image",
    "write_embeddings",
]

"""The compiled bindings: `ffi` and `lib`, checked once at import against the library they have found."""

from __future__ import annotations

from pathlib import Path

try:
    from pyffi._native import ffi, lib
except ImportError as error:
    raise ImportError(
        f"pyffi's compiled part cannot be loaded ({error}); install it with `pip install multimodal-ffi`, "
        "or in a source tree with `pip install --editable .`"
    ) from error

__all__ = ["LIBRARY", "check_abi", "ffi", "lib", "loaded_library"]

LIBRARY = "libmultimodal.so.1"

# Every struct that crosses the boundary. cffi compares a layout with the compiler's when the type is first used.
STRUCTS = (
    "mm_run_options",
    "mm_audio_chunk",
    "mm_vad_options",
    "mm_vad_segment",
    "mm_open_options",
    "mm_whisper_info",
    "mm_token",
    "mm_word",
    "mm_segment",
    "mm_language",
    "mm_transcribe_options",
    "mm_transcript_info",
    "mm_bytes",
    "mm_pixels",
    "mm_image_options",
    "mm_clip_info",
    "mm_clip_options",
)


def loaded_library() -> Path:
    """The file of the libmultimodal in use: LD_LIBRARY_PATH may have put another one before ours."""
    beside = Path(__file__).resolve().with_name(LIBRARY)
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return beside
    paths = {line.split(maxsplit=5)[5] for line in maps.splitlines() if line.endswith(LIBRARY)}
    return beside if not paths or str(beside) in paths else Path(min(paths))


def check_abi(found: int, wanted: int) -> None:
    """Refuses a library whose ABI is not the one these bindings were compiled for."""
    if found != wanted:
        raise ImportError(
            f"{loaded_library()} has ABI {found}, but pyffi was compiled for ABI {wanted}: reinstall multimodal-ffi, "
            "and see that LD_LIBRARY_PATH does not name another copy of the library"
        )


check_abi(lib.mm_abi_version(), lib.MM_ABI_VERSION)
for _name in STRUCTS:
    ffi.sizeof(_name)

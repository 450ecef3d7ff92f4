"""Speech to text, with the same bits on every processor.

    import pyffi

    model = pyffi.Whisper("base")
    for segment in model.transcribe("interview.flac"):
        print(f"{segment.start:.2f} {segment.text}")
"""

from pyffi.info import __version__, abi_version, build_info

__all__ = ["__version__", "abi_version", "build_info"]

"""Mutants of memory: what it must look like, what may be touched, whose it is."""

from __future__ import annotations

from abi_checks.mutants import Mutant

MAP = "exports/multimodal.map"
CORE, MEMORY, PCM = "src/api/core.cpp", "src/runtime/memory.cpp", "src/audio/pcm.cpp"
IMAGE, OPTIONS, GUARD, HANDLES = "src/api/image.cpp", "src/api/options.h", "src/api/guard.h", "src/api/handles.h"
USES_HANDLES = ("api/clip.cpp", "api/whisper.cpp", "api/transcript.cpp", "api/vad.cpp", "api/handles.cpp")

WITHIN = ("memory.inputs_are_read_within_their_bounds", "memory.inputs_of_every_length_are_read_within_their_bounds")
ORDER = ("ownership.any_order_of_calls_is_safe", "ownership.long_sequences_are_safe")
READ = "(void)*const_cast<volatile const float*>"
BEFORE_SAMPLES = "    size_t bad = 0;\n    while (bad < chunk.len) {"


def _with_samples(name: str, code: str, *found_by: str) -> Mutant:
    return Mutant(name, found_by, ((PCM, BEFORE_SAMPLES, f"    {code}\n{BEFORE_SAMPLES}"),), ("audio/pcm.cpp",))


MEMORY_MUTANTS = (
    Mutant(
        "buffers are aligned as malloc does",
        ("memory.buffers_are_aligned",),
        ((MEMORY, "posix_memalign(&p, alignment, rounded", "posix_memalign(&p, 16, rounded"),),
        ("runtime/memory.cpp",),
    ),
    _with_samples(
        "an input is written to",
        "const_cast<volatile float*>(chunk.samples)[0] = chunk.samples[0];",
        *WITHIN,
    ),
    _with_samples("a sample too many is read", f"{READ}(chunk.samples + chunk.len);", *WITHIN),
    _with_samples("a sample too early is read", f"{READ}(chunk.samples - 1);", *WITHIN),
    _with_samples(
        "samples are read as if they were aligned",
        "(void)*reinterpret_cast<volatile const uint64_t*>(chunk.samples);",
        "memory.nothing_is_undefined_at_any_offset",
    ),
    _with_samples(
        "padding is taken for a field",
        'if (reinterpret_cast<const uint32_t*>(&chunk)[5] != 0) fail(MM_ERROR_INVALID_ARGUMENT, "channels");',
        "memory.padding_has_no_influence",
    ),
    Mutant(
        "a picture must be aligned",
        ("memory.inputs_lie_anywhere",),
        (
            (
                IMAGE,
                "        if (len > 0) MM_REQUIRE(data);\n",
                "        if (len > 0) MM_REQUIRE(data);\n"
                '        if (reinterpret_cast<uintptr_t>(data) % 4) mm::fail(MM_ERROR_INVALID_ARGUMENT, "odd");\n',
            ),
        ),
        ("api/image.cpp",),
    ),
    Mutant(
        "a struct is written whole, however small the caller's is",
        ("memory.structs_are_written_within_their_size",),
        ((OPTIONS, "memcpy(out, &value, std::min<size_t>(size, sizeof(T)));", "memcpy(out, &value, sizeof(T));"),),
        ("api/clip.cpp", "api/whisper.cpp", "api/transcript.cpp", "api/vad.cpp"),
    ),
    Mutant(
        "a result in a static buffer",
        ("ownership.results_are_their_callers_own",),
        (
            (GUARD, "    Buffer<char> copy(text.size() + 1);\n", "    alignas(64) static char copy[4096];\n"),
            (GUARD, "() + 1, copy.data());\n    return copy.release();", "() + 1, copy);\n    return copy;"),
        ),
        ("api/whisper.cpp", "api/clip.cpp"),
    ),
    Mutant(
        "mm_free frees nothing",
        ("ownership.mm_free_frees_all_of_a_buffer", "ownership.no_sequence_leaks"),
        ((CORE, "    if (!is_static_message(buffer)) mm::", "    if (!buffer) mm::"),),
        ("api/core.cpp",),
    ),
    Mutant(
        "a closed handle is still answered",
        ORDER,
        ((HANDLES, "        objects_.erase(found);\n", ""),),
        USES_HANDLES,
    ),
    Mutant(
        "a handle is the object's address",
        ORDER,
        (
            (
                HANDLES,
                "if (found != objects_.end()) return found->second;",
                "if (found != objects_.end() || handle) return found->second;",
            ),
        ),
        USES_HANDLES,
    ),
    Mutant(
        "our own functions are called through the symbol table",
        ("coexistence.hostile_names_change_nothing", "coexistence.two_versions_in_one_process"),
        link=(("-Wl,-Bsymbolic-functions", ""),),
    ),
    Mutant(
        "the archive lets a codec's symbol out",
        ("coexistence.archive_ignores_hostile_names",),
        archive=("--globalize-symbol=inflate",),
    ),
    Mutant(
        "a function of ggml is exported",
        ("coexistence.stock_whisper_and_ours_both_work",),
        (
            (MAP, "mm_*;", "mm_*; ggml_*;"),
            (
                CORE,
                "uint32_t mm_abi_version(void) {",
                'extern "C" __attribute__((visibility("default"))) void* ggml_init() { return nullptr; }\n'
                "uint32_t mm_abi_version(void) {",
            ),
        ),
        ("api/core.cpp",),
    ),
)

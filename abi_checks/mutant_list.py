"""The mutants, topic by topic, and the controls."""

from __future__ import annotations

from abi_checks.mutants import HEADER, Mutant

MAP = "exports/multimodal.map"
DECLARED = ("layout.declarations_are_recorded",)
LAID_OUT = ("layout.compilers_agree",)
COMPILED = ("layout.library_agrees", "evolution.library_is_compatible")
HARDENED = ("symbols.is_hardened",)
VERSIONED = ("symbols.exports_are_functions_of_one_version",)

CHUNK_END = "    uint32_t sample_rate;\n} mm_audio_chunk;"
LONGER_CHUNK_END = "    uint32_t sample_rate;\n    uint32_t channels;\n} mm_audio_chunk;"
PAIR = "    double start;\n    double end;\n} mm_vad_segment;"
PACKED_TOKEN = (HEADER, "typedef struct mm_token {", "#pragma pack(push, 1)\ntypedef struct mm_token {")


def _header(name: str, old: str, new: str, *found_by: str) -> Mutant:
    return Mutant(name, found_by or DECLARED, ((HEADER, old, new),))


_DECLARATIONS = (
    _header(
        "two fields of one type change places",
        PAIR,
        "    double end;\n    double start;\n} mm_vad_segment;",
        *DECLARED,
        *LAID_OUT,
    ),
    _header("a pair of floats becomes float and integer", PAIR, PAIR.replace("double end", "int64_t end")),
    _header(
        "a field's sign changes",
        "    int32_t width;\n    int32_t height;\n    size_t",
        "    uint32_t width;\n    int32_t height;\n    size_t",
    ),
    _header("a field in the tail padding", CHUNK_END, LONGER_CHUNK_END, *DECLARED, *LAID_OUT),
    Mutant("a packed struct", LAID_OUT, (PACKED_TOKEN,)),
    _header(
        "an aligned struct",
        "typedef struct mm_audio_chunk {",
        "typedef struct __attribute__((aligned(16))) mm_audio_chunk {",
        *LAID_OUT,
    ),
    _header("an enumerator changes", "MM_ERROR_IO = -4,", "MM_ERROR_IO = -14,"),
    _header("a macro changes", "#define MM_ABI_VERSION 1", "#define MM_ABI_VERSION 2"),
    _header(
        "a parameter narrows",
        "mm_vad_process(mm_vad *vad, const float *samples, size_t len",
        "mm_vad_process(mm_vad *vad, const float *samples, uint32_t len",
    ),
    _header(
        "a parameter's sign changes",
        "mm_vad_options_init(mm_vad_options *options, uint32_t",
        "mm_vad_options_init(mm_vad_options *options, int32_t",
    ),
    _header("a parameter loses const", "mm_whisper_info_get(const mm_whisper", "mm_whisper_info_get(mm_whisper"),
    _header("a callback gains a parameter", "(*mm_token_callback)(", "(*mm_token_callback)(int32_t more, "),
    _header("a double becomes float", "(*mm_progress_callback)(double", "(*mm_progress_callback)(float"),
    _header(
        "a type that is not portable",
        "    int32_t n_mels; ",
        "    long n_mels; ",
        "layout.types_are_portable",
        *DECLARED,
    ),
    _header(
        "an options struct that cannot grow",
        "typedef struct mm_image_options {\n    uint32_t struct_size;",
        "typedef struct mm_image_options {\n    uint32_t size;",
        "layout.structs_tell_their_size",
        *DECLARED,
    ),
    _header(
        "a function that the library lacks",
        "MM_API void mm_free(",
        "MM_API void mm_forgotten(void);\nMM_API void mm_free(",
        "symbols.exports_are_those_of_the_header",
        "symbols.stub_declares_the_functions",
        *DECLARED,
    ),
    _header(
        "a C++ keyword",
        "*mm_status_string(mm_status status)",
        "*mm_status_string(mm_status class)",
        "evolution.header_compiles_in_every_dialect",
    ),
)

_COMPILATION = (
    Mutant("a packed struct in the library", COMPILED, (PACKED_TOKEN,), ("api/transcript.cpp",)),
    Mutant(
        "a field in the tail padding, in the library",
        COMPILED,
        ((HEADER, CHUNK_END, LONGER_CHUNK_END),),
        ("api/audio.cpp", "api/vad.cpp", "api/whisper.cpp", "api/transcript.cpp"),
    ),
    Mutant("without debug information", COMPILED, link=(("", "-Wl,--strip-debug"),)),
)

_SYMBOLS = (
    Mutant(
        "a function is removed",
        ("symbols.exports_are_those_of_the_header", "evolution.library_is_compatible"),
        ((MAP, "local:", "local:\n        mm_resample;"),),
    ),
    Mutant(
        "internal symbols leak",
        ("symbols.exports_are_those_of_the_header",),
        ((MAP, "mm_*;", "mm_*; _ZN2mm*;"),),
        ("runtime/error.cpp",),
        ("-fvisibility=default",),
    ),
    Mutant("the version node is renamed", VERSIONED, ((MAP, "MM_1", "MM_2"),)),
    Mutant(
        "the soname changes", VERSIONED, link=(("-Wl,-soname,libmultimodal.so.1", "-Wl,-soname,libmultimodal.so.2"),)
    ),
    Mutant("the C++ runtime is not inside", ("symbols.needs_the_c_library_only",), link=(("-static-libstdc++", ""),)),
    Mutant(
        "a codec's symbol leaks from the archive",
        ("symbols.archive_hides_the_same",),
        archive=("--globalize-symbol=inflate",),
    ),
    Mutant("without RELRO", HARDENED, link=(("-Wl,-z,relro", "-Wl,-z,norelro"),)),
    Mutant("bound lazily", HARDENED, link=(("-Wl,-z,now", "-Wl,-z,lazy"),)),
    Mutant("an executable stack", HARDENED, link=(("-Wl,-z,noexecstack", "-Wl,-z,execstack"),)),
    Mutant("a path of the building machine", HARDENED, link=(("", "-Wl,-rpath,/tmp"),)),
)

OPTIONS = "    int32_t task;                        /* MM_TASK_*; transcribe */\n"
READ_OPTIONS = ("api/transcript.cpp", "api/whisper.cpp", "whisper/transcribe_options.cpp", "whisper/transcribe.cpp")

_EVOLUTION = (
    Mutant(
        "options gain a field in the middle",
        ("evolution.old_clients_go_on_working", *DECLARED),
        ((HEADER, OPTIONS, f"    int32_t mood;\n    int32_t more;\n{OPTIONS}"),),
        READ_OPTIONS,
    ),
    Mutant(
        "options gain a field at their end",
        DECLARED,
        ((HEADER, "} mm_transcribe_options;", "    int64_t mood;\n} mm_transcribe_options;"),),
        READ_OPTIONS,
        passes=("evolution.old_clients_go_on_working",),
    ),
)

SAME_BITS = ("floats.results_are_the_same", "floats.many_results_are_the_same")

_FLOATS = (
    Mutant(
        "a file is compiled to fuse sums",
        ("floats.build_is_certified", *SAME_BITS),
        compile=("kernels/ops.cpp",),
        flags=("-ffp-contract=fast", "-mfma"),
    ),
    Mutant(
        "loading the library flushes subnormals",
        ("floats.build_is_certified", "floats.processor_computes_the_same", *SAME_BITS),
        link=(("", "-ffast-math"),),
    ),
    Mutant(
        "a sum from its end",
        SAME_BITS,
        (
            (
                "src/whisper/log_mel.cpp",
                "(int i = bands_[m].begin; i < bands_[m].end; i++)",
                "(int i = bands_[m].end - 1; i >= bands_[m].begin; i--)",
            ),
        ),
        ("whisper/log_mel.cpp",),
        passes=("floats.build_is_certified",),
    ),
)

_HOSTS = (
    Mutant(
        "a sum in another order",
        ("hosts.c", "hosts.cpp", "hosts.python_api", "hosts.python_ctypes", *SAME_BITS),
        (
            (
                "src/kernels/vec.h",
                "lanes[i] = lanes[i] + lanes[i + half];",
                "lanes[i] = lanes[2 * i] + lanes[2 * i + 1];",
            ),
        ),
        ("kernels/isa_avx512.cpp", "kernels/isa_avx2.cpp", "kernels/isa_scalar.cpp"),
    ),
)

MUTANTS = (*_DECLARATIONS, *_COMPILATION, *_SYMBOLS, *_EVOLUTION, *_FLOATS, *_HOSTS)

CONTROLS = (
    Mutant(
        "internals of an opaque type change",
        (),
        (
            (
                "src/api/vad.cpp",
                "    Vad::State state;\n    std::atomic",
                "    int unused = 0;\n    Vad::State state;\n    std::atomic",
            ),
        ),
        ("api/vad.cpp",),
    ),
    Mutant(
        "short enumerations, of which the ABI has none", (), (), ("api/core.cpp", "api/vad.cpp"), ("-fshort-enums",)
    ),
)

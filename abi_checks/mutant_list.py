"""The mutants, topic by topic, and the controls."""

from __future__ import annotations

from abi_checks.memory_mutants import MEMORY_MUTANTS
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
        "C++ that is wrong where it is used",
        ("evolution.cpp_header_can_be_used_in_every_dialect",),
        (
            (
                "include/multimodal.hpp",
                "const T& operator[](size_t i) const noexcept { return data_[i]; }",
                "const T& operator[](size_t i) const noexcept { return data_.at(i); }",
            ),
        ),
    ),
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
        ("hosts.c", "hosts.cpp", "hosts.python_api", "hosts.python_ctypes", "hosts.go", *SAME_BITS),
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

CONVENTION = (
    "calls.compilers_agree",
    "calls.compilers_agree_on_many_signatures",
    "calls.arguments_travel_as_the_standard_says",
    "calls.python_agrees",
)
RUNS_CALLBACK = "    const int32_t answer = call();\n"
RESAMPLE = """mm_status mm_resample(mm_audio_chunk chunk, uint32_t target_rate, const mm_run_options* run, float** out,
                      size_t* out_len, char** error_out) {
"""
# The symbol is that of the header, the function another one.
WIDE_RESAMPLE = (
    """extern "C" MM_API mm_status wide(mm_audio_chunk, uint64_t, const mm_run_options*, float**, size_t*, char**)
    __asm__("mm_resample");
"""
    + RESAMPLE.replace("mm_resample", "wide").replace("uint32_t target_rate", "uint64_t rate")
    + "    const uint32_t target_rate = rate > 0xFFFFFFFF ? 0 : rate;\n"
)

_CALLS = (
    Mutant("compiled for another calling convention", CONVENTION, flags=("-mabi=ms",)),
    Mutant("structs are packed by an option", CONVENTION, flags=("-fpack-struct",)),
    _header(
        "a parameter of 8 bits",
        "mm_vad_options_init(mm_vad_options *options, uint32_t",
        "mm_vad_options_init(mm_vad_options *options, uint8_t",
        "calls.arguments_are_wide_enough",
        *DECLARED,
    ),
    Mutant(
        "all 64 bits of a register are taken for a 32-bit argument",
        ("calls.unused_bits_do_not_matter",),
        (("src/api/audio.cpp", RESAMPLE, WIDE_RESAMPLE),),
        ("api/audio.cpp",),
    ),
    Mutant(
        "a register of the caller is lost",
        ("calls.registers_are_kept",),
        (("src/api/core.cpp", "    return MM_ABI_VERSION;", '    __asm__("movq $0, %r12"); return MM_ABI_VERSION;'),),
        ("api/core.cpp",),
    ),
    Mutant(
        "a register that callbacks may destroy is trusted in",
        ("calls.registers_are_kept",),
        (
            (
                "src/api/callbacks.cpp",
                RUNS_CALLBACK,
                '    __asm__ __volatile__("movq $1, %%r10" ::: "r10");\n'
                "    int64_t trusted;\n    int32_t answer = call();\n"
                '    __asm__ __volatile__("movq %%r10, %0" : "=r"(trusted));\n'
                "    if (trusted != 1) answer = 1;\n",
            ),
        ),
        ("api/callbacks.cpp",),
    ),
    Mutant(
        "callbacks are called with half a slot too much on the stack",
        ("calls.stack_is_aligned",),
        (
            (
                "src/api/callbacks.cpp",
                "return self.on_token_(token, self.user_data_);",
                "int32_t answer;"
                '__asm__ __volatile__("pushq %%rbx; movq %%rsp, %%rbx; andq $-16, %%rsp; subq $8, %%rsp; call *%%rdx;"'
                '                     "movq %%rbx, %%rsp; popq %%rbx"'
                '                     : "=a"(answer) : "d"(self.on_token_), "D"(token), "S"(self.user_data_)'
                '                     : "rcx", "r8", "r9", "r10", "r11", "memory", "cc"); return answer;',
            ),
        ),
        ("api/callbacks.cpp",),
        ("-mno-red-zone",),
    ),
)

_PROCESS_STATE = (
    Mutant(
        "errno changes",
        ("process_state.calls_change_nothing",),
        (("src/api/guard.h", "        errno = errno_;\n", ""),),
        ("api/whisper.cpp",),
    ),
    Mutant(
        "the current folder changes",
        ("process_state.calls_change_nothing",),
        (
            ("src/api/core.cpp", "#include <zlib.h>", "#include <unistd.h>\n#include <zlib.h>"),
            ("src/api/core.cpp", "    return kVersion;", '    return chdir("/") == 0 ? kVersion : "";'),
        ),
        ("api/core.cpp",),
    ),
    Mutant(
        "callbacks run in the library's rounding mode",
        ("process_state.callbacks_see_the_state_of_the_host",),
        (("src/api/callbacks.cpp", "    std::fesetenv(&host_);\n", ""),),
        ("api/callbacks.cpp",),
    ),
    Mutant(
        "log lines are delivered in the library's rounding mode",
        ("process_state.callbacks_see_the_state_of_the_host",),
        (("src/runtime/error.cpp", "    if (host) std::fesetenv(host);\n", ""),),
        ("runtime/error.cpp",),
    ),
    Mutant(
        "the host's rounding mode is left in force",
        ("process_state.results_do_not_depend_on_the_mode",),
        (("src/runtime/fp_env.cpp", '    __asm__ __volatile__("ldmxcsr %0" : : "m"(kMxcsr) : "memory");\n', ""),),
        ("runtime/fp_env.cpp",),
    ),
    Mutant("linked with -ffast-math", ("process_state.loading_changes_nothing",), link=(("", "-ffast-math"),)),
    Mutant(
        "loading opens a file and forgets it",
        ("process_state.unloading_leaves_nothing",),
        (
            ("src/api/core.cpp", "#include <zlib.h>", "#include <fcntl.h>\n#include <zlib.h>"),
            (
                "src/api/core.cpp",
                "namespace mm::api {\nnamespace {\n",
                'namespace mm::api {\nnamespace {\n[[gnu::constructor]] void leak() { open("/dev/null", O_RDONLY); }\n',
            ),
        ),
        ("api/core.cpp",),
    ),
    Mutant(
        "a child waits for locks that its parent holds",
        ("process_state.forked_child_goes_on",),
        (("src/runtime/locks.cpp", "    new (&process_locks()) ProcessLocks;", ""),),
        ("runtime/locks.cpp",),
    ),
)

MUTANTS = (
    *_DECLARATIONS,
    *_COMPILATION,
    *_SYMBOLS,
    *_EVOLUTION,
    *_CALLS,
    *_PROCESS_STATE,
    *_FLOATS,
    *_HOSTS,
    *MEMORY_MUTANTS,
)

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

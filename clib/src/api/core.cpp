// Version, build information, status texts, memory, log callback.
#include <zlib.h>

#include <algorithm>
#include <string>

#include "api/guard.h"
#include "api/json.h"
#include "image/jpeg.h"
#include "kernels/kernels.h"
#include "runtime/immortal.h"
#include "runtime/memory.h"

namespace mm::api {
namespace {

#define MM_TEXT_OF(x) #x
#define MM_TEXT(x) MM_TEXT_OF(x)
constexpr const char kVersion[] = MM_TEXT(MM_VERSION_MAJOR) "." MM_TEXT(MM_VERSION_MINOR) "." MM_TEXT(MM_VERSION_PATCH);

constexpr const char kCompiler[] =
#if defined(__clang__)
    "Clang " __clang_version__;
#elif defined(__GNUC__)
    "GCC " __VERSION__;
#elif defined(_MSC_VER)
    "MSVC " MM_TEXT(_MSC_FULL_VER);
#else
    "unknown";
#endif

constexpr const char kArchitecture[] =
#if defined(__x86_64__) || defined(_M_X64)
    "x86_64";
#elif defined(__aarch64__) || defined(_M_ARM64)
    "aarch64";
#else
    "other";
#endif

// A JSON array of strings, made of a comma-separated list.
std::string json_array(const std::string& list) {
    std::string result;
    for (size_t begin = 0; begin < list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        result += (result.empty() ? "" : ", ") + json_string(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return "[" + result + "]";
}

std::string build_info() {
    int n = 0;
    const Kernels* const* sets = available_kernels(&n);
    std::string usable;
    for (int i = 0; i < n; ++i) usable += (i ? "," : "") + std::string(sets[i]->name);

    JsonObject kernel_sets;
    kernel_sets.raw("compiled", json_array(compiled_kernels())).raw("usable", json_array(usable));
    try {
        kernel_sets.text("used", kernels().name);
    } catch (const Error& e) {  // MM_ISA names a set that cannot run here: every model call will say so too
        kernel_sets.raw("used", "null").text("error", e.what());
    }

    JsonObject third_party;
    third_party.text("zlib", zlibVersion()).text("libjpeg-turbo", jpeg_decoder_version()).text("silero-vad", "6.2.3");

    return JsonObject()
        .text("version", kVersion)
        .number("abi", MM_ABI_VERSION)
        .text("compiler", kCompiler)
        .text("architecture", kArchitecture)
        .raw("kernels", kernel_sets.str())
        .number("threads", available_threads())
        .raw("third_party", third_party.str())
        .str();
}

}  // namespace
}  // namespace mm::api

using namespace mm::api;

uint32_t mm_abi_version(void) {
    return MM_ABI_VERSION;
}

const char* mm_version_string(void) {
    return kVersion;
}

const char* mm_build_info(void) {
    const char* result = "{}";  // what is left where there is no memory for more
    guard(nullptr, [&] { result = mm::immortal([] { return build_info(); }).c_str(); });
    return result;
}

const char* mm_status_string(mm_status status) {
    switch (status) {
        case MM_OK:
            return "ok";
        case MM_ERROR_INVALID_ARGUMENT:
            return "an argument or option is out of its documented range";
        case MM_ERROR_INVALID_HANDLE:
            return "the handle was closed, or never was one";
        case MM_ERROR_NO_MEMORY:
            return "out of memory";
        case MM_ERROR_IO:
            return "a file could not be opened or read";
        case MM_ERROR_BAD_MODEL:
            return "the model file is damaged, cut short, or not of the kind asked for";
        case MM_ERROR_UNSUPPORTED:
            return "not possible with this model, build or machine";
        case MM_ERROR_ABORTED:
            return "stopped by a callback or by mm_transcript_abort";
        case MM_ERROR_BUSY:
            return "the handle is in use by another thread, or by the call that runs this callback";
        case MM_ERROR_INTERNAL:
            return "a fault of the library: please report it";
        default:
            return "a status that this release does not know";
    }
}

void mm_free(void* buffer) {
    if (!is_static_message(buffer)) mm::aligned_free(buffer);
}

void mm_set_log_callback(mm_log_callback callback, void* user_data) {
    guard(nullptr, [&] { mm::set_log_callback(callback, user_data); });
}

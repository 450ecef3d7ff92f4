// Structs that carry their own size: what an older, the same or a newer caller may hand in or ask for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "multimodal.h"
#include "runtime/error.h"

namespace mm::api {

// No struct ever gets this large; a size above it was never set.
constexpr uint32_t kMaxStructSize = 4096;

// What is known of a sized struct: its name, how its size is set, and the size it had in the first release (up to the
// end of its last field then; keep that number when a field is appended).
template <typename T>
struct SizedStruct;

#define MM_SIZED_STRUCT(type, last_field, how)                                                        \
    template <>                                                                                       \
    struct SizedStruct<type> {                                                                        \
        static constexpr const char* name = #type;                                                    \
        static constexpr const char* advice = how;                                                    \
        static constexpr uint32_t first_size = offsetof(type, last_field) + sizeof(type::last_field); \
    }

MM_SIZED_STRUCT(mm_vad_options, max_speech_s, "call mm_vad_options_init");
MM_SIZED_STRUCT(mm_transcribe_options, user_data, "call mm_transcribe_options_init");
MM_SIZED_STRUCT(mm_run_options, user_data, "set it to sizeof(mm_run_options)");
MM_SIZED_STRUCT(mm_open_options, sha256, "set it to sizeof(mm_open_options)");
MM_SIZED_STRUCT(mm_whisper_info, weight_bytes, "set it to sizeof(mm_whisper_info)");
MM_SIZED_STRUCT(mm_transcript_info, n_segments, "set it to sizeof(mm_transcript_info)");
MM_SIZED_STRUCT(mm_segment, no_speech_prob, "set it to sizeof(mm_segment)");
MM_SIZED_STRUCT(mm_token, probability, "set it to sizeof(mm_token)");
MM_SIZED_STRUCT(mm_word, end, "set it to sizeof(mm_word)");
MM_SIZED_STRUCT(mm_image_options, max_pixels, "set it to sizeof(mm_image_options)");
MM_SIZED_STRUCT(mm_clip_info, weight_bytes, "set it to sizeof(mm_clip_info)");
MM_SIZED_STRUCT(mm_clip_options, max_pixels, "set it to sizeof(mm_clip_options)");

#undef MM_SIZED_STRUCT

template <typename T>
bool is_struct_size(uint32_t size) noexcept {
    return size >= SizedStruct<T>::first_size && size <= kMaxStructSize;
}

// Throws Error(INVALID_ARGUMENT).
template <typename T>
void check_struct_size(uint32_t size) {
    using S = SizedStruct<T>;
    if (size == 0) fail(MM_ERROR_INVALID_ARGUMENT, "%s.struct_size is 0: %s first", S::name, S::advice);
    if (!is_struct_size<T>(size))
        fail(MM_ERROR_INVALID_ARGUMENT, "%s.struct_size is %u, which no release ever had (this one: %zu): %s", S::name,
             size, sizeof(T), S::advice);
}

// What the host has set; structs may come from packed memory of other languages.
template <typename T>
uint32_t struct_size_of(const T* given) noexcept {
    uint32_t size;
    std::memcpy(&size, given, sizeof(size));
    return size;
}

// A copy of a host's options as this release knows them: fields that an older caller lacks are zero (that is, default).
// NULL gives all defaults.
template <typename T>
T read_struct(const T* given) {
    using S = SizedStruct<T>;
    T result{};
    if (given) {
        const uint32_t size = struct_size_of(given);
        check_struct_size<T>(size);
        std::memcpy(&result, given, std::min<size_t>(size, sizeof(T)));
        const unsigned char* bytes = reinterpret_cast<const unsigned char*>(given);
        for (size_t i = sizeof(T); i < size; ++i) {
            if (bytes[i] != 0)
                fail(MM_ERROR_INVALID_ARGUMENT,
                     "%s has a field beyond byte %zu set, which this release (%s) does not know: use a newer library, "
                     "or leave it zero",
                     S::name, sizeof(T), mm_version_string());
        }
    }
    result.struct_size = sizeof(T);
    return result;
}

// Writes as much of `value` as a struct of `size` bytes holds, zeros behind what this release knows, and its size.
// Throws Error(INVALID_ARGUMENT).
template <typename T>
void write_struct(T* out, uint32_t size, T value) {
    check_struct_size<T>(size);
    value.struct_size = size;
    std::memcpy(out, &value, std::min<size_t>(size, sizeof(T)));
    if (size > sizeof(T)) std::memset(reinterpret_cast<unsigned char*>(out) + sizeof(T), 0, size - sizeof(T));
}

// The same for a struct whose size the host has set in it.
template <typename T>
void write_struct(T* out, const T& value) {
    write_struct(out, struct_size_of(out), value);
}

// On entry of a call that fills a struct: it is zero, but for its size, should the call fail.
template <typename T>
void clear_struct(T* out) noexcept {
    if (out && is_struct_size<T>(struct_size_of(out))) {
        const uint32_t size = struct_size_of(out);
        std::memset(out, 0, size);
        std::memcpy(out, &size, sizeof(size));
    }
}

// An mm_switch.
inline bool read_switch(int32_t value, bool by_default, const char* name) {
    switch (value) {
        case MM_SWITCH_DEFAULT:
            return by_default;
        case MM_SWITCH_ON:
            return true;
        case MM_SWITCH_OFF:
            return false;
        default:
            fail(MM_ERROR_INVALID_ARGUMENT,
                 "%s is %d: use MM_SWITCH_DEFAULT (0), MM_SWITCH_ON (1) or MM_SWITCH_OFF (-1)", name, value);
    }
}

}  // namespace mm::api

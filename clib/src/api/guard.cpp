#include "api/guard.h"

#include <new>
#include <stdexcept>

#include "runtime/utf8.h"

namespace mm::api {
namespace {

// Writable, since the host is told that it owns its messages.
alignas(kAlignment) char out_of_memory[] = "out of memory";

}  // namespace

mm_status handle_exception(FunctionRef<void(const char*)> report) noexcept {
    try {
        throw;
    } catch (const Error& e) {
        report(e.what());
        return e.status();
    } catch (const std::bad_alloc&) {
        report(out_of_memory);
        return MM_ERROR_NO_MEMORY;
    } catch (const std::length_error&) {  // a container asked for more than can exist
        report(out_of_memory);
        return MM_ERROR_NO_MEMORY;
    } catch (const std::exception& e) {
        report(e.what());
    } catch (...) {
        report(
            "an exception of unknown type reached the library's boundary: a callback must not throw; if none did, "
            "please report this");
    }
    return MM_ERROR_INTERNAL;
}

void set_message(char** error_out, const char* message) noexcept {
    if (!error_out) return;
    *error_out = out_of_memory;
    if (message == out_of_memory) return;
    try {
        *error_out = hand_out(repair_utf8(message));  // messages quote paths, which may be any bytes
    } catch (...) {                                   // the static message stays
    }
}

bool is_static_message(const void* buffer) noexcept {
    return buffer == out_of_memory;
}

}  // namespace mm::api

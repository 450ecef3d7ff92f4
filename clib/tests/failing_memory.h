// Takes the place of the process's allocator, lets a chosen call of it fail, and counts the blocks that are in use.
//
// In a plain build this program's malloc and its kin are everybody's, those of the C++ runtime included; mmap and
// pthread_create can fail too. Sanitizers bring an allocator of their own, which must stay: there operator new and, by
// the linker's --wrap, the calls of our own objects are led through here.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace failing_memory {

inline std::atomic<long> calls{0};       // since arm() or count()
inline std::atomic<long> fail_first{0};  // calls fail_first ... fail_last fail; 0: none
inline std::atomic<long> fail_last{0};
inline std::atomic<long> blocks{0};  // in use, mappings included

constexpr long kSizes = 4096;
inline size_t sizes[kSizes];  // of the blocks that were asked for since then, by call

inline void arm(long first, long last) {
    calls = 0;
    fail_last = last;
    fail_first = first;
}

// Lets none fail.
inline void count() {
    arm(-1, -1);
}

inline long disarm() {
    fail_first = 0;
    return calls;
}

inline bool fails(size_t size) {
    const long first = fail_first.load();
    if (first == 0) return false;
    const long call = ++calls;
    if (call <= kSizes) sizes[call - 1] = size;
    if (call < first || call > fail_last.load()) return false;
    errno = ENOMEM;
    return true;
}

inline void* counted(void* block) {
    if (block) ++blocks;
    return block;
}

inline void uncount(void* block) {
    if (block) --blocks;
}

}  // namespace failing_memory

#ifdef MM_SANITIZED

extern "C" {
void* __real_malloc(size_t size);
void* __real_calloc(size_t n, size_t size);
int __real_posix_memalign(void** out, size_t alignment, size_t size);
void __real_free(void* block);

void* __wrap_malloc(size_t size) {
    return failing_memory::fails(size) ? nullptr : failing_memory::counted(__real_malloc(size));
}
void* __wrap_calloc(size_t n, size_t size) {
    return failing_memory::fails(n * size) ? nullptr : failing_memory::counted(__real_calloc(n, size));
}
int __wrap_posix_memalign(void** out, size_t alignment, size_t size) {
    if (failing_memory::fails(size)) return ENOMEM;
    const int result = __real_posix_memalign(out, alignment, size);
    if (result == 0) failing_memory::counted(*out);
    return result;
}
void __wrap_free(void* block) {
    failing_memory::uncount(block);
    __real_free(block);
}
}

void* operator new(size_t size) {
    void* block = failing_memory::fails(size) ? nullptr : failing_memory::counted(__real_malloc(size ? size : 1));
    if (!block) throw std::bad_alloc();
    return block;
}
void* operator new[](size_t size) {
    return operator new(size);
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
    return failing_memory::fails(size) ? nullptr : failing_memory::counted(__real_malloc(size ? size : 1));
}
void* operator new[](size_t size, const std::nothrow_t& tag) noexcept {
    return operator new(size, tag);
}
void operator delete(void* block) noexcept {
    failing_memory::uncount(block);
    __real_free(block);
}
void operator delete[](void* block) noexcept {
    operator delete(block);
}
void operator delete(void* block, size_t) noexcept {
    operator delete(block);
}
void operator delete[](void* block, size_t) noexcept {
    operator delete(block);
}

#else

extern "C" {
// glibc's own names for what is replaced here.
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t n, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

void* malloc(size_t size) {
    return failing_memory::fails(size) ? nullptr : failing_memory::counted(__libc_malloc(size));
}
void* calloc(size_t n, size_t size) {
    return failing_memory::fails(n * size) ? nullptr : failing_memory::counted(__libc_calloc(n, size));
}
void* realloc(void* block, size_t size) {
    if (failing_memory::fails(size)) return nullptr;
    void* moved = __libc_realloc(block, size);
    if (!block) failing_memory::counted(moved);
    return moved;
}
int posix_memalign(void** out, size_t alignment, size_t size) {
    void* block = failing_memory::fails(size) ? nullptr : failing_memory::counted(__libc_memalign(alignment, size));
    if (!block) return ENOMEM;
    *out = block;
    return 0;
}
void* aligned_alloc(size_t alignment, size_t size) {
    return failing_memory::fails(size) ? nullptr : failing_memory::counted(__libc_memalign(alignment, size));
}
void* memalign(size_t alignment, size_t size) {
    return aligned_alloc(alignment, size);
}
void free(void* block) {
    failing_memory::uncount(block);
    __libc_free(block);
}
void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
    if (failing_memory::fails(size)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    // The system call takes offsets in bytes on 64-bit Linux.
    void* mapping = reinterpret_cast<void*>(syscall(SYS_mmap, address, size, protection, flags, file, offset));
    if (mapping != MAP_FAILED) failing_memory::counted(mapping);
    return mapping;
}
int munmap(void* address, size_t size) {
    failing_memory::uncount(address);
    return static_cast<int>(syscall(SYS_munmap, address, size));
}
}

#endif

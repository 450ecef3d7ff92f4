// 64-byte aligned memory. Buffers handed to the host come from here too and are freed by mm_free.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace mm {

constexpr size_t kAlignment = 64;

// At least one byte, uninitialised; a whole number of `alignment`, a power of two of at least 64, so that nothing else
// shares its last unit. Throws std::bad_alloc. Freed by aligned_free.
void* aligned_alloc_bytes(size_t bytes, size_t alignment = kAlignment);
void aligned_free(void* p) noexcept;

// An owned, aligned, uninitialised array of a trivial type.
template <typename T>
class Buffer {
    static_assert(std::is_trivially_copyable<T>::value, "Buffer holds plain data only");

  public:
    Buffer() = default;
    explicit Buffer(size_t n, size_t alignment = kAlignment) : size_(n) {
        if (n > static_cast<size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
        data_ = static_cast<T*>(aligned_alloc_bytes(n * sizeof(T), alignment));
    }
    Buffer(Buffer&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
    Buffer& operator=(Buffer&& o) noexcept {
        std::swap(data_, o.data_);
        std::swap(size_, o.size_);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { aligned_free(data_); }

    // Keeps the memory where it is large enough; contents are undefined afterwards.
    void reserve_discard(size_t n) {
        if (n > size_) *this = Buffer(n);
    }
    T* data() noexcept { return data_; }
    const T* data() const noexcept { return data_; }
    size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    T& operator[](size_t i) noexcept { return data_[i]; }
    const T& operator[](size_t i) const noexcept { return data_[i]; }
    T* begin() noexcept { return data_; }
    T* end() noexcept { return data_ + size_; }
    const T* begin() const noexcept { return data_; }
    const T* end() const noexcept { return data_ + size_; }
    // Hands the memory over, to be freed by aligned_free (that is, by the host's mm_free).
    T* release() noexcept {
        size_ = 0;
        return std::exchange(data_, nullptr);
    }

  private:
    T* data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace mm

// A file mapped read-only. All that the library knows of the operating system's files is in mapped_file.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace mm {

// A borrowed run of bytes.
struct Bytes {
    const uint8_t* data = nullptr;
    size_t size = 0;
};

// The pages are shared with every process that maps the file and are read when first touched. The file must not be
// changed or cut short meanwhile; replacing it by another (rename, unlink) is harmless.
class MappedFile {
  public:
    // Throws Error(IO) for what cannot be opened or is not a regular file with something in it.
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    Bytes bytes() const { return bytes_; }

  private:
    Bytes bytes_;
};

size_t page_size();

// Keeps memory from being swapped out, for as long as the object lives. The system locks whole pages and does not count
// how often: nothing else on these pages may be locked.
class LockedMemory {
  public:
    // Throws Error(UNSUPPORTED) naming the limit that is in the way.
    LockedMemory(const void* data, size_t size);
    ~LockedMemory();
    LockedMemory(LockedMemory&& other) noexcept;
    LockedMemory& operator=(LockedMemory&&) = delete;

  private:
    const void* data_;
    size_t size_;
};

}  // namespace mm

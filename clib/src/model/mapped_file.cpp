// POSIX. A port to another system replaces this file (on Windows: CreateFileMapping, VirtualLock).
#include "model/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "runtime/error.h"
#include "runtime/text.h"

namespace mm {
namespace {

std::string describe_errno(int code) {
    return std::generic_category().message(code);  // strerror is not safe with threads
}

class FileDescriptor {
  public:
    explicit FileDescriptor(int value) : value_(value) {}
    ~FileDescriptor() {
        if (value_ >= 0) ::close(value_);
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    int get() const { return value_; }

  private:
    int value_;
};

}  // namespace

MappedFile::MappedFile(const std::string& path) {
    const std::string name = printable(path, 500);
    if (path.empty()) fail(MM_ERROR_IO, "the path of the model file is empty");
    // O_NONBLOCK: opening a pipe that nobody writes to must not hang. It changes nothing for regular files.
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) fail(MM_ERROR_IO, "%s: cannot be opened: %s", name.c_str(), describe_errno(errno).c_str());
    struct stat info;
    if (::fstat(file.get(), &info) != 0)
        fail(MM_ERROR_IO, "%s: cannot be examined: %s", name.c_str(), describe_errno(errno).c_str());
    if (S_ISDIR(info.st_mode))
        fail(MM_ERROR_IO,
             "%s: is a directory; give a model file, or convert the model in it: multimodal models convert",
             name.c_str());
    if (!S_ISREG(info.st_mode)) fail(MM_ERROR_IO, "%s: is not a regular file, so it cannot be mapped", name.c_str());
    if (info.st_size == 0) fail(MM_ERROR_IO, "%s: is empty", name.c_str());
    if (static_cast<uint64_t>(info.st_size) > static_cast<size_t>(-1) / 2)
        fail(MM_ERROR_IO, "%s: is too large to be mapped (%lld bytes)", name.c_str(),
             static_cast<long long>(info.st_size));

    const size_t size = static_cast<size_t>(info.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (data == MAP_FAILED)
        fail(errno == ENOMEM ? MM_ERROR_NO_MEMORY : MM_ERROR_IO, "%s: cannot be mapped (%zu bytes): %s", name.c_str(),
             size, describe_errno(errno).c_str());
    bytes_ = {static_cast<const uint8_t*>(data), size};
}

MappedFile::~MappedFile() {
    ::munmap(const_cast<uint8_t*>(bytes_.data), bytes_.size);
}

size_t page_size() {
    return static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

LockedMemory::LockedMemory(const void* data, size_t size) : data_(data), size_(size) {
    if (::mlock(data, size) == 0) return;
    const int code = errno;
    struct rlimit limit;
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        fail(MM_ERROR_UNSUPPORTED,
             "cannot lock %zu bytes of weights in memory: %s; this process may lock %llu bytes (RLIMIT_MEMLOCK): raise "
             "it with `ulimit -l`, or open the model without locking",
             size, describe_errno(code).c_str(), static_cast<unsigned long long>(limit.rlim_cur));
    fail(MM_ERROR_UNSUPPORTED, "cannot lock %zu bytes of weights in memory: %s; open the model without locking", size,
         describe_errno(code).c_str());
}

LockedMemory::~LockedMemory() {
    if (data_) ::munlock(data_, size_);
}

LockedMemory::LockedMemory(LockedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

}  // namespace mm

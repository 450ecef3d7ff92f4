// Handles are tokens: numbers that a table maps to objects. They are never dereferenced and never reused, so that any
// call with a closed or made-up handle is refused. Objects are shared: closing a handle while another thread uses its
// object is safe, the object dies with the last user.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "multimodal.h"
#include "runtime/error.h"
#include "runtime/immortal.h"
#include "runtime/locks.h"

namespace mm::api {

// The next token, unique among all kinds of handles: a multiple of 64 above 64 KiB, where no object ever lives.
std::uintptr_t next_token();

// The open handles of one kind, e.g. HandleTable<mm_vad, VadSession>. HandleTable<...>::name is the kind for messages.
template <typename Token, typename Object>
class HandleTable {
  public:
    explicit HandleTable(const char* name) : name_(name) {}

    Token* insert(std::shared_ptr<Object> object) {
        const std::uintptr_t token = next_token();
        const std::lock_guard<std::mutex> lock(process_locks().handles);
        objects_.emplace(token, std::move(object));
        return reinterpret_cast<Token*>(token);
    }

    // Throws Error(INVALID_HANDLE).
    std::shared_ptr<Object> find(const Token* handle) const {
        {
            const std::lock_guard<std::mutex> lock(process_locks().handles);
            const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
            if (found != objects_.end()) return found->second;
        }
        if (!handle) fail(MM_ERROR_INVALID_HANDLE, "the %s handle is NULL", name_);
        fail(MM_ERROR_INVALID_HANDLE, "%p is not an open %s handle: it was closed, or never was one",
             static_cast<const void*>(handle), name_);
    }

    // Nothing happens where there is no such handle.
    void erase(const Token* handle) noexcept {
        std::shared_ptr<Object> last;  // dies outside the lock
        const std::lock_guard<std::mutex> lock(process_locks().handles);
        const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
        if (found == objects_.end()) return;
        last = std::move(found->second);
        objects_.erase(found);
    }

    const char* name() const { return name_; }

  private:
    const char* name_;
    std::unordered_map<std::uintptr_t, std::shared_ptr<Object>> objects_;
};

// Exclusive use of an object that belongs to one thread at a time; Object has a member `std::atomic<int> busy`, 0 at
// first. (Not bool: some processors exchange whole words only, and would need libatomic.)
template <typename Object>
class Exclusive {
  public:
    // Throws Error(BUSY).
    Exclusive(std::shared_ptr<Object> object, const char* name) : object_(std::move(object)) {
        if (object_->busy.exchange(1, std::memory_order_acquire) != 0)
            fail(MM_ERROR_BUSY, "the %s is in use by another thread, or by the call that runs this callback", name);
    }
    ~Exclusive() { object_->busy.store(0, std::memory_order_release); }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

    Object* operator->() const noexcept { return object_.get(); }
    Object& operator*() const noexcept { return *object_; }

  private:
    std::shared_ptr<Object> object_;
};

}  // namespace mm::api

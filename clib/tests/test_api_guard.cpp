// The guard, the handle table and the struct rules by themselves: whatever is thrown becomes a status and a message.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "api/callbacks.h"
#include "api/guard.h"
#include "api/handles.h"
#include "api/json.h"
#include "api/options.h"
#include "check.h"

namespace {

using namespace mm::api;

struct NotAnException {};

struct Case {
    mm_status status;
    std::string message;
};

template <typename Throw>
Case outcome(Throw&& thrown) {
    char* error = reinterpret_cast<char*>(&checks_failed);  // must be overwritten
    const mm_status status = guard(&error, thrown);
    const Case result{status, error ? error : "(none)"};
    mm_free(error);
    CHECK_STATUS(guard(nullptr, thrown), status);
    return result;
}

void exceptions() {
    CHECK(outcome([] {}).status == MM_OK);
    CHECK(outcome([] {}).message == "(none)");
    const Case error = outcome([] { mm::fail(MM_ERROR_IO, "%s: %d", "disk", 5); });
    CHECK(error.status == MM_ERROR_IO && error.message == "disk: 5");
    const Case memory = outcome([] { throw std::bad_alloc(); });
    CHECK(memory.status == MM_ERROR_NO_MEMORY && memory.message == "out of memory");
    CHECK(outcome([] { std::string().resize(std::string::npos); }).status == MM_ERROR_NO_MEMORY);
    const Case standard = outcome([] { throw std::runtime_error("surprise"); });
    CHECK(standard.status == MM_ERROR_INTERNAL && standard.message.find("surprise") != std::string::npos);
    for (const Case& unknown : {outcome([] { throw 42; }), outcome([] { throw NotAnException(); })})
        CHECK(unknown.status == MM_ERROR_INTERNAL && unknown.message.find("unknown type") != std::string::npos);
    const Case bytes = outcome([] { mm::fail(MM_ERROR_IO, "a\xff/b"); });
    CHECK(bytes.message == "a\xef\xbf\xbd/b");  // messages are UTF-8, whatever they quote
}

void cancellation_is_put_off() {
    int during = -1, after = -1;
    guard(nullptr, [&] { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &during); });
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &after);
    CHECK(during == PTHREAD_CANCEL_DISABLE);
    CHECK(after == PTHREAD_CANCEL_ENABLE);
}

void out_parameters() {
    float value = 1.0f, *pointer = &value;
    size_t n = 5;
    clear(&pointer, &n, static_cast<char**>(nullptr));
    CHECK(pointer == nullptr && n == 0);
    char* text = hand_out(std::string("text"));
    CHECK(std::string(text) == "text" && reinterpret_cast<uintptr_t>(text) % 64 == 0);
    mm_free(text);
}

struct Counted {
    explicit Counted(int* alive) : alive_(alive) { ++*alive_; }
    ~Counted() { --*alive_; }
    std::atomic<bool> busy{false};

  private:
    int* alive_;
};

void handles() {
    HandleTable<mm_vad, Counted> table("mm_vad");
    int alive = 0;
    mm_vad* first = table.insert(std::make_shared<Counted>(&alive));
    mm_vad* second = table.insert(std::make_shared<Counted>(&alive));
    CHECK(first != second && alive == 2);
    {
        const Exclusive<Counted> use(table.find(first), table.name());
        CHECK(outcome([&] { Exclusive<Counted>(table.find(first), table.name()); }).status == MM_ERROR_BUSY);
        table.erase(first);
        CHECK(alive == 2);  // its user keeps it alive
    }
    CHECK(alive == 1);
    table.erase(first);
    CHECK(outcome([&] { table.find(first); }).status == MM_ERROR_INVALID_HANDLE);
    CHECK(outcome([&] { table.find(nullptr); }).message == "the mm_vad handle is NULL");
    Exclusive<Counted>(table.find(second), table.name());
    CHECK(outcome([&] { Exclusive<Counted>(table.find(second), table.name()); }).status == MM_OK);
    table.erase(second);
    CHECK(alive == 0);
    const std::uintptr_t token = next_token();
    CHECK(token % 64 == 0 && token > 65536 && next_token() == token + 64);
}

void json() {
    const std::string text = JsonObject().text("a\"b", "\\\n\x01\xff").number("n", -5).boolean("yes", true).str();
    CHECK(text == "{\"a\\\"b\": \"\\\\\\u000a\\u0001\xef\xbf\xbd\", \"n\": -5, \"yes\": true}");
    CHECK(JsonObject().str() == "{}");
}

// The part of a process that a callback which throws takes with it: all of it.
void throwing_callbacks_end_the_process() {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);
        std::set_terminate([] { std::abort(); });  // without a word
        mm_transcribe_options options{};
        options.should_abort = [](void*) -> int32_t { throw 42; };
        HostCallbacks callbacks(options);
        callbacks.redirect(options);
        try {
            options.should_abort(options.user_data);
        } catch (...) {
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

void switches() {
    CHECK(read_switch(0, true, "x") && !read_switch(0, false, "x"));
    CHECK(read_switch(1, false, "x") && !read_switch(-1, true, "x"));
    CHECK(outcome([] { read_switch(2, true, "x"); }).status == MM_ERROR_INVALID_ARGUMENT);
}

}  // namespace

int main() {
    exceptions();
    cancellation_is_put_off();
    out_parameters();
    handles();
    json();
    throwing_callbacks_end_the_process();
    switches();
    return finish("test_api_guard");
}

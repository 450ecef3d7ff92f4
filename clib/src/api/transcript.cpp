// Transcription, whole and step by step, and reading transcripts.
#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "api/callbacks.h"
#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"
#include "api/whisper.h"
#include "whisper/transcribe.h"
#include "whisper/transcribe_options.h"

namespace mm::api {
namespace {

// Options as this release knows them, with their callbacks led through `callbacks`.
struct ReadOptions {
    explicit ReadOptions(const mm_transcribe_options* given) : options(read_struct(given)) {
        if (!options.vad_options) return;
        vad = read_struct(options.vad_options);
        options.vad_options = &vad;
    }
    mm_transcribe_options options;
    mm_vad_options vad{};
};

// The message of the last failed call: storing one never fails.
class LastError {
  public:
    void set(const char* message) noexcept {
        try {
            text_ = message;
            current_ = text_.c_str();
        } catch (...) {
            current_ = mm_status_string(MM_ERROR_NO_MEMORY);
        }
    }
    const char* get() const noexcept { return current_; }

  private:
    std::string text_;
    const char* current_ = "";
};

struct Transcript {
    Transcript(std::shared_ptr<const WhisperModel> model, ReadOptions read)
        : callbacks(read.options), transcriber(std::move(model), redirected(read), callbacks.environment()) {}

    const mm_transcribe_options* redirected(ReadOptions& read) {
        callbacks.redirect(read.options);
        return &read.options;
    }

    HostCallbacks callbacks;
    Transcriber transcriber;
    LastError last_error;
    std::atomic<int> busy{0};

    // Runs work in which callbacks may be called.
    template <typename Work>
    auto run(const std::fenv_t& host, Work&& work) {
        callbacks.set_environment(host);
        return work(transcriber);
    }
};

auto& transcripts() {
    return immortal([] { return HandleTable<mm_transcript, Transcript>("mm_transcript"); });
}

// Runs `body` with exclusive use of the transcript, which keeps the message of a failure. Messages of calls that did
// not get hold of it are dropped: the transcript is another thread's.
template <typename Body>
mm_status with_transcript(mm_transcript* handle, Body&& body) noexcept {
    mm_status status = MM_OK;
    const mm_status access = guard(nullptr, [&] {
        const Exclusive<Transcript> transcript(transcripts().find(handle), transcripts().name());
        status = guard_reporting([&](const char* message) { transcript->last_error.set(message); },
                                 [&] { body(*transcript); });
    });
    return access == MM_OK ? status : access;
}

const Segment& segment_at(const Transcript& transcript, size_t index) {
    const auto& segments = transcript.transcriber.segments();
    if (index >= segments.size())
        fail(MM_ERROR_INVALID_ARGUMENT, "segment %zu was asked for: the transcript has %zu", index, segments.size());
    return segments[index];
}

template <typename T>
const T& item_at(const std::vector<T>& items, size_t index, size_t segment, const char* kind) {
    if (index >= items.size())
        fail(MM_ERROR_INVALID_ARGUMENT, "%s %zu of segment %zu was asked for: it has %zu", kind, index, segment,
             items.size());
    return items[index];
}

}  // namespace
}  // namespace mm::api

using namespace mm::api;

mm_status mm_transcribe_options_init(mm_transcribe_options* options, uint32_t struct_size) {
    return guard(nullptr, [&] {
        MM_REQUIRE(options);
        mm_transcribe_options defaults{};
        mm::default_transcribe_options(defaults);
        write_struct(options, struct_size, defaults);
    });
}

mm_status mm_whisper_transcribe(mm_whisper* model, mm_audio_chunk chunk, const mm_transcribe_options* options,
                                mm_transcript** out, char** error_out) {
    clear(out);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = find_model(model);
        MM_REQUIRE(out);
        const auto transcript = std::make_shared<Transcript>(opened, ReadOptions(options));
        transcript->run(host, [&](mm::Transcriber& transcriber) {
            transcriber.check(chunk);  // all of it, before work on its beginning
            transcript->callbacks.set_seconds_total(static_cast<double>(chunk.len) / chunk.sample_rate);
            const size_t slice = size_t{30} * chunk.sample_rate;  // of audio at a time: features in bounded memory
            for (size_t i = 0; i < chunk.len; i += slice) {
                transcriber.push({chunk.samples + i, std::min(slice, chunk.len - i), chunk.sample_rate});
                while (transcriber.step() == MM_STEP_MORE) continue;
            }
            transcriber.finish();
            while (transcriber.step() == MM_STEP_MORE) continue;
        });
        *out = transcripts().insert(transcript);
    });
}

mm_status mm_transcript_open(mm_whisper* model, const mm_transcribe_options* options, mm_transcript** out,
                             char** error_out) {
    clear(out);
    return guard(error_out, [&] {
        const auto opened = find_model(model);
        MM_REQUIRE(out);
        *out = transcripts().insert(std::make_shared<Transcript>(opened, ReadOptions(options)));
    });
}

void mm_transcript_close(mm_transcript* transcript) {
    guard(nullptr, [&] { transcripts().erase(transcript); });
}

mm_status mm_transcript_push(mm_transcript* transcript, mm_audio_chunk chunk) {
    const std::fenv_t host = host_environment();
    return with_transcript(transcript, [&](Transcript& opened) {
        opened.run(host, [&](mm::Transcriber& transcriber) { transcriber.push(chunk); });
    });
}

mm_status mm_transcript_finish(mm_transcript* transcript) {
    const std::fenv_t host = host_environment();
    return with_transcript(transcript, [&](Transcript& opened) {
        opened.run(host, [](mm::Transcriber& transcriber) { transcriber.finish(); });
    });
}

mm_status mm_transcript_step(mm_transcript* transcript, int32_t* state) {
    clear(state);
    const std::fenv_t host = host_environment();
    return with_transcript(transcript, [&](Transcript& opened) {
        MM_REQUIRE(state);
        *state = opened.run(host, [](mm::Transcriber& transcriber) { return transcriber.step(); });
    });
}

mm_status mm_transcript_abort(mm_transcript* transcript) {
    return guard(nullptr, [&] { transcripts().find(transcript)->transcriber.abort(); });
}

const char* mm_transcript_last_error(mm_transcript* transcript) {
    const char* message = "";
    const mm_status status = guard(nullptr, [&] {
        message = Exclusive<Transcript>(transcripts().find(transcript), transcripts().name())->last_error.get();
    });
    return status == MM_ERROR_BUSY ? mm_status_string(status) : message;
}

mm_status mm_transcript_info_get(mm_transcript* transcript, mm_transcript_info* info) {
    clear_struct(info);
    return with_transcript(transcript, [&](Transcript& opened) {
        MM_REQUIRE(info);
        const mm::Transcriber& transcriber = opened.transcriber;
        const std::string language = transcriber.language();
        mm_transcript_info result{};
        std::copy_n(language.c_str(), std::min(language.size(), sizeof(result.language) - 1), result.language);
        result.language_probability = transcriber.language_probability();
        result.duration = transcriber.duration();
        result.duration_after_vad = transcriber.duration_after_vad();
        result.done = transcriber.done();
        result.n_segments = transcriber.segments().size();
        write_struct(info, result);
    });
}

mm_status mm_transcript_segment(mm_transcript* transcript, size_t index, mm_segment* segment) {
    clear_struct(segment);
    return with_transcript(transcript, [&](Transcript& opened) {
        MM_REQUIRE(segment);
        write_struct(segment, mm::view(segment_at(opened, index), index));
    });
}

mm_status mm_transcript_token(mm_transcript* transcript, size_t segment, size_t index, mm_token* token) {
    clear_struct(token);
    return with_transcript(transcript, [&](Transcript& opened) {
        MM_REQUIRE(token);
        write_struct(token, mm::view(item_at(segment_at(opened, segment).tokens, index, segment, "token")));
    });
}

mm_status mm_transcript_word(mm_transcript* transcript, size_t segment, size_t index, mm_word* word) {
    clear_struct(word);
    return with_transcript(transcript, [&](Transcript& opened) {
        MM_REQUIRE(word);
        write_struct(word, mm::view(item_at(segment_at(opened, segment).words, index, segment, "word")));
    });
}

// multimodal.hpp: exceptions cross C in neither direction, what is moved from is empty, nothing is leaked.
// Usage: test_hpp SMALL_MODEL CLIP_MODEL
#include <multimodal.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "check.h"

namespace {

using namespace multimodal;

static_assert(!std::is_copy_constructible<Whisper>::value && !std::is_copy_assignable<Whisper>::value, "");
static_assert(!std::is_copy_constructible<Buffer<float>>::value && !std::is_copy_assignable<Clip>::value, "");
static_assert(std::is_nothrow_move_constructible<Whisper>::value && std::is_nothrow_move_assignable<Clip>::value, "");
static_assert(std::is_nothrow_move_constructible<Vad>::value && std::is_move_assignable<Transcript>::value, "");

struct Stop {
    int at;
};

std::vector<float> second() {
    std::vector<float> samples(16000);
    for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(i % 97) / 97.0f - 0.5f;
    return samples;
}

TranscribeOptions greedy() {
    static const float temperatures[] = {0.0f};
    TranscribeOptions options;
    options.language = "en";
    options.temperatures = temperatures;
    options.n_temperatures = 1;
    options.beam_size = 1;
    options.max_new_tokens = 8;
    return options;
}

template <typename Function>
mm_status status_of(const Function& function, std::string* message = nullptr) {
    try {
        function();
        return MM_OK;
    } catch (const Error& error) {
        if (message) *message = error.what();
        return error.status();
    }
}

void errors(const char* path) {
    std::string message;
    CHECK_STATUS(status_of([] { Whisper("there is no such file"); }, &message), MM_ERROR_IO);
    CHECK_STATUS(status_of([] { verify_model("there is no such file"); }), MM_ERROR_IO);
    CHECK(verify_model(path).find("\"architecture\"") != std::string::npos);
    OpenOptions options;
    options.sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    CHECK_STATUS(status_of([&] { Whisper(path, &options); }), MM_ERROR_BAD_MODEL);
    CHECK(message.find("there is no such file") != std::string::npos);
    CHECK_STATUS(status_of([&] { Clip{path}; }), MM_ERROR_BAD_MODEL);
    CHECK_STATUS(status_of([&] { Whisper(path).encode(nullptr, 5); }), MM_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(status_of([&] { Vad().process(second().data(), 100); }, &message), MM_ERROR_INVALID_ARGUMENT);
    CHECK(!message.empty());
}

void moves(const char* path) {
    Whisper first(path);
    Whisper other(std::move(first));
    CHECK(first.get() == nullptr && other.get() != nullptr);
    CHECK_STATUS(status_of([&] { first.info(); }), MM_ERROR_INVALID_HANDLE);
    CHECK_STATUS(status_of([&] { first.tokenize("words"); }), MM_ERROR_INVALID_HANDLE);
    first = std::move(other);
    CHECK(first.info().n_mels == 80);
    Whisper second_model(path);
    mm_whisper* const replaced = first.get();
    mm_whisper_info info = Sized<mm_whisper_info>();
    first = std::move(second_model);  // closes what it had
    CHECK(second_model.get() == nullptr && first.info().n_mels == 80);
    CHECK_STATUS(mm_whisper_info_get(replaced, &info), MM_ERROR_INVALID_HANDLE);

    Buffer<int32_t> ids = first.tokenize("some words");
    CHECK(!ids.empty());
    Buffer<int32_t> taken;
    CHECK(taken.empty() && taken.begin() == taken.end());
    taken = std::move(ids);
    CHECK(!taken.empty() && ids.empty());
    CHECK(first.detokenize(taken.data(), taken.size()) == "some words");
    ids = first.tokenize("others");
    ids = std::move(taken);  // frees what it had: nothing is left for the other to hold
    CHECK(taken.empty() && first.detokenize(ids.data(), ids.size()) == "some words");
}

// What is assigned to ends at once, and what was moved from has neither a handle nor callbacks.
void an_open_transcript_is_replaced(const char* path) {
    const Whisper model(path);
    const std::vector<float> samples = second();
    std::vector<int> heard(2);
    const auto open = [&](size_t i) {
        TranscribeOptions options = greedy();
        options.on_token = [&heard, i](const mm_token&) { return ++heard[i] > 0; };
        Transcript transcript = model.open_transcript(options);
        transcript.push({samples.data(), samples.size(), 16000});
        transcript.finish();
        return transcript;
    };
    Transcript kept = open(0), other = open(1);
    mm_transcript* const replaced = kept.get();
    kept = std::move(other);
    int32_t state = 0;
    CHECK_STATUS(mm_transcript_step(replaced, &state), MM_ERROR_INVALID_HANDLE);
    CHECK_STATUS(status_of([&] { other.step(); }), MM_ERROR_INVALID_HANDLE);
    CHECK_STATUS(status_of([&] { other.info(); }), MM_ERROR_INVALID_HANDLE);
    while (kept.step() != MM_STEP_DONE) {
    }
    CHECK(heard[0] == 0 && heard[1] > 0);
}

// A message is that of the call that failed.
void messages_of_transcripts(const char* path) {
    const Whisper model(path);
    std::vector<float> samples = second();
    std::string message;
    Transcript* stepped = nullptr;
    TranscribeOptions options = greedy();
    options.on_token = [&](const mm_token&) {
        CHECK_STATUS(status_of([&] { stepped->info(); }, &message), MM_ERROR_BUSY);
        return true;
    };
    Transcript transcript = model.open_transcript(options);
    stepped = &transcript;
    CHECK_STATUS(status_of([&] { transcript.segment(7); }, &message), MM_ERROR_INVALID_ARGUMENT);
    CHECK(message == "segment 7 was asked for: the transcript has 0");
    transcript.push({samples.data(), samples.size(), 16000});
    transcript.finish();
    while (transcript.step() != MM_STEP_DONE) {
    }
    CHECK(message == mm_status_string(MM_ERROR_BUSY));
}

void callbacks_that_throw(const char* path) {
    const Whisper model(path);
    const std::vector<float> samples = second();
    const mm_audio_chunk chunk{samples.data(), samples.size(), 16000};
    for (int which = 0; which < 4; ++which) {
        int calls = 0;
        const auto bang = [&] { return ++calls == (which == 0 ? 3 : 1) ? throw Stop{calls} : true; };
        TranscribeOptions options = greedy();
        if (which == 0) options.on_token = [&](const mm_token&) { return bang(); };
        if (which == 1) options.on_segment = [&](const mm_segment&) { return bang(); };
        if (which == 2) options.on_progress = [&](double, double) { return bang(); };
        if (which == 3) options.proceed = bang;
        int caught = 0;
        try {
            model.transcribe(chunk, options);
        } catch (const Stop& stop) {
            caught = stop.at;
        }
        CHECK(caught == (which == 0 ? 3 : 1) && calls == caught);
    }
    CHECK(model.transcribe(chunk, greedy()).info().n_segments > 0);  // still usable

    bool thrown = false;  // nothing is called after a callback that has thrown
    TranscribeOptions several = greedy();
    several.proceed = [&] { return thrown ? throw Stop{2} : true; };
    several.on_progress = [&](double, double) { return thrown ? throw Stop{3} : true; };
    several.on_token = [&](const mm_token&) -> bool { thrown = true, throw Stop{1}; };
    int first = 0;
    try {
        model.transcribe(chunk, several);
    } catch (const Stop& stop) {
        first = stop.at;
    }
    CHECK(first == 1);

    // In a stream the exception leaves the call that ran the callback, and later calls tell that it was stopped.
    TranscribeOptions options = greedy();
    options.on_token = [](const mm_token&) -> bool { throw Stop{7}; };
    Transcript transcript = model.open_transcript(options);
    Transcript moved = std::move(transcript);  // callbacks move along
    moved.push(chunk);
    moved.finish();
    int caught = 0;
    try {
        while (moved.step() != MM_STEP_DONE) {
        }
    } catch (const Stop& stop) {
        caught = stop.at;
    }
    CHECK(caught == 7);
    CHECK_STATUS(status_of([&] { moved.step(); }), MM_ERROR_ABORTED);

    RunOptions run;
    run.proceed = []() -> bool { throw Stop{9}; };
    caught = 0;
    try {
        resample({samples.data(), samples.size(), 44100}, 16000, run);
    } catch (const Stop& stop) {
        caught = stop.at;
    }
    CHECK(caught == 9);
    run.proceed = [] { return false; };
    CHECK_STATUS(status_of([&] { model.log_mel(chunk, run); }), MM_ERROR_ABORTED);
}

void options_are_copied(const char* path) {
    const Whisper model(path);
    const std::vector<float> samples = second();
    std::string whole, streamed;
    {
        const Transcript transcript = model.transcribe({samples.data(), samples.size(), 16000}, greedy());
        whole = transcript.text();
    }
    int calls = 0;
    Transcript transcript = [&] {  // options end before the transcript is fed
        const std::string language = "en";
        TranscribeOptions options = greedy();
        options.language = language.c_str();
        options.on_token = [&calls](const mm_token&) { return ++calls > 0; };
        return model.open_transcript(options);
    }();
    transcript.push({samples.data(), samples.size(), 16000});
    transcript.finish();
    while (transcript.step() != MM_STEP_DONE) {
    }
    CHECK(transcript.text() == whole && calls > 0);
}

void pictures(const char* path) {
    const Clip model(path);
    const std::vector<uint8_t> grey(40 * 30 * 3, 128);
    const mm_pixels picture{grey.data(), 40, 30, 0};
    const size_t dim = static_cast<size_t>(model.info().embedding_dim);
    CHECK(model.encode_pixels({picture, picture}).size() == 2 * dim);
    CHECK(model.encode_text({"a cat", "a dog"}).size() == 2 * dim);
    CHECK(model.space_id().size() == 16);
    CHECK(resize_image(picture, 10, 20).rgb.size() == 600);
    const Buffer<uint8_t> square = model.preprocess(picture);
    CHECK(square.size() == 3 * static_cast<size_t>(model.info().image_size * model.info().image_size));
    CHECK_STATUS(status_of([&] { decode_image(bytes_of("no picture")); }), MM_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(status_of([&] { resize_image(picture, 0, 20); }), MM_ERROR_INVALID_ARGUMENT);
    ClipOptions raw;
    raw.normalize = MM_SWITCH_OFF;
    const Buffer<float> direction = model.encode_pixels({picture}), whole = model.encode_pixels({picture}, &raw);
    CHECK(direction[0] != whole[0] && (direction[0] < 0) == (whole[0] < 0));
    const Buffer<int32_t> ids = model.tokenize("the cat");
    CHECK(model.detokenize(ids.data(), ids.size()) == "the cat");
    CHECK(model.encode_tokens(ids.data(), ids.size()).size() == dim);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    errors(argv[1]);
    moves(argv[1]);
    an_open_transcript_is_replaced(argv[1]);
    messages_of_transcripts(argv[1]);
    callbacks_that_throw(argv[1]);
    options_are_copied(argv[1]);
    pictures(argv[2]);
    return finish("test_hpp");
}

// The conformance cases in C++, through multimodal.hpp but for those that are about misuse. See ../README.md.
#include "../c/conformance.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <multimodal.hpp>
#include <string>
#include <vector>

namespace {

using namespace multimodal;

const RunOptions kRun = [] {
    RunOptions run;
    run.threads = 2;
    return run;
}();

template <typename T>
void add_buffer(const Buffer<T>& buffer, size_t length) {
    add("%zu ", length);
    add_digest(buffer.data(), buffer.size(), sizeof(T));
    add(" %d", static_cast<int>(reinterpret_cast<uintptr_t>(buffer.data()) % 64));
}
template <typename T>
void add_buffer(const Buffer<T>& buffer) {
    add_buffer(buffer, buffer.size());
}

template <typename Function>
void add_thrown(Function&& function) {
    try {
        function();
        add("nothing was thrown");
    } catch (const Error& error) {
        add("%d %s", static_cast<int>(error.status()), error.what());
    }
}
template <typename Function>
mm_status status_of(Function&& function) {
    try {
        function();
        return MM_OK;
    } catch (const Error& error) {
        return error.status();
    }
}

// ---- Layouts, constants, version ----

#define STRUCT_BEGIN(type) begin(), add("size=%zu align=%zu", sizeof(type), alignof(type));
#define FIELD(type, name) add(" %s@%zu:%zu", #name, offsetof(type, name), sizeof(type::name));
#define STRUCT_END(type) end("layout." #type);
#define CONSTANT(name) begin(), add("%d", static_cast<int>(name)), end("constant." #name);

void declarations() {
#include "constants.inc"
#include "structs.inc"
}

void version() {
    begin(), add("%u", static_cast<unsigned>(mm_abi_version())), end("abi_version");
    begin(), add("%s", mm_version_string()), end("version");
    for (const int32_t status : {0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -1000}) {
        begin(), add("%s", mm_status_string(status)), end(("status_string." + std::to_string(status)).c_str());
    }
}

// ---- Files and audio ----

void files(const char* whisper) {
    begin(), add_thrown([] { Whisper("there is no such file"); });
    mm_whisper* out = reinterpret_cast<mm_whisper*>(uintptr_t{0xA5A5});  // garbage, to be replaced by NULL
    mm_whisper_open("there is no such file", nullptr, &out, nullptr);
    if (!out) add(" out=0");
    end("missing_file");

    const std::string json = verify_model(whisper);
    begin(), add("0 "), add_digest(json.data(), json.size(), 1), end("model_verify");
}

std::vector<float> samples_of(size_t n) {
    float* samples = audio(n);
    const std::vector<float> result(samples, samples + n);
    free(samples);
    return result;
}

void audio_cases() {
    std::vector<float> samples = samples_of(32000);
    const mm_audio_chunk music{samples.data(), 4410, 44100}, speech{samples.data(), 32000, 16000};
    begin(), add_buffer(resample(music, 16000, kRun)), end("resample");
    std::vector<float> broken = samples;
    broken[5] = std::numeric_limits<float>::quiet_NaN();
    begin(), add_thrown([&] { resample({broken.data(), 4410, 44100}, 16000, kRun); }), end("nan_sample");

    Vad vad;
    const float first = vad.process(samples.data(), 512), second = vad.process(samples.data() + 512, 512);
    begin(), add_float(first), add(" "), add_float(second), end("vad_process");
    begin(), add_buffer(vad.probabilities(speech, kRun)), end("vad_probabilities");

    VadOptions options;
    options.threshold = 0.01f;
    const Buffer<mm_vad_segment> segments = vad.segments(speech, &options, kRun);
    begin(), add("%zu", segments.size());
    for (const mm_vad_segment& segment : segments) {
        add(" "), add_double(segment.start);
        add(" "), add_double(segment.end);
    }
    end("vad_segments");
    begin(), add("%d", static_cast<int>(mm_vad_options_init(&options, 2))), end("options_too_small");
}

// ---- Speech ----

void whisper_model(const Whisper& model) {
    const mm_whisper_info info = model.info();
    begin(), add("%d %d %d %d %d %d", static_cast<int>(info.n_mels), static_cast<int>(info.n_audio_ctx),
                 static_cast<int>(info.n_text_ctx), static_cast<int>(info.n_vocab),
                 static_cast<int>(info.is_multilingual), static_cast<int>(info.is_mapped));
    add(" %s %" PRIu64, info.weight_type, info.weight_bytes), end("whisper_info");

    mm_whisper_info small, before;
    memset(&before, 0xA5, sizeof before);
    before.struct_size = 8;
    memcpy(&small, &before, sizeof before);
    begin(), add("%d", static_cast<int>(mm_whisper_info_get(model.get(), &small)));
    if (memcmp(&small, &before, sizeof small) == 0) add(" kept");
    end("struct_size");

    const Buffer<int32_t> ids = model.tokenize(" hello world");
    begin(), add_ids(ids.data(), ids.size()), end("tokenize");
    begin(), add("%s", model.detokenize(ids.data(), ids.size()).c_str()), end("detokenize");
}

void tensors(const Whisper& model, mm_audio_chunk second) {
    const Buffer<float> mel = model.log_mel(second, kRun);
    const Buffer<float> encoded = model.encode(mel.data(), 40, 20, kRun);
    begin(), add_buffer(mel, mel.size() / 80), end("log_mel");
    begin(), add_buffer(encoded), end("encode");
    begin(), add_buffer(model.logits(encoded.data(), 20, {50258, 50259, 50359, 50363}, kRun)), end("logits");
    const Buffer<mm_language> languages = model.detect_language(second, kRun);
    begin(), add("%zu %s ", languages.size(), languages[0].code), add_float(languages[0].probability);
    end("detect_language");
}

TranscribeOptions greedy() {
    static const float temperatures[] = {0.0f};
    TranscribeOptions options;
    options.language = "en";
    options.temperatures = temperatures;
    options.n_temperatures = 1;
    options.beam_size = 1;
    options.max_new_tokens = 8;
    options.threads = 2;
    return options;
}

// The digests of texts and ids of all segments.
std::pair<uint64_t, uint64_t> contents(const Transcript& transcript) {
    uint64_t texts = NOTHING, ids = NOTHING;
    for (size_t i = 0; i < transcript.info().n_segments; ++i) {
        const mm_segment segment = transcript.segment(i);
        texts = digest(texts, segment.text, segment.text_len, 1);
        for (size_t j = 0; j < segment.n_tokens; ++j) {
            const mm_token token = transcript.token(i, j);
            ids = digest(ids, &token.id, 1, sizeof token.id);
        }
    }
    return {texts, ids};
}

void transcription(const Whisper& model, mm_audio_chunk second) {
    int calls = 0, progressed = 0;
    uint64_t heard = NOTHING;
    double last_done = 0, last_total = 0;
    TranscribeOptions options = greedy();
    options.on_token = [&](const mm_token& token) {
        heard = digest(heard, &token.id, 1, sizeof token.id);
        heard = digest(heard, &token.probability, 1, sizeof token.probability);
        return ++calls > 0;
    };
    options.on_progress = [&](double done, double total) {
        last_done = done, last_total = total;
        return ++progressed > 0;
    };
    const Transcript transcript = model.transcribe(second, options);
    begin(), add("0 %d %016" PRIx64, calls, heard), end("transcribe");
    const mm_transcript_info info = transcript.info();
    const auto digests = contents(transcript);
    begin(), add("%zu %s ", info.n_segments, info.language), add_double(info.duration);
    add(" %016" PRIx64 " %016" PRIx64, digests.first, digests.second), end("transcript");
    begin(), add("%d ", progressed), add_double(last_done), add(" "), add_double(last_total), end("progress");

    int stopped = 0;
    options = greedy();
    options.on_token = [&](const mm_token&) { return ++stopped < 3; };
    const mm_status status = status_of([&] { model.transcribe(second, options); });
    begin(), add("%d %d", static_cast<int>(status), stopped), end("callback_stops");

    options = greedy();
    options.proceed = [] { return false; };
    begin(), add("%d", static_cast<int>(status_of([&] { model.transcribe(second, options); }))), end("should_abort");

    begin(), add("%d", calls > 0 && progressed > 0), end("user_data");  // the lambdas got what they had captured
}

void stream(const Whisper& model, const float* samples) {
    mm_transcript* stepped = nullptr;
    mm_status busy = MM_OK;
    TranscribeOptions options = greedy();
    options.on_token = [&](const mm_token&) {
        mm_transcript_info info;
        info.struct_size = sizeof info;
        busy = mm_transcript_info_get(stepped, &info);
        return true;
    };
    Transcript transcript = model.open_transcript(options);
    stepped = transcript.get();
    const std::vector<size_t> pieces = {5000, 5000, 6000};
    size_t i = 0, pushed = 0;
    for (int32_t state; (state = transcript.step()) != MM_STEP_DONE;) {
        if (state != MM_STEP_NEEDS_AUDIO) continue;
        if (i == pieces.size()) {
            transcript.finish();
        } else {
            transcript.push({samples + pushed, pieces[i], 16000});
            pushed += pieces[i++];
        }
    }
    begin(), add("%d", static_cast<int>(busy)), end("busy");
    begin(), add("%016" PRIx64, contents(transcript).first), end("stream");
    begin(), add_thrown([&] { transcript.push({samples, 100, 16000}); }), end("last_error");
}

void speech(const char* path) {
    const std::vector<float> samples = samples_of(16000);
    const mm_audio_chunk second{samples.data(), samples.size(), 16000};
    mm_whisper* closed = nullptr;
    {
        const Whisper model(path);
        whisper_model(model);
        tensors(model, second);
        transcription(model, second);
        stream(model, samples.data());
        closed = model.get();
    }
    mm_whisper_close(closed);
    mm_whisper_info info;
    info.struct_size = sizeof info;
    begin(), add("%d", static_cast<int>(mm_whisper_info_get(closed, &info))), end("closed_handle");
    begin(), add("%d", static_cast<int>(mm_whisper_info_get(nullptr, &info))), end("null_handle");
}

// ---- Pictures and texts ----

void clip(const char* path, const char* picture_path) {
    std::ifstream stream(picture_path, std::ios::binary);
    const std::string file((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    const Picture picture = decode_image(bytes_of(file), nullptr, kRun);
    begin(), add("%d %d ", static_cast<int>(picture.width), static_cast<int>(picture.height));
    add_buffer(picture.rgb), end("image_decode");
    begin(), add_buffer(resize_image(picture.pixels(), 20, 30, MM_FILTER_BICUBIC, kRun).rgb), end("image_resize");

    const Clip model(path);
    const mm_clip_info info = model.info();
    begin(), add("%d %d %d %d %d %s ", static_cast<int>(info.embedding_dim), static_cast<int>(info.image_size),
                 static_cast<int>(info.context_length), static_cast<int>(info.n_vocab),
                 static_cast<int>(info.has_tokenizer), info.weight_type);
    add_float(info.logit_scale), end("clip_info");
    begin(), add("%s", model.space_id().c_str()), end("clip_space_id");

    begin(), add_buffer(model.encode_image({bytes_of(file), bytes_of(file)}, nullptr, kRun)), end("clip_encode_image");
    const size_t row = 3 * static_cast<size_t>(picture.width), stride = row + 13;
    std::vector<uint8_t> apart(stride * static_cast<size_t>(picture.height));
    for (size_t y = 0; y < static_cast<size_t>(picture.height); ++y)
        memcpy(apart.data() + y * stride, picture.rgb.data() + y * row, row);
    const mm_pixels strided{apart.data(), picture.width, picture.height, stride};
    begin(), add_buffer(model.encode_pixels({strided}, nullptr, kRun)), end("clip_encode_pixels");

    ClipOptions raw;
    raw.normalize = MM_SWITCH_OFF;
    const std::vector<std::string> texts = {"a cat", "", "na\xc3\xafve caf\xc3\xa9 \xe7\x8c\xab"};
    begin(), add_buffer(model.encode_text(texts, &raw, kRun)), end("clip_encode_text");
    const Buffer<int32_t> ids = model.tokenize("a cat and the dog");
    begin(), add_ids(ids.data(), ids.size()), end("clip_tokenize");
    begin(), add_buffer(model.encode_tokens(ids.data(), ids.size(), nullptr, kRun)), end("clip_encode_tokens");
    begin(), add("%s", model.detokenize(ids.data(), ids.size()).c_str()), end("clip_detokenize");
    begin(), add_buffer(model.preprocess(bytes_of(file), nullptr, kRun)), end("clip_preprocess");
    begin(), add_thrown([&] { model.encode_text({"a\xff"}, nullptr, kRun); }), end("invalid_utf8");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s WHISPER CLIP PICTURE\n", argv[0]);
        return 2;
    }
    declarations();
    version();
    files(argv[1]);
    audio_cases();
    speech(argv[1]);
    clip(argv[2], argv[3]);
    mm_free(nullptr);
    mm_whisper_close(nullptr);
    mm_transcript_close(nullptr);
    mm_vad_close(nullptr);
    mm_clip_close(nullptr);
    begin(), add("done"), end("free_null");
    return 0;
}

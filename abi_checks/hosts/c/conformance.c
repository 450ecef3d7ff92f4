/* The conformance cases in C; other languages print the same. See ../README.md. */
#include "conformance.h"

static const mm_run_options run = {sizeof(mm_run_options), 2, NULL, NULL};

/* ---- Layouts, constants, version ---- */

#define ALIGNMENT(type)  \
    offsetof(            \
        struct {         \
            char before; \
            type it;     \
        },               \
        it)
#define STRUCT_BEGIN(type) begin(), add("size=%zu align=%zu", sizeof(type), ALIGNMENT(type));
#define FIELD(type, name) add(" %s@%zu:%zu", #name, offsetof(type, name), sizeof(((type*)0)->name));
#define STRUCT_END(type) end("layout." #type);
#define CONSTANT(name) begin(), add("%d", (int)name), end("constant." #name);

static void declarations(void) {
#include "constants.inc"
#include "structs.inc"
}

static void version(void) {
    static const int32_t statuses[] = {0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -1000};
    begin(), add("%u", (unsigned)mm_abi_version()), end("abi_version");
    begin(), add("%s", mm_version_string()), end("version");
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; ++i) {
        char name[32];
        snprintf(name, sizeof name, "status_string.%d", (int)statuses[i]);
        begin(), add("%s", mm_status_string(statuses[i])), end(name);
    }
}

/* ---- Files and audio ---- */

static void files(const char* whisper) {
    mm_whisper* out = (mm_whisper*)(uintptr_t)0xA5A5; /* garbage, to be replaced by NULL */
    char *error = NULL, *json = NULL;
    mm_status status = mm_whisper_open("there is no such file", NULL, &out, &error);
    begin(), add_refusal(status, error);
    if (!out) add(" out=0");
    end("missing_file");

    status = mm_model_verify(whisper, NULL, &json, NULL);
    begin(), add("%d ", (int)status), add_digest(json, json ? strlen(json) : 0, 1), end("model_verify");
    mm_free(json);
}

static void audio_cases(void) {
    float* samples = audio(32000);
    float *out = NULL, probability = 0.0f;
    size_t n = 0;
    char* error = NULL;
    mm_vad* vad = NULL;
    mm_vad_segment* segments = NULL;
    mm_vad_options options = {0};

    mm_resample(chunk_of(samples, 4410, 44100), 16000, &run, &out, &n, NULL);
    begin(), add_buffer(out, n, n, sizeof *out), end("resample");

    const float kept = samples[5];
    const uint32_t nan = UINT32_C(0x7fc00000);
    memcpy(&samples[5], &nan, sizeof nan);
    const mm_status status = mm_resample(chunk_of(samples, 4410, 44100), 16000, &run, &out, &n, &error);
    begin(), add_refusal(status, error), end("nan_sample");
    samples[5] = kept;

    mm_vad_open(NULL, &vad, NULL);
    begin();
    for (int i = 0; i < 2; ++i) {
        mm_vad_process(vad, samples + 512 * i, 512, &probability);
        if (i) add(" ");
        add_float(probability);
    }
    end("vad_process");

    mm_vad_probabilities(vad, chunk_of(samples, 32000, 16000), &run, &out, &n, NULL);
    begin(), add_buffer(out, n, n, sizeof *out), end("vad_probabilities");

    options.struct_size = sizeof options;
    options.threshold = 0.01f;
    mm_vad_segments(vad, chunk_of(samples, 32000, 16000), &options, &run, &segments, &n, NULL);
    begin(), add("%zu", n);
    for (size_t i = 0; i < n; ++i) {
        add(" "), add_double(segments[i].start);
        add(" "), add_double(segments[i].end);
    }
    end("vad_segments");
    mm_free(segments);
    mm_vad_close(vad);

    begin(), add("%d", (int)mm_vad_options_init(&options, 2)), end("options_too_small");
    free(samples);
}

/* ---- Speech ---- */

static void whisper_model(mm_whisper* model) {
    mm_whisper_info info;
    unsigned char small[sizeof(mm_whisper_info)], before[sizeof(mm_whisper_info)];
    const uint32_t too_small = 8;
    int32_t* ids = NULL;
    size_t n = 0;
    char* text = NULL;

    info.struct_size = sizeof info;
    mm_whisper_info_get(model, &info);
    begin(), add("%d %d %d %d %d %d", (int)info.n_mels, (int)info.n_audio_ctx, (int)info.n_text_ctx, (int)info.n_vocab,
                 (int)info.is_multilingual, (int)info.is_mapped);
    add(" %s %" PRIu64, info.weight_type, info.weight_bytes), end("whisper_info");

    memset(before, 0xA5, sizeof before);
    memcpy(before, &too_small, sizeof too_small);
    memcpy(&info, before, sizeof info);
    const mm_status status = mm_whisper_info_get(model, &info);
    memcpy(small, &info, sizeof info);
    begin(), add("%d", (int)status);
    if (memcmp(small, before, sizeof small) == 0) add(" kept");
    end("struct_size");

    mm_whisper_tokenize(model, " hello world", 12, &ids, &n, NULL);
    begin(), add_ids(ids, n), end("tokenize");
    mm_whisper_detokenize(model, ids, n, &text, &n, NULL);
    begin(), add("%s", text ? text : ""), end("detokenize");
    mm_free(ids);
    mm_free(text);
}

static void tensors(mm_whisper* model, mm_audio_chunk second) {
    static const int32_t tokens[] = {50258, 50259, 50359, 50363};
    float *mel = NULL, *encoded = NULL, *logits = NULL;
    size_t frames = 0, n_encoded = 0, n = 0;
    mm_language* languages = NULL;

    mm_whisper_log_mel(model, second, &run, &mel, &frames, NULL);
    mm_whisper_encode(model, mel, 40, 20, &run, &encoded, &n_encoded, NULL);
    mm_whisper_logits(model, encoded, 20, tokens, 4, &run, &logits, &n, NULL);
    begin(), add_buffer(mel, frames, frames * 80, sizeof *mel), end("log_mel");
    begin(), add_buffer(encoded, n_encoded, n_encoded, sizeof *encoded), end("encode");
    begin(), add_buffer(logits, n, n, sizeof *logits), end("logits");

    mm_whisper_detect_language(model, second, &run, &languages, &n, NULL);
    begin(), add("%zu", n);
    if (n) add(" %s ", languages[0].code), add_float(languages[0].probability);
    end("detect_language");
    mm_free(languages);
}

/* What callbacks are told, and whether it is themselves. */
typedef struct {
    int calls, stop_at, asked, progressed, foreign;
    uint64_t tokens;
    double done, total;
    mm_transcript* stepped;
    mm_status busy;
} Heard;

static Heard* expected_user_data;

static int32_t on_token(const mm_token* token, void* user_data) {
    Heard* heard = (Heard*)user_data;
    heard->foreign += heard != expected_user_data;
    heard->tokens = digest(heard->tokens, &token->id, 1, sizeof token->id);
    heard->tokens = digest(heard->tokens, &token->probability, 1, sizeof token->probability);
    if (heard->stepped) {
        mm_transcript_info info;
        info.struct_size = sizeof info;
        heard->busy = mm_transcript_info_get(heard->stepped, &info);
    }
    return ++heard->calls == heard->stop_at;
}

static int32_t on_progress(double done, double total, void* user_data) {
    Heard* heard = (Heard*)user_data;
    heard->foreign += heard != expected_user_data;
    heard->progressed++;
    heard->done = done;
    heard->total = total;
    return 0;
}

static int32_t should_abort(void* user_data) {
    ((Heard*)user_data)->asked++;
    return 1;
}

static mm_transcribe_options options_for(Heard* heard) {
    static const float greedy[] = {0.0f};
    mm_transcribe_options options;
    memset(heard, 0, sizeof *heard);
    heard->tokens = NOTHING;
    expected_user_data = heard;
    mm_transcribe_options_init(&options, sizeof options);
    options.language = "en";
    options.temperatures = greedy;
    options.n_temperatures = 1;
    options.beam_size = 1;
    options.max_new_tokens = 8;
    options.threads = 2;
    options.on_token = on_token;
    options.user_data = heard;
    return options;
}

static uint64_t texts_of(mm_transcript* transcript, size_t n_segments, uint64_t* ids) {
    uint64_t texts = NOTHING;
    *ids = NOTHING;
    for (size_t i = 0; i < n_segments; ++i) {
        mm_segment segment;
        segment.struct_size = sizeof segment;
        mm_transcript_segment(transcript, i, &segment);
        texts = digest(texts, segment.text, segment.text_len, 1);
        for (size_t j = 0; j < segment.n_tokens; ++j) {
            mm_token token;
            token.struct_size = sizeof token;
            mm_transcript_token(transcript, i, j, &token);
            *ids = digest(*ids, &token.id, 1, sizeof token.id);
        }
    }
    return texts;
}

static void transcription(mm_whisper* model, mm_audio_chunk second) {
    Heard heard;
    uint64_t ids = 0;
    mm_transcript* transcript = NULL;
    mm_transcript_info info;
    mm_transcribe_options options = options_for(&heard);
    options.on_progress = on_progress;

    mm_status status = mm_whisper_transcribe(model, second, &options, &transcript, NULL);
    begin(), add("%d %d %016" PRIx64, (int)status, heard.calls, heard.tokens), end("transcribe");

    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    mm_transcript_info_get(transcript, &info);
    const uint64_t texts = texts_of(transcript, info.n_segments, &ids);
    begin(), add("%zu %s ", info.n_segments, info.language), add_double(info.duration);
    add(" %016" PRIx64 " %016" PRIx64, texts, ids), end("transcript");
    mm_transcript_close(transcript);

    begin(), add("%d ", heard.progressed), add_double(heard.done), add(" "), add_double(heard.total), end("progress");
    const int foreign = heard.foreign;

    options = options_for(&heard);
    heard.stop_at = 3;
    status = mm_whisper_transcribe(model, second, &options, &transcript, NULL);
    begin(), add("%d %d", (int)status, heard.calls), end("callback_stops");

    options = options_for(&heard);
    options.should_abort = should_abort;
    status = mm_whisper_transcribe(model, second, &options, &transcript, NULL);
    begin(), add("%d", (int)status), end("should_abort");

    begin(), add("%d", foreign == 0), end("user_data");
}

static void stream(mm_whisper* model, const float* samples) {
    static const size_t pieces[] = {5000, 5000, 6000};
    Heard heard;
    uint64_t ids = 0;
    size_t pushed = 0;
    int32_t state = MM_STEP_MORE;
    mm_transcript* transcript = NULL;
    mm_transcript_info info;
    mm_transcribe_options options = options_for(&heard);
    mm_status status = mm_transcript_open(model, &options, &transcript, NULL);
    heard.stepped = transcript;
    for (int i = 0; status == MM_OK && state != MM_STEP_DONE;) {
        status = mm_transcript_step(transcript, &state);
        if (status != MM_OK || state != MM_STEP_NEEDS_AUDIO) continue;
        if (i < 3) {
            status = mm_transcript_push(transcript, chunk_of(samples + pushed, pieces[i], 16000));
            pushed += pieces[i++];
        } else {
            status = mm_transcript_finish(transcript);
        }
    }
    begin(), add("%d", (int)heard.busy), end("busy");
    info.struct_size = sizeof info;
    mm_transcript_info_get(transcript, &info);
    begin(), add("%016" PRIx64, texts_of(transcript, info.n_segments, &ids)), end("stream");

    status = mm_transcript_push(transcript, chunk_of(samples, 100, 16000));
    begin(), add("%d %s", (int)status, mm_transcript_last_error(transcript)), end("last_error");
    mm_transcript_close(transcript);
}

static void speech(const char* path) {
    mm_whisper* model = NULL;
    mm_whisper_info info;
    float* samples = audio(16000);
    const mm_audio_chunk second = chunk_of(samples, 16000, 16000);
    mm_whisper_open(path, NULL, &model, NULL);
    whisper_model(model);
    tensors(model, second);
    transcription(model, second);
    stream(model, samples);
    mm_whisper_close(model);
    mm_whisper_close(model);
    info.struct_size = sizeof info;
    begin(), add("%d", (int)mm_whisper_info_get(model, &info)), end("closed_handle");
    begin(), add("%d", (int)mm_whisper_info_get(NULL, &info)), end("null_handle");
    free(samples);
}

/* ---- Pictures and texts ---- */

static mm_bytes text_of(const char* text) {
    mm_bytes bytes;
    bytes.data = text;
    bytes.len = strlen(text);
    return bytes;
}

static mm_bytes read_file(const char* path) {
    static unsigned char data[1 << 20];
    mm_bytes bytes = {data, 0};
    FILE* file = fopen(path, "rb");
    if (file) {
        bytes.len = fread(data, 1, sizeof data, file);
        fclose(file);
    }
    return bytes;
}

static void pixels_cases(mm_clip* model, mm_bytes picture) {
    uint8_t *rgb = NULL, *small = NULL;
    int32_t width = 0, height = 0;
    float* out = NULL;
    size_t n = 0;
    mm_image_decode(picture.data, picture.len, NULL, &run, &rgb, &width, &height, NULL);
    const size_t row = 3 * (size_t)width, size = row * (size_t)height, stride = row + 13;
    const mm_pixels whole = {rgb, width, height, 0};
    mm_image_resize(&whole, 20, 30, MM_FILTER_BICUBIC, &run, &small, NULL);

    unsigned char* apart = (unsigned char*)calloc((size_t)height, stride);
    if (!apart || !rgb) abort();
    for (int32_t y = 0; y < height; ++y) memcpy(apart + (size_t)y * stride, rgb + (size_t)y * row, row);
    const mm_pixels strided = {apart, width, height, stride};

    begin(), add("%d %d ", (int)width, (int)height), add_buffer(rgb, size, size, 1), end("image_decode");
    begin(), add_buffer(small, 1800, 1800, 1), end("image_resize");

    mm_clip_info info;
    char* space = NULL;
    info.struct_size = sizeof info;
    mm_clip_info_get(model, &info);
    begin(), add("%d %d %d %d %d %s ", (int)info.embedding_dim, (int)info.image_size, (int)info.context_length,
                 (int)info.n_vocab, (int)info.has_tokenizer, info.weight_type);
    add_float(info.logit_scale), end("clip_info");
    mm_clip_space_id(model, NULL, &space, NULL);
    begin(), add("%s", space ? space : ""), end("clip_space_id");
    mm_free(space);

    const mm_bytes twice[] = {picture, picture};
    mm_clip_encode_image(model, twice, 2, NULL, &run, &out, &n, NULL);
    begin(), add_buffer(out, n, n, sizeof *out), end("clip_encode_image");
    mm_clip_encode_pixels(model, &strided, 1, NULL, &run, &out, &n, NULL);
    begin(), add_buffer(out, n, n, sizeof *out), end("clip_encode_pixels");
    free(apart);
}

static void texts_cases(mm_clip* model, mm_bytes picture) {
    const mm_bytes texts[] = {text_of("a cat"), text_of(""), text_of("na\xc3\xafve caf\xc3\xa9 \xe7\x8c\xab")};
    mm_clip_options raw = {0};
    float* out = NULL;
    uint8_t* square = NULL;
    int32_t* ids = NULL;
    size_t n = 0, n_ids = 0;
    char *text = NULL, *error = NULL;

    raw.struct_size = sizeof raw;
    raw.normalize = MM_SWITCH_OFF;
    mm_clip_encode_text(model, texts, 3, &raw, &run, &out, &n, NULL);
    begin(), add_buffer(out, n, n, sizeof *out), end("clip_encode_text");

    mm_clip_tokenize(model, "a cat and the dog", 17, &ids, &n_ids, NULL);
    begin(), add_ids(ids, n_ids), end("clip_tokenize");
    mm_clip_encode_tokens(model, ids, n_ids, NULL, &run, &out, &n, NULL);
    begin(), add_buffer(out, n, n, sizeof *out), end("clip_encode_tokens");
    mm_clip_detokenize(model, ids, n_ids, &text, &n, NULL);
    begin(), add("%s", text ? text : ""), end("clip_detokenize");
    mm_free(text);
    mm_free(ids);

    mm_clip_preprocess_image(model, &picture, NULL, &run, &square, &n, NULL);
    begin(), add_buffer(square, n, n, 1), end("clip_preprocess");

    const mm_bytes invalid = {"a\xff", 2};
    const mm_status status = mm_clip_encode_text(model, &invalid, 1, NULL, &run, &out, &n, &error);
    begin(), add_refusal(status, error), end("invalid_utf8");
}

static void clip(const char* path, const char* picture_path) {
    mm_clip* model = NULL;
    const mm_bytes picture = read_file(picture_path);
    mm_clip_open(path, NULL, &model, NULL);
    pixels_cases(model, picture);
    texts_cases(model, picture);
    mm_clip_close(model);
}

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
    mm_free(NULL);
    mm_whisper_close(NULL);
    mm_transcript_close(NULL);
    mm_vad_close(NULL);
    mm_clip_close(NULL);
    begin(), add("done"), end("free_null");
    return 0;
}

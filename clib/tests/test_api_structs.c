/* Structs that carry their size: as an older, this and a newer release has them.
 * Usage: test_api_structs MODEL */
#include "check.h"

static mm_whisper* model;
static float* samples;
static mm_audio_chunk audio; /* one second */
static mm_transcribe_options fast;

#define BAD MM_ERROR_INVALID_ARGUMENT

static void options(void) {
    struct {
        mm_transcribe_options known;
        unsigned char unknown[64];
    } newer;
    struct {
        mm_vad_options known;
        unsigned char unknown[16];
    } vad;
    struct {
        mm_run_options known;
        unsigned char unknown[16];
    } run;
    float* floats = NULL;
    mm_vad_segment* segments = NULL;
    mm_vad* detector = NULL;
    size_t n = 0;
    mm_open_options open = {0, 0, NULL};
    mm_whisper* w = NULL;
    mm_transcript* t = NULL;

    memset(&newer, 0xAA, sizeof(newer));
    CHECK_STATUS(mm_transcribe_options_init(&newer.known, 0), BAD);
    CHECK_STATUS(mm_transcribe_options_init(&newer.known, 8), BAD);
    CHECK_STATUS(mm_transcribe_options_init(&newer.known, UINT32_MAX), BAD);
    CHECK(newer.known.task == (int32_t)0xAAAAAAAA); /* untouched */
    CHECK_STATUS(mm_transcribe_options_init(&newer.known, sizeof(newer.known)), MM_OK);
    CHECK(newer.known.struct_size == sizeof(newer.known) && newer.known.beam_size == 5);
    CHECK(newer.unknown[0] == 0xAA); /* not a byte behind the caller's size */
    CHECK_STATUS(mm_transcribe_options_init(&newer.known, sizeof(newer.known) + 32), MM_OK);
    CHECK(newer.known.struct_size == sizeof(newer.known) + 32);
    CHECK(newer.unknown[0] == 0 && newer.unknown[31] == 0 && newer.unknown[32] == 0xAA);

    newer.known = fast;
    newer.known.struct_size = sizeof(newer.known) + 32;
    CHECK_STATUS(mm_transcript_open(model, &newer.known, &t, NULL), MM_OK);
    mm_transcript_close(t);
    newer.unknown[31] = 1;
    CHECK_MESSAGE(mm_transcript_open(model, &newer.known, &t, &error), BAD, "does not know");
    newer.known.struct_size = 0;
    CHECK_MESSAGE(mm_transcript_open(model, &newer.known, &t, &error), BAD, "mm_transcribe_options_init");
    newer.known.struct_size = sizeof(newer.known) - 8;
    CHECK_MESSAGE(mm_transcript_open(model, &newer.known, &t, &error), BAD, "struct_size");
    newer.known.struct_size = UINT32_MAX;
    CHECK_MESSAGE(mm_whisper_transcribe(model, audio, &newer.known, &t, &error), BAD, "struct_size");

    memset(&vad, 0xAA, sizeof(vad));
    CHECK_STATUS(mm_vad_options_init(&vad.known, sizeof(vad.known)), MM_OK);
    CHECK(vad.unknown[0] == 0xAA && vad.known.threshold == 0.5f);
    newer.known = fast;
    newer.known.vad_filter = MM_SWITCH_ON;
    newer.known.vad_options = &vad.known;
    vad.known.struct_size = 0;
    CHECK_MESSAGE(mm_transcript_open(model, &newer.known, &t, &error), BAD, "mm_vad_options_init");

    CHECK_MESSAGE(mm_whisper_open("model.gguf", &open, &w, &error), BAD, "sizeof(mm_open_options)");

    memset(&run, 0, sizeof(run));
    CHECK_MESSAGE(mm_resample(audio, 8000, &run.known, &floats, &n, &error), BAD, "sizeof(mm_run_options)");
    run.known.struct_size = sizeof(run.known) - 8;
    CHECK_MESSAGE(mm_whisper_log_mel(model, audio, &run.known, &floats, &n, &error), BAD, "struct_size");
    run.known.struct_size = sizeof(run);
    CHECK_STATUS(mm_resample(audio, 8000, &run.known, &floats, &n, NULL), MM_OK); /* of a newer caller */
    CHECK(n == 8000);
    mm_free(floats);
    run.unknown[15] = 1;
    CHECK_MESSAGE(mm_resample(audio, 8000, &run.known, &floats, &n, &error), BAD, "does not know");

    memset(&vad, 0xAA, sizeof(vad));
    CHECK_STATUS(mm_vad_options_init(&vad.known, 0), BAD);
    CHECK_STATUS(mm_vad_options_init(&vad.known, 8), BAD);
    CHECK_STATUS(mm_vad_options_init(&vad.known, UINT32_MAX), BAD);
    CHECK(vad.known.struct_size == 0xAAAAAAAA);
    CHECK_STATUS(mm_vad_options_init(&vad.known, sizeof(vad)), MM_OK);
    CHECK(vad.unknown[0] == 0 && vad.unknown[15] == 0 && vad.known.struct_size == sizeof(vad));
    CHECK_STATUS(mm_vad_open(NULL, &detector, NULL), MM_OK);
    CHECK_STATUS(mm_vad_segments(detector, audio, &vad.known, NULL, &segments, &n, NULL), MM_OK);
    mm_free(segments);
    vad.known.struct_size = 4;
    CHECK_MESSAGE(mm_vad_segments(detector, audio, &vad.known, NULL, &segments, &n, &error), BAD, "struct_size is 4");
    vad.known.struct_size = sizeof(vad);
    vad.unknown[15] = 1;
    CHECK_MESSAGE(mm_vad_segments(detector, audio, &vad.known, NULL, &segments, &n, &error), BAD, "does not know");
    mm_vad_close(detector);
}

/* A struct that a call fills, of four sizes: none, too small, this release's, a newer one's. */
#define FILLED(type, call, is_filled)                                                                       \
    do {                                                                                                    \
        struct {                                                                                            \
            type known;                                                                                     \
            unsigned char unknown[32];                                                                      \
        } it;                                                                                               \
        const uint32_t bad[] = {0, 8, sizeof(type) - 8, 4097, UINT32_MAX};                                  \
        for (int i = 0; i < 5; ++i) {                                                                       \
            memset(&it, 0xAA, sizeof(it));                                                                  \
            it.known.struct_size = bad[i];                                                                  \
            CHECK_STATUS(call, BAD);                                                                        \
            for (size_t b = sizeof(uint32_t); b < sizeof(it); ++b) CHECK(((unsigned char*)&it)[b] == 0xAA); \
        }                                                                                                   \
        memset(&it, 0xAA, sizeof(it));                                                                      \
        it.known.struct_size = sizeof(type);                                                                \
        CHECK_STATUS(call, MM_OK);                                                                          \
        CHECK((is_filled) && it.unknown[0] == 0xAA && it.known.struct_size == sizeof(type));                \
        it.known.struct_size = sizeof(type) + 16;                                                           \
        CHECK_STATUS(call, MM_OK);                                                                          \
        CHECK((is_filled) && it.unknown[0] == 0 && it.unknown[15] == 0 && it.unknown[16] == 0xAA);          \
    } while (0)

static void filled(void) {
    mm_transcript* t = NULL;
    mm_transcribe_options o = fast;
    o.language = "en";
    o.word_timestamps = MM_SWITCH_ON;
    o.timestamps = MM_SWITCH_OFF;
    CHECK_STATUS(mm_whisper_transcribe(model, audio, &o, &t, NULL), MM_OK);
    FILLED(mm_whisper_info, mm_whisper_info_get(model, &it.known), it.known.n_mels == 80);
    FILLED(mm_transcript_info, mm_transcript_info_get(t, &it.known), it.known.duration == 1.0);
    FILLED(mm_segment, mm_transcript_segment(t, 0, &it.known), it.known.n_tokens > 0 && it.known.n_words > 0);
    FILLED(mm_token, mm_transcript_token(t, 0, 0, &it.known), it.known.probability > 0.0f);
    FILLED(mm_word, mm_transcript_word(t, 0, 0, &it.known), it.known.text_len > 0);
    mm_transcript_close(t);
}

int main(int argc, char** argv) {
    static const float zero[1] = {0.0f};
    model = open_model(model_argument(argc, argv));
    samples = noise(16000, 1);
    audio = chunk_of(samples, 16000, 16000);
    CHECK_STATUS(mm_transcribe_options_init(&fast, sizeof(fast)), MM_OK);
    fast.beam_size = 1;
    fast.max_new_tokens = 4;
    fast.audio_ctx = 50;
    fast.temperatures = zero;
    fast.n_temperatures = 1;
    fast.no_speech_threshold = 1.0f;
    options();
    filled();
    mm_whisper_close(model);
    free(samples);
    return finish("test_api_structs");
}

/* The transcript of audio pushed in pieces of any size is that of the whole, to the last bit.
 * Usage: test_api_streaming MODEL
 * MM_TEST_INSTRUMENTED in the environment: fewer cases. */
#include <math.h>

#include "check.h"

static mm_whisper* model;
static uint32_t seed = 5;

static uint32_t draw(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)seed * below) >> 32);
}

/* ---- A digest of everything a transcript says ---- */

static uint64_t digest;

static void add(const void* data, size_t size) {
    const unsigned char* bytes = (const unsigned char*)data;
    for (size_t i = 0; i < size; ++i) digest = (digest ^ bytes[i]) * UINT64_C(1099511628211); /* FNV-1a */
}

static uint64_t digest_of(mm_transcript* t, size_t* n_segments) {
    mm_transcript_info info;
    info.struct_size = sizeof(info);
    digest = UINT64_C(14695981039346656037);
    CHECK_STATUS(mm_transcript_info_get(t, &info), MM_OK);
    add(info.language, sizeof(info.language));
    add(&info.language_probability, sizeof(float));
    add(&info.duration, sizeof(double));
    add(&info.duration_after_vad, sizeof(double));
    add(&info.done, sizeof(double));
    for (size_t s = 0; s < info.n_segments; ++s) {
        mm_segment segment;
        segment.struct_size = sizeof(segment);
        CHECK_STATUS(mm_transcript_segment(t, s, &segment), MM_OK);
        add(segment.text, segment.text_len);
        add(&segment.seek, sizeof(int64_t));
        add(&segment.start, 2 * sizeof(double)); /* and end */
        add(&segment.temperature, 4 * sizeof(float));
        for (size_t i = 0; i < segment.n_tokens; ++i) {
            mm_token token;
            token.struct_size = sizeof(token);
            CHECK_STATUS(mm_transcript_token(t, s, i, &token), MM_OK);
            add(&token.id, 3 * sizeof(int32_t)); /* window and attempt */
            add(token.text, token.text_len);
            if (!isnan(token.start)) add(&token.start, 2 * sizeof(double));
            add(&token.probability, sizeof(float));
        }
        for (size_t i = 0; i < segment.n_words; ++i) {
            mm_word word;
            word.struct_size = sizeof(word);
            CHECK_STATUS(mm_transcript_word(t, s, i, &word), MM_OK);
            add(word.text, word.text_len);
            add(&word.start, 2 * sizeof(double));
            add(&word.probability, sizeof(float));
        }
    }
    *n_segments = info.n_segments;
    return digest;
}

/* ---- Cases ---- */

/* A buzz that comes and goes, so that the detector finds runs of something. */
static float* buzz(size_t n, uint32_t rate) {
    float* samples = noise(n, draw(1000));
    double phase = 0;
    for (size_t i = 0; i < n; ++i) {
        const double t = (double)i / rate;
        phase += (90 + 40 * sin(t)) / rate;
        samples[i] =
            (float)((fmod(t, 7) < 4 ? 1.0 : 0.001) * (0.3 * (2 * fmod(phase, 1) - 1) + 0.02 * (double)samples[i]));
    }
    return samples;
}

static mm_transcribe_options any_options(void) {
    static const float temperatures[2] = {0.0f, 0.4f};
    mm_transcribe_options o;
    CHECK_STATUS(mm_transcribe_options_init(&o, sizeof(o)), MM_OK);
    o.temperatures = temperatures;
    o.n_temperatures = 1 + draw(2);
    o.beam_size = (int32_t)(1 + draw(3));
    o.best_of = 2;
    o.max_new_tokens = (int32_t)(4 + draw(12));
    o.no_speech_threshold = INFINITY;
    o.seed = draw(100);
    if (draw(2)) o.language = "en";
    if (draw(2)) o.word_timestamps = MM_SWITCH_ON;
    if (o.word_timestamps == MM_SWITCH_ON && draw(2)) o.hallucination_silence_threshold = 0.5f + (float)draw(4);
    if (draw(2)) o.vad_filter = MM_SWITCH_ON;
    o.audio_ctx = (int32_t)(draw(3) ? 0 : 100 + draw(300));
    return o;
}

static mm_transcript* in_pieces(mm_audio_chunk audio, const mm_transcribe_options* o) {
    const uint32_t longest = 1 + draw(audio.sample_rate * (draw(2) ? 1 : 40));
    const uint32_t same = draw(2); /* all of a size, or any up to that */
    mm_transcript* t = NULL;
    size_t at = 0;
    int32_t state = MM_STEP_MORE;
    CHECK_STATUS(mm_transcript_open(model, o, &t, NULL), MM_OK);
    while (state != MM_STEP_DONE) {
        if (mm_transcript_step(t, &state) != MM_OK) {
            fprintf(stderr, "step: %s\n", mm_transcript_last_error(t));
            ++checks_failed;
            break;
        }
        if (state != MM_STEP_NEEDS_AUDIO) continue;
        if (at == audio.len) {
            CHECK_STATUS(mm_transcript_finish(t), MM_OK);
            continue;
        }
        size_t n = same ? longest : draw(longest + 1);
        if (n > audio.len - at) n = audio.len - at;
        CHECK_STATUS(mm_transcript_push(t, chunk_of(audio.samples + at, n, audio.sample_rate)), MM_OK);
        at += n;
    }
    return t;
}

int main(int argc, char** argv) {
    static const uint32_t rates[] = {16000, 8000, 44100, 48000};
    const int cases = getenv("MM_TEST_INSTRUMENTED") ? 4 : 16;
    size_t all_segments = 0;
    model = open_model(model_argument(argc, argv));
    for (int i = 0; i < cases; ++i) {
        const uint32_t rate = rates[i % 4];
        const size_t len = draw(rate * 80);
        float* samples = buzz(len, rate);
        const mm_transcribe_options o = any_options();
        mm_transcript *whole = NULL, *pieces = NULL;
        size_t n = 0, n_pieces = 0;
        CHECK_STATUS(mm_whisper_transcribe(model, chunk_of(samples, len, rate), &o, &whole, NULL), MM_OK);
        pieces = in_pieces(chunk_of(samples, len, rate), &o);
        if (digest_of(whole, &n) != digest_of(pieces, &n_pieces)) {
            fprintf(stderr, "case %d differs: %u Hz, %zu samples, detector %d, words %d, audio_ctx %d\n", i, rate, len,
                    o.vad_filter, o.word_timestamps, o.audio_ctx);
            ++checks_failed;
        }
        all_segments += n;
        mm_transcript_close(whole);
        mm_transcript_close(pieces);
        free(samples);
    }
    printf("%zu segments in %d cases\n", all_segments, cases);
    CHECK(all_segments > (size_t)cases);
    mm_whisper_close(model);
    return finish("test_api_streaming");
}

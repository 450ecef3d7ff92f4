/* Structs that go in and come out: what their padding holds, and how far they are written.
 * Usage: structs padding | filled WHISPER CLIP PICTURE */
#include "guarded.h"

static mm_whisper* whisper;
static mm_clip* clip;
static mm_vad* vad;
static mm_transcript* transcript;
static struct file picture;
static const char* clip_path;
static float audio[16000];

/* ---- Where the fields of a struct are ---- */

static const struct field {
    const char* type;
    size_t offset, size;
} fields[] = {
#define STRUCT_BEGIN(type)
#define FIELD(type, name) {#type, offsetof(type, name), sizeof(((type*)0)->name)},
#define STRUCT_END(type)
#include "structs.inc"
};

static size_t painted; /* bytes of padding */

static void paint(void* object, size_t size, const char* type, unsigned char with) {
    unsigned char* bytes = (unsigned char*)object;
    for (size_t i = 0; i < size; ++i) {
        int is_padding = 1;
        for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); ++f)
            if (strcmp(fields[f].type, type) == 0 && i - fields[f].offset < fields[f].size) is_padding = 0;
        if (!is_padding) continue;
        bytes[i] = with;
        ++painted;
    }
}
#define PAINT(type, object, with) paint(&(object), sizeof(type), #type, with)

/* ---- Padding of what goes in: results for each filling ---- */

static uint64_t taken(uint64_t digest, mm_status status, void* out, size_t size) {
    if (status != MM_OK) fault("a call with painted padding gave status %d", (int)status);
    digest = add_bytes(digest, out, out ? size : 0);
    mm_free(out);
    return digest;
}

static uint64_t results(unsigned char with) {
    uint64_t digest = DIGEST_START;
    float* floats = NULL;
    uint8_t* bytes = NULL;
    mm_vad_segment* segments = NULL;
    mm_transcript* made = NULL;
    mm_clip* opened = NULL;
    size_t n = 0;
    int32_t width = 0, height = 0;
    mm_status status;
    mm_audio_chunk chunk = {audio, 16000, 16000};
    mm_run_options run = one_thread();
    mm_open_options open;
    mm_vad_options eager = {sizeof(eager), 2e-4f, 1e-4f, -1, -1, -1, 0};
    mm_transcribe_options options = short_options();
    mm_image_options image = {sizeof(image), MM_SWITCH_ON, 100000};
    mm_clip_options embed = {sizeof(embed), MM_SWITCH_OFF, MM_SWITCH_OFF, 100000};
    mm_bytes text = {"the cat", 7};
    mm_pixels pixels = {(const uint8_t*)audio, 20, 20, 70};
    memset(&open, 0, sizeof(open));
    open.struct_size = sizeof(open);
    PAINT(mm_audio_chunk, chunk, with);
    PAINT(mm_run_options, run, with);
    PAINT(mm_open_options, open, with);
    PAINT(mm_vad_options, eager, with);
    PAINT(mm_transcribe_options, options, with);
    PAINT(mm_image_options, image, with);
    PAINT(mm_clip_options, embed, with);
    PAINT(mm_bytes, text, with);
    PAINT(mm_pixels, pixels, with);
    options.vad_options = &eager;
    options.vad_filter = MM_SWITCH_ON;

    status = mm_resample(chunk, 8000, &run, &floats, &n, NULL);
    digest = taken(digest, status, floats, n * sizeof(float));
    status = mm_vad_probabilities(vad, chunk, &run, &floats, &n, NULL);
    digest = taken(digest, status, floats, n * sizeof(float));
    status = mm_vad_segments(vad, chunk, &eager, &run, &segments, &n, NULL);
    digest = taken(digest, status, segments, n * sizeof(mm_vad_segment));
    status = mm_whisper_log_mel(whisper, chunk, &run, &floats, &n, NULL);
    digest = taken(digest, status, floats, n * 80 * sizeof(float));
    status = mm_whisper_transcribe(whisper, chunk, &options, &made, NULL);
    if (status == MM_OK) {
        mm_transcript_info info;
        info.struct_size = sizeof(info);
        must(mm_transcript_info_get(made, &info), "mm_transcript_info_get");
        digest = add_bytes(digest, &info.duration_after_vad, sizeof(double));
        digest = add_bytes(digest, &info.n_segments, sizeof(size_t));
    }
    digest = taken(digest, status, NULL, 0);
    mm_transcript_close(made);
    made = NULL;
    must(mm_transcript_open(whisper, &options, &made, NULL), "mm_transcript_open");
    digest = taken(digest, mm_transcript_push(made, chunk), NULL, 0);
    mm_transcript_close(made);
    status = mm_image_decode(picture.data, picture.size, &image, &run, &bytes, &width, &height, NULL);
    digest = taken(digest, status, bytes, 3 * (size_t)width * (size_t)height);
    status = mm_clip_encode_text(clip, &text, 1, &embed, &run, &floats, &n, NULL);
    digest = taken(digest, status, floats, n * sizeof(float));
    status = mm_clip_encode_pixels(clip, &pixels, 1, &embed, &run, &floats, &n, NULL);
    digest = taken(digest, status, floats, n * sizeof(float));
    digest = taken(digest, mm_clip_open(clip_path, &open, &opened, NULL), NULL, 0);
    mm_clip_close(opened);
    return digest;
}

static void padding(void) {
    const unsigned char fillings[] = {0xA5, 0x5A, 0xFF};
    const uint64_t expected = results(0);
    for (size_t i = 0; i < sizeof(fillings); ++i)
        if (results(fillings[i]) != expected) fault("padding of 0x%02X changes results", fillings[i]);
    if (painted < 4 * 4) fault("%zu bytes of padding: mm_audio_chunk alone has 4", painted);
    printf("%zu\n", painted / 4);
}

/* ---- What comes out: written as far as the caller says there is room, and no byte further ---- */

static mm_status fill_whisper_info(void* out, uint32_t size) {
    (void)size;
    return mm_whisper_info_get(whisper, (mm_whisper_info*)out);
}
static mm_status fill_clip_info(void* out, uint32_t size) {
    (void)size;
    return mm_clip_info_get(clip, (mm_clip_info*)out);
}
static mm_status fill_transcript_info(void* out, uint32_t size) {
    (void)size;
    return mm_transcript_info_get(transcript, (mm_transcript_info*)out);
}
static mm_status fill_segment(void* out, uint32_t size) {
    (void)size;
    return mm_transcript_segment(transcript, 0, (mm_segment*)out);
}
static mm_status fill_token(void* out, uint32_t size) {
    (void)size;
    return mm_transcript_token(transcript, 0, 0, (mm_token*)out);
}
static mm_status fill_word(void* out, uint32_t size) {
    (void)size;
    return mm_transcript_word(transcript, 0, 0, (mm_word*)out);
}
static mm_status fill_no_segment(void* out, uint32_t size) { /* fails, and leaves zeros */
    (void)size;
    return mm_transcript_segment(transcript, 99, (mm_segment*)out) == MM_ERROR_INVALID_ARGUMENT ? MM_OK
                                                                                                : MM_ERROR_INTERNAL;
}
static mm_status fill_vad_options(void* out, uint32_t size) {
    return mm_vad_options_init((mm_vad_options*)out, size);
}
static mm_status fill_transcribe_options(void* out, uint32_t size) {
    return mm_transcribe_options_init((mm_transcribe_options*)out, size);
}

#define END_OF(type, last) (offsetof(type, last) + sizeof(((type*)0)->last))
static const struct filled {
    const char* name;
    size_t first; /* the size it had in the first release, without its padding */
    int refuses;  /* sizes that are too small: else the call fails in another way, too */
    mm_status (*fill)(void* out, uint32_t size);
} all_filled[] = {
    {"mm_whisper_info_get", END_OF(mm_whisper_info, weight_bytes), 1, fill_whisper_info},
    {"mm_clip_info_get", END_OF(mm_clip_info, weight_bytes), 1, fill_clip_info},
    {"mm_transcript_info_get", END_OF(mm_transcript_info, n_segments), 1, fill_transcript_info},
    {"mm_transcript_segment", END_OF(mm_segment, no_speech_prob), 1, fill_segment},
    {"mm_transcript_token", END_OF(mm_token, probability), 1, fill_token},
    {"mm_transcript_word", END_OF(mm_word, end), 1, fill_word},
    {"mm_transcript_segment that fails", END_OF(mm_segment, no_speech_prob), 0, fill_no_segment},
    {"mm_vad_options_init", END_OF(mm_vad_options, max_speech_s), 1, fill_vad_options},
    {"mm_transcribe_options_init", END_OF(mm_transcribe_options, user_data), 1, fill_transcribe_options},
};

enum { PAINTED = 0xA5, ROOM = 8192 };

/* `at` has 4 bytes for struct_size even where that says less. */
static void fill_at(const struct filled* f, unsigned char* at, size_t room, uint32_t size) {
    memset(at, PAINTED, room);
    memcpy(at, &size, sizeof(size));
    guarded.input = at;
    guarded.length = size;
    guarded.name = f->name;
    guarded.n = size;
    const mm_status status = f->fill(at, size);
    const int refused = size < f->first || size > 4096;
    if (f->refuses && status != (refused ? MM_ERROR_INVALID_ARGUMENT : MM_OK))
        fault("%s: struct_size %u gives status %d", f->name, size, (int)status);
    for (size_t i = refused ? sizeof(size) : size; i < room; ++i)
        if (at[i] != PAINTED) {
            fault("%s: struct_size %u, byte %zu behind it is written", f->name, size, i);
            break;
        }
    int is_left = 0;
    for (size_t i = sizeof(size); i + 4 <= f->first && !refused; ++i)
        is_left |= at[i] == PAINTED && at[i + 1] == PAINTED && at[i + 2] == PAINTED && at[i + 3] == PAINTED;
    if (is_left) fault("%s: struct_size %u, not all of it is written", f->name, size);
}

static void filled(void) {
    size_t sizes = 0;
    protect(PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < sizeof(all_filled) / sizeof(all_filled[0]); ++i) {
        const struct filled* f = &all_filled[i];
        for (uint32_t size = 0; size <= 4104; size = size < 400 ? size + 1 : size + 8, ++sizes) {
            fill_at(f, guarded.begin, ROOM, size);
            /* Up to the last byte that may be written. */
            const size_t room = size < 4 ? 8 : size;
            if (room % 8 == 0) fill_at(f, guarded.begin + guarded.size - room, room, size);
        }
        fill_at(f, guarded.begin + guarded.size - 8, 8, UINT32_MAX);
    }
    printf("%zu\n", sizes);
}

/* A transcript with a segment, a token and a word. */
static void transcribe(void) {
    const mm_audio_chunk chunk = {audio, 16000, 16000};
    mm_transcribe_options options = short_options();
    options.word_timestamps = MM_SWITCH_ON;
    options.audio_ctx = 50;
    options.max_new_tokens = 8;
    must(mm_whisper_transcribe(whisper, chunk, &options, &transcript, NULL), "mm_whisper_transcribe");
}

int main(int argc, char** argv) {
    if (argc != 5) give_up(argv[0], "usage: structs padding | filled WHISPER CLIP PICTURE");
    must(mm_whisper_open(argv[2], NULL, &whisper, NULL), argv[2]);
    must(mm_clip_open(argv[3], NULL, &clip, NULL), argv[3]);
    must(mm_vad_open(NULL, &vad, NULL), "mm_vad_open");
    clip_path = argv[3];
    picture = read_file(argv[4]);
    make_audio(audio, 16000);
    make_guarded(2 * ROOM);
    if (strcmp(argv[1], "padding") == 0)
        padding();
    else {
        transcribe();
        filled();
    }
    mm_transcript_close(transcript);
    mm_vad_close(vad);
    mm_clip_close(clip);
    mm_whisper_close(whisper);
    free(picture.data);
    return verdict();
}

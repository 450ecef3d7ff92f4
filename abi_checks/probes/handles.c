/* Carries out calls that it is told on standard input, one a line: NAME [NUMBER [NUMBER]]. Numbers are those of
 * handles, of whatever kind and whether open or not, or of buffers, in the order they came. Handles 0 to 2 never were
 * any. Prints STATUS RESULT for each, and at the end closes and frees everything, handles twice. Usage: handles WHISPER
 * CLIP */
#include "probe.h"

enum { MOST = 512 };
static struct {
    void* items[MOST];
    int n;
} handles;
static struct {
    void* data[MOST]; /* NULL: freed */
    size_t size[MOST];
    int n;
} buffers;
static const char *whisper_path, *clip_path;
static float audio[4800];
static void* to_close; /* by the next callback */

static void close_all(void* handle) {
    mm_whisper_close((mm_whisper*)handle);
    mm_clip_close((mm_clip*)handle);
    mm_vad_close((mm_vad*)handle);
    mm_transcript_close((mm_transcript*)handle);
}

static int inner_status; /* of a step within a step */
static int32_t on_token(const mm_token* token, void* user_data) {
    int32_t state = 0;
    (void)token, (void)user_data;
    if (!to_close) return 0;
    inner_status = mm_transcript_step((mm_transcript*)to_close, &state);
    close_all(to_close);
    to_close = NULL;
    return 0;
}

static mm_transcribe_options talkative(void) {
    mm_transcribe_options options = short_options();
    options.on_token = on_token;
    return options;
}

/* A handle that a call gave, or did not. */
static void say_handle(mm_status status, void* handle) {
    if ((status == MM_OK) != (handle != NULL)) fault("status %d and handle %p", (int)status, handle);
    printf("%d %d\n", (int)status, handle ? handles.n : -1);
    if (handle) handles.items[handles.n++] = handle;
}

/* The same of a buffer, and its digest. */
static void say_buffer(mm_status status, void* data, size_t size) {
    if ((status == MM_OK) != (data != NULL)) fault("status %d and buffer %p", (int)status, data);
    printf("%d %016llx\n", (int)status, (unsigned long long)add_bytes(DIGEST_START, data, size));
    if (!data) return;
    buffers.data[buffers.n] = data;
    buffers.size[buffers.n++] = size;
}

static void say(mm_status status, const void* data, size_t size) {
    printf("%d %016llx\n", (int)status, (unsigned long long)add_bytes(DIGEST_START, data, status == MM_OK ? size : 0));
}

/* The message of a refusal is a buffer, too. */
static void say_refusal(mm_status status, void* handle, char* message) {
    if (status == MM_OK || handle || !message) fault("status %d, handle %p, no message", (int)status, handle);
    printf("%d %016llx\n", (int)status, (unsigned long long)add_bytes(DIGEST_START, message, strlen(message)));
    buffers.data[buffers.n] = message;
    buffers.size[buffers.n++] = strlen(message);
}

static int is(const char* command, const char* name) {
    return strcmp(command, name) == 0;
}

static int opens(const char* command, void* handle) {
    const mm_transcribe_options options = talkative();
    const mm_audio_chunk chunk = {audio, 3200, 16000};
    char* message = NULL;
    mm_whisper* whisper = NULL;
    mm_clip* clip = NULL;
    mm_vad* vad = NULL;
    mm_transcript* transcript = NULL;
    mm_status status;
    if (is(command, "open_whisper")) {
        status = mm_whisper_open(whisper_path, NULL, &whisper, NULL);
        say_handle(status, whisper);
    } else if (is(command, "open_clip")) {
        status = mm_clip_open(clip_path, NULL, &clip, NULL);
        say_handle(status, clip);
    } else if (is(command, "open_vad")) {
        status = mm_vad_open(NULL, &vad, NULL);
        say_handle(status, vad);
    } else if (is(command, "open_transcript")) {
        status = mm_transcript_open((mm_whisper*)handle, &options, &transcript, NULL);
        say_handle(status, transcript);
    } else if (is(command, "transcribe")) {
        status = mm_whisper_transcribe((mm_whisper*)handle, chunk, &options, &transcript, NULL);
        say_handle(status, transcript);
    } else if (is(command, "open_nothing")) {
        status = mm_whisper_open("there is no such file", NULL, &whisper, &message);
        say_refusal(status, whisper, message);
    } else if (is(command, "open_the_wrong_kind")) {
        status = mm_clip_open(whisper_path, NULL, &clip, &message);
        say_refusal(status, clip, message);
    } else {
        return 0;
    }
    return 1;
}

static int closes(const char* command, void* handle) {
    if (is(command, "close_whisper"))
        mm_whisper_close((mm_whisper*)handle);
    else if (is(command, "close_clip"))
        mm_clip_close((mm_clip*)handle);
    else if (is(command, "close_vad"))
        mm_vad_close((mm_vad*)handle);
    else if (is(command, "close_transcript"))
        mm_transcript_close((mm_transcript*)handle);
    else if (is(command, "free_null"))
        mm_free(NULL);
    else
        return 0;
    puts("0 done");
    return 1;
}

static int uses_model(const char* command, void* handle) {
    const mm_run_options run = one_thread();
    mm_whisper_info whisper_info;
    mm_clip_info clip_info;
    const mm_bytes text = {"a cat", 5};
    const mm_audio_chunk chunk = {audio, 3200, 16000};
    int32_t* ids = NULL;
    float* floats = NULL;
    float probability = 0;
    size_t n = 0;
    mm_status status;
    whisper_info.struct_size = sizeof(whisper_info);
    clip_info.struct_size = sizeof(clip_info);
    if (is(command, "whisper_info")) {
        status = mm_whisper_info_get((mm_whisper*)handle, &whisper_info);
        say(status, &whisper_info.n_vocab, sizeof(int32_t));
    } else if (is(command, "tokenize")) {
        status = mm_whisper_tokenize((mm_whisper*)handle, " hello", 6, &ids, &n, NULL);
        say_buffer(status, ids, n * sizeof(int32_t));
    } else if (is(command, "encode")) {
        status = mm_whisper_encode((mm_whisper*)handle, audio, 6, 4, &run, &floats, &n, NULL);
        say_buffer(status, floats, n * sizeof(float));
    } else if (is(command, "clip_info")) {
        status = mm_clip_info_get((mm_clip*)handle, &clip_info);
        say(status, &clip_info.n_vocab, sizeof(int32_t));
    } else if (is(command, "clip_text")) {
        status = mm_clip_encode_text((mm_clip*)handle, &text, 1, NULL, &run, &floats, &n, NULL);
        say_buffer(status, floats, n * sizeof(float));
    } else if (is(command, "vad_reset")) {
        say(mm_vad_reset((mm_vad*)handle), NULL, 0);
    } else if (is(command, "vad_window")) {
        mm_vad_reset((mm_vad*)handle);
        status = mm_vad_process((mm_vad*)handle, audio, 512, &probability);
        say(status, &probability, sizeof(float));
    } else if (is(command, "vad_probabilities")) {
        status = mm_vad_probabilities((mm_vad*)handle, chunk, &run, &floats, &n, NULL);
        say_buffer(status, floats, n * sizeof(float));
    } else {
        return 0;
    }
    return 1;
}

static int uses_transcript(const char* command, mm_transcript* transcript, void* other) {
    const mm_audio_chunk chunk = {audio, 4800, 16000};
    mm_transcript_info info;
    mm_segment segment;
    int32_t state = -1;
    mm_status status;
    info.struct_size = sizeof(info);
    segment.struct_size = sizeof(segment);
    if (is(command, "push")) {
        say(mm_transcript_push(transcript, chunk), NULL, 0);
    } else if (is(command, "finish")) {
        say(mm_transcript_finish(transcript), NULL, 0);
    } else if (is(command, "abort")) {
        say(mm_transcript_abort(transcript), NULL, 0);
    } else if (is(command, "step") || is(command, "step_closing")) {
        inner_status = 0;
        to_close = is(command, "step") ? NULL : other;
        status = mm_transcript_step(transcript, &state);
        printf("%d %d %s %d\n", (int)status, (int)state, !other || to_close ? "kept" : "closed", inner_status);
        to_close = NULL;
    } else if (is(command, "info")) {
        status = mm_transcript_info_get(transcript, &info);
        printf("%d %zu\n", (int)status, info.n_segments);
    } else if (is(command, "segment")) { /* its text is of the handle */
        status = mm_transcript_segment(transcript, 0, &segment);
        say(status, segment.text, segment.text_len);
    } else if (is(command, "last_error")) {
        const char* message = mm_transcript_last_error(transcript);
        printf("0 %zu\n", strlen(message));
    } else {
        return 0;
    }
    return 1;
}

static int uses_buffer(const char* command, int number) {
    if (is(command, "check")) {
        say(MM_OK, buffers.data[number], buffers.size[number]);
    } else if (is(command, "overwrite")) { /* it is the caller's */
        memset(buffers.data[number], 0x5A, buffers.size[number]);
        say(MM_OK, buffers.data[number], buffers.size[number]);
    } else if (is(command, "free")) {
        mm_free(buffers.data[number]);
        buffers.data[number] = NULL;
        puts("0 done");
    } else {
        return 0;
    }
    return 1;
}

int main(int argc, char** argv) {
    char line[100], command[50];
    if (argc != 3) give_up(argv[0], "usage: handles WHISPER CLIP");
    whisper_path = argv[1];
    clip_path = argv[2];
    make_audio(audio, 4800);
    handles.items[handles.n++] = NULL;
    handles.items[handles.n++] = (void*)(uintptr_t)0x123440; /* made up, but like one */
    handles.items[handles.n++] = &handles;                   /* memory of the host */
    while (fgets(line, sizeof(line), stdin)) {
        int first = 0, second = 0;
        if (handles.n == MOST || buffers.n == MOST) give_up(line, "too many of them");
        if (sscanf(line, "%49s %d %d", command, &first, &second) < 1 || first < 0 || second < 0 || second >= handles.n)
            give_up(line, "is no command");
        void* handle = first < handles.n ? handles.items[first] : NULL;
        const int known = opens(command, handle) || closes(command, handle) || uses_model(command, handle) ||
                          uses_transcript(command, (mm_transcript*)handle, second ? handles.items[second] : NULL) ||
                          (first < buffers.n && uses_buffer(command, first));
        if (!known) give_up(line, "is no command");
        fflush(stdout);
    }
    for (int i = 0; i < buffers.n; ++i) mm_free(buffers.data[i]);
    for (int i = 0; i < handles.n; ++i) close_all(handles.items[i]);
    for (int i = 0; i < handles.n; ++i) close_all(handles.items[i]);
    return verdict();
}

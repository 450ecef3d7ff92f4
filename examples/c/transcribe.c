/* Transcribes raw audio from standard input as it arrives, and prints each word while it is recognised: mono, 16 kHz,
 * 32-bit float.
 *
 *     ffmpeg -i speech.mp3 -ar 16000 -ac 1 -f f32le - | ./transcribe whisper-tiny.en.gguf
 *
 * Memory stays the same however long the audio is. Build: cc transcribe.c $(python -m pyffi --cflags --libs) -o transcribe */
#include <multimodal.h>
#include <stdio.h>

static int32_t print_token(const mm_token *token, void *user_data) {
    (void)user_data;
    fputs(token->text, stdout);
    fflush(stdout);
    return 0; /* anything else stops */
}

/* Reads up to a second of audio and hands it over; at the end of the input says so. */
static mm_status feed(mm_transcript *transcript) {
    static float samples[16000];
    mm_audio_chunk chunk = {samples, fread(samples, sizeof *samples, 16000, stdin), 16000};
    return chunk.len > 0 ? mm_transcript_push(transcript, chunk) : mm_transcript_finish(transcript);
}

int main(int argc, char **argv) {
    mm_whisper *model = NULL;
    mm_transcript *transcript = NULL;
    mm_transcribe_options options;
    char *error = NULL;
    int32_t state = MM_STEP_MORE;

    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL < audio.f32\n", argv[0]);
        return 2;
    }
    mm_transcribe_options_init(&options, sizeof options);
    options.beam_size = 1; /* tokens come as they are chosen; a beam search gives them when a window is decided */
    options.on_token = print_token;

    mm_status status = mm_whisper_open(argv[1], NULL, &model, &error);
    if (status == MM_OK) status = mm_transcript_open(model, &options, &transcript, &error);
    while (status == MM_OK && state != MM_STEP_DONE) {
        status = mm_transcript_step(transcript, &state);
        if (status == MM_OK && state == MM_STEP_NEEDS_AUDIO) status = feed(transcript);
    }
    puts("");
    if (status != MM_OK)
        fprintf(stderr, "%s\n", error ? error : mm_transcript_last_error(transcript));

    mm_free(error);
    mm_transcript_close(transcript);
    mm_whisper_close(model);
    return status == MM_OK ? 0 : 1;
}

/* A client as it was when the first header of this ABI version was recorded. It is never changed: whatever release it
 * meets, it must compile against that header, run, and print the same.
 * Usage: old_client WHISPER CLIP PICTURE */
#include <multimodal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int calls;
    long sum;
} Heard;

static int32_t on_token(const mm_token* token, void* user_data) {
    Heard* heard = (Heard*)user_data;
    if (token->struct_size < sizeof *token || token->probability <= 0.0f) return 1;
    heard->calls++;
    heard->sum += token->id;
    return 0;
}

static void speech(const char* path) {
    static float samples[16000];
    static const float greedy[] = {0.0f};
    mm_whisper* model = NULL;
    mm_transcript* transcript = NULL;
    mm_transcribe_options options;
    mm_transcript_info info;
    mm_whisper_info about;
    Heard heard = {0, 0};
    char* error = NULL;
    mm_audio_chunk chunk = {samples, 16000, 16000};
    for (int i = 0; i < 16000; ++i) samples[i] = (float)(i % 80 - 40) / 80.0f;

    printf("open %d\n", (int)mm_whisper_open(path, NULL, &model, &error));
    about.struct_size = sizeof about;
    printf("info %d", (int)mm_whisper_info_get(model, &about));
    printf(" %d %d %s\n", (int)about.n_vocab, (int)about.is_multilingual, about.weight_type);

    printf("init %d\n", (int)mm_transcribe_options_init(&options, sizeof options));
    options.language = "en";
    options.temperatures = greedy;
    options.n_temperatures = 1;
    options.beam_size = 1;
    options.max_new_tokens = 8;
    options.on_token = on_token;
    options.user_data = &heard;
    printf("transcribe %d", (int)mm_whisper_transcribe(model, chunk, &options, &transcript, &error));
    printf(" %d %ld\n", heard.calls, heard.sum);
    info.struct_size = sizeof info;
    printf("transcript %d", (int)mm_transcript_info_get(transcript, &info));
    printf(" %s %.3f %d\n", info.language, info.duration, (int)info.n_segments);
    for (size_t i = 0; i < info.n_segments; ++i) {
        mm_segment segment;
        segment.struct_size = sizeof segment;
        mm_transcript_segment(transcript, i, &segment);
        printf("segment %d %.3f %.3f %d %d\n", (int)segment.id, segment.start, segment.end, (int)segment.text_len,
               (int)segment.n_tokens);
    }
    mm_transcript_close(transcript);
    mm_whisper_close(model);
    printf("closed %d\n", (int)mm_whisper_info_get(model, &about));
}

static void pictures(const char* path, const char* picture) {
    static unsigned char data[1 << 16];
    mm_clip* model = NULL;
    mm_clip_info info;
    mm_clip_options options = {0};
    mm_image_options decoding = {0};
    mm_bytes inputs[2];
    float* out = NULL;
    uint8_t* rgb = NULL;
    int32_t width = 0, height = 0;
    size_t n = 0;
    FILE* file = fopen(picture, "rb");
    if (!file) exit(2);
    inputs[0].data = data;
    inputs[0].len = fread(data, 1, sizeof data, file);
    fclose(file);
    inputs[1].data = "a cat";
    inputs[1].len = 5;

    decoding.struct_size = sizeof decoding;
    printf("decode %d", (int)mm_image_decode(data, inputs[0].len, &decoding, NULL, &rgb, &width, &height, NULL));
    printf(" %d %d\n", (int)width, (int)height);
    mm_free(rgb);
    printf("open %d\n", (int)mm_clip_open(path, NULL, &model, NULL));
    info.struct_size = sizeof info;
    printf("info %d", (int)mm_clip_info_get(model, &info));
    printf(" %d %d %.3f %s\n", (int)info.embedding_dim, (int)info.context_length, (double)info.logit_scale,
           info.weight_type);
    options.struct_size = sizeof options;
    options.normalize = MM_SWITCH_OFF;
    printf("image %d", (int)mm_clip_encode_image(model, inputs, 1, &options, NULL, &out, &n, NULL));
    printf(" %d %.9g\n", (int)n, out ? (double)out[0] : 0.0);
    mm_free(out);
    printf("text %d", (int)mm_clip_encode_text(model, inputs + 1, 1, &options, NULL, &out, &n, NULL));
    printf(" %d %.9g\n", (int)n, out ? (double)out[0] : 0.0);
    mm_free(out);
    mm_clip_close(model);
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    printf("abi %u\n", (unsigned)mm_abi_version());
    speech(argv[1]);
    pictures(argv[2], argv[3]);
    return 0;
}

/* Says which of several texts fit a picture best.
 *
 *     ./classify emoji.gguf picture.png "a cat" "a dog" "a red apple"
 *
 * Build: cc classify.c $(python -m pyffi --cflags --libs) -o classify */
#include <multimodal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXTS = 64 };

/* A whole file, to be freed; data is NULL if it cannot be read. */
static mm_bytes read_file(const char *path) {
    mm_bytes bytes = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (file && fseek(file, 0, SEEK_END) == 0) {
        const long size = ftell(file);
        unsigned char *data = size > 0 ? malloc((size_t)size) : NULL;
        rewind(file);
        if (data && fread(data, 1, (size_t)size, file) == (size_t)size) {
            bytes.data = data;
            bytes.len = (size_t)size;
        } else {
            free(data);
        }
    }
    if (file) fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    mm_clip *model = NULL;
    float *image = NULL, *texts = NULL;
    size_t dim = 0, n_floats = 0;
    char *error = NULL;
    mm_bytes inputs[MAX_TEXTS];

    if (argc < 4 || argc > 3 + MAX_TEXTS) {
        fprintf(stderr, "usage: %s MODEL IMAGE TEXT...\n", argv[0]);
        return 2;
    }
    const size_t n_texts = (size_t)(argc - 3);
    const mm_bytes file = read_file(argv[2]);
    if (!file.data) {
        fprintf(stderr, "%s cannot be read\n", argv[2]);
        return 1;
    }
    for (size_t i = 0; i < n_texts; ++i) inputs[i] = (mm_bytes){argv[3 + i], strlen(argv[3 + i])};

    mm_status status = mm_clip_open(argv[1], NULL, &model, &error);
    if (status == MM_OK) status = mm_clip_encode_image(model, &file, 1, NULL, NULL, &image, &dim, &error);
    if (status == MM_OK) status = mm_clip_encode_text(model, inputs, n_texts, NULL, NULL, &texts, &n_floats, &error);
    if (status == MM_OK) {
        for (size_t i = 0; i < n_texts; ++i) { /* embeddings have length 1: the dot product is the cosine */
            float cosine = 0.0f;
            for (size_t j = 0; j < dim; ++j) cosine += image[j] * texts[i * dim + j];
            printf("%6.3f  %s\n", cosine, argv[3 + i]);
        }
    } else {
        fprintf(stderr, "%s\n", error);
    }

    mm_free(error);
    mm_free(image);
    mm_free(texts);
    free((void *)file.data);
    mm_clip_close(model);
    return status == MM_OK ? 0 : 1;
}

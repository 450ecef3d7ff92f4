/* Pictures through the header: pixels, what is refused, and what a host can hand in wrongly. Usage: test_api_image
 * MM_TEST_INSTRUMENTED in the environment: without asking for more memory than there is. */
#include "check.h"
#include "picture_bytes.h"

#define BAD MM_ERROR_INVALID_ARGUMENT

static picture_file png; /* 31 x 17 */
static mm_pixels pixels; /* its */

static mm_image_options image_options(void) {
    mm_image_options options;
    memset(&options, 0, sizeof(options));
    options.struct_size = sizeof(options);
    return options;
}

static mm_status decode(const mm_image_options* options, char** error) {
    uint8_t* out = NULL;
    int32_t width = 5, height = 5;
    const mm_status status = mm_image_decode(png.data, png.len, options, NULL, &out, &width, &height, error);
    CHECK(status == MM_OK ? out != NULL && width == 31 && height == 17 : out == NULL && width == 0 && height == 0);
    mm_free(out);
    return status;
}

static void decoding(void) {
    mm_image_options options = image_options();
    uint8_t* out = NULL;
    int32_t width = 0, height = 0;
    CHECK_STATUS(mm_image_decode(png.data, png.len, NULL, NULL, &out, &width, &height, NULL), MM_OK);
    CHECK(width == 31 && height == 17 && (uintptr_t)out % 64 == 0);
    for (uint32_t i = 0; i < 3 * 31 * 17; ++i) CHECK(out[i] == pattern_sample(i / 3 % 31, i / 93, i % 3));
    pixels.data = out;
    pixels.width = width;
    pixels.height = height;
    pixels.stride = 0;

    options.max_pixels = 31 * 17;
    CHECK_STATUS(decode(&options, NULL), MM_OK);
    options.max_pixels = 31 * 17 - 1;
    CHECK_MESSAGE(decode(&options, &error), BAD, "31 x 17 pixels, more than the limit of 526");
    CHECK_MESSAGE(mm_image_decode("GIF89a", 6, NULL, NULL, &out, &width, &height, &error), MM_ERROR_UNSUPPORTED, "GIF");
    CHECK(out == NULL && width == 0 && height == 0);
    CHECK_MESSAGE(mm_image_decode(png.data, 70, NULL, NULL, &out, &width, &height, &error), BAD, "cut short");
    CHECK_MESSAGE(mm_image_decode(NULL, 0, NULL, NULL, &out, &width, &height, &error), BAD, "empty");
}

static void orientation(void) {
    const char exif[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
    const picture_file file = make_png(6, 4, "eXIf", exif, sizeof(exif));
    mm_image_options options = image_options();
    uint8_t* out = NULL;
    int32_t width = 0, height = 0;
    CHECK_STATUS(mm_image_decode(file.data, file.len, &options, NULL, &out, &width, &height, NULL), MM_OK);
    CHECK(width == 6 && height == 4);
    mm_free(out);
    options.exif_orientation = MM_SWITCH_ON;
    CHECK_STATUS(mm_image_decode(file.data, file.len, &options, NULL, &out, &width, &height, NULL), MM_OK);
    CHECK(width == 4 && height == 6);
    CHECK(out && out[0] == pattern_sample(0, 3, 0)); /* clockwise */
    mm_free(out);
    free(file.data);
}

static void wrong_decoding(void) {
    mm_image_options options = image_options();
    mm_run_options run;
    uint8_t* out = (uint8_t*)&options;
    int32_t width = 7, height = 7;
    memset(&run, 0, sizeof(run));
    CHECK_MESSAGE(mm_image_decode(png.data, png.len, NULL, NULL, NULL, &width, &height, &error), BAD, "out is NULL");
    CHECK(width == 0 && height == 0);
    CHECK_MESSAGE(mm_image_decode(png.data, png.len, NULL, NULL, &out, NULL, &height, &error), BAD, "width is NULL");
    CHECK_MESSAGE(mm_image_decode(png.data, png.len, NULL, NULL, &out, &width, NULL, &error), BAD, "height is NULL");
    CHECK(out == NULL);
    CHECK_MESSAGE(mm_image_decode(NULL, 9, NULL, NULL, &out, &width, &height, &error), BAD, "data is NULL");
    CHECK_STATUS(mm_image_decode(NULL, 9, NULL, NULL, NULL, NULL, NULL, NULL), BAD);
    CHECK_MESSAGE(mm_image_decode(png.data, png.len, NULL, &run, &out, &width, &height, &error), BAD, "mm_run_options");
    options.exif_orientation = 3;
    CHECK_MESSAGE(decode(&options, &error), BAD, "exif_orientation is 3");
    options = image_options();
    options.struct_size = 0;
    CHECK_MESSAGE(decode(&options, &error), BAD, "sizeof(mm_image_options)");
    options.struct_size = sizeof(options) - 8;
    CHECK_MESSAGE(decode(&options, &error), BAD, "struct_size");
}

static void larger_options(void) {
    struct {
        mm_image_options known;
        unsigned char unknown[16];
    } newer;
    memset(&newer, 0, sizeof(newer));
    newer.known.struct_size = sizeof(newer);
    CHECK_STATUS(decode(&newer.known, NULL), MM_OK);
    newer.unknown[15] = 1;
    CHECK_MESSAGE(decode(&newer.known, &error), BAD, "does not know");
}

static void resizing(void) {
    uint8_t *out = NULL, *part = NULL;
    mm_pixels cut = pixels;
    CHECK_STATUS(mm_image_resize(&pixels, 31, 17, MM_FILTER_BICUBIC, NULL, &out, NULL), MM_OK);
    CHECK(out && memcmp(out, pixels.data, 3 * 31 * 17) == 0);
    mm_free(out);
    /* The first column of a picture is all of it, where rows lie apart. */
    cut.width = 1;
    cut.stride = 3 * 31;
    CHECK_STATUS(mm_image_resize(&cut, 9, 17, MM_FILTER_BILINEAR, NULL, &part, NULL), MM_OK);
    for (uint32_t i = 0; part && i < 3 * 9 * 17; ++i) CHECK(part[i] == pattern_sample(0, i / 27, i % 3));
    mm_free(part);
}

static mm_status resize(mm_pixels from, int32_t width, int32_t height, int32_t filter, char** error) {
    uint8_t* out = (uint8_t*)&from;
    const mm_status status = mm_image_resize(&from, width, height, filter, NULL, &out, error);
    CHECK(out == NULL);
    return status;
}

static void wrong_resizing(void) {
    uint8_t* out = NULL;
    mm_pixels from = pixels;
    CHECK_MESSAGE(mm_image_resize(NULL, 5, 5, 0, NULL, &out, &error), BAD, "pixels is NULL");
    CHECK_MESSAGE(mm_image_resize(&from, 5, 5, 0, NULL, NULL, &error), BAD, "out is NULL");
    CHECK_MESSAGE(resize(from, 0, 5, 0, &error), BAD, "width is 0 pixels: it must be 1 to 16777216");
    CHECK_MESSAGE(resize(from, 5, -1, 0, &error), BAD, "height is -1");
    CHECK_MESSAGE(resize(from, INT32_MAX, 5, 0, &error), BAD, "width is 2147483647");
    CHECK_MESSAGE(resize(from, 5, 5, 2, &error), BAD, "filter is 2");
    if (!getenv("MM_TEST_INSTRUMENTED")) /* sanitizers end a program that asks for so much */
        CHECK_STATUS(resize(from, 1 << 24, 1 << 24, 0, NULL), MM_ERROR_NO_MEMORY);
    from.data = NULL;
    CHECK_MESSAGE(resize(from, 5, 5, 0, &error), BAD, "NULL");
    from = pixels;
    from.width = 0;
    CHECK_MESSAGE(resize(from, 5, 5, 0, &error), BAD, "0 wide");
    from = pixels;
    from.height = INT32_MIN;
    CHECK_MESSAGE(resize(from, 5, 5, 0, &error), BAD, "-2147483648 high");
    from = pixels;
    from.stride = 92;
    CHECK_MESSAGE(resize(from, 5, 5, 0, &error), BAD, "stride is 92 bytes, less than the 93 of a row");
    from.stride = SIZE_MAX;
    CHECK_MESSAGE(resize(from, 5, 5, 0, &error), BAD, "more than memory can hold");
}

int main(void) {
    png = make_png(31, 17, NULL, NULL, 0);
    decoding();
    orientation();
    wrong_decoding();
    larger_options();
    resizing();
    wrong_resizing();
    mm_free((void*)pixels.data);
    free(png.data);
    return finish("test_api_image");
}

/* Numbers in files that are the same from every processor. */
#ifndef MM_WORDS_H
#define MM_WORDS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Appends n numbers of 32 bits, of any type, little-endian. Returns whether it could. */
static int write_words(FILE* file, const void* words, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        uint32_t word;
        memcpy(&word, (const unsigned char*)words + i * sizeof word, sizeof word);
        const unsigned char bytes[4] = {(unsigned char)word, (unsigned char)(word >> 8), (unsigned char)(word >> 16),
                                        (unsigned char)(word >> 24)};
        if (fwrite(bytes, sizeof bytes, 1, file) != 1) return 0;
    }
    return 1;
}

#endif

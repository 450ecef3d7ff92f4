// JPEG files, by libjpeg-turbo.
#pragma once

#include "image/decode.h"
#include "image/metadata.h"

namespace mm {

inline bool is_jpeg(Bytes bytes) {
    return bytes.starts_with("\xff\xd8\xff");
}

Image decode_jpeg(Bytes bytes, const DecodeOptions& options, StopSignal& stop, Metadata& metadata);

const char* jpeg_decoder_version();  // of libjpeg-turbo

struct JpegHeader {
    int width, height, components;
};

// Walks through the segments up to the first scan. Throws Error(INVALID_ARGUMENT) for what Pillow does not open.
JpegHeader read_jpeg_header(Bytes bytes, Metadata& metadata);

}  // namespace mm

// How a picture was held: the orientation in its EXIF data or, where that has none, in its XMP.
#pragma once

#include <vector>

#include "image/file.h"
#include "image/pixels.h"
#include "runtime/exec.h"

namespace mm {

struct Metadata {
    bool has_exif = false;
    std::vector<uint8_t> exif;          // a TIFF file, after "Exif\0\0" (any number of times)
    std::vector<uint8_t> raw_profile;   // of PNG: stands in for it
    std::vector<uint8_t> xmp_property;  // of PNG, before `xmp`
    std::vector<uint8_t> xmp;

    void set_exif(Bytes bytes) {
        exif.assign(bytes.data, bytes.data + bytes.len);
        has_exif = true;
    }
};

// 1 to 8 as EXIF counts them. What cannot be read says nothing: 1.
int orientation(const Metadata& metadata);

// The picture upright.
Image turned(Image image, int orientation, StopSignal& stop);

}  // namespace mm

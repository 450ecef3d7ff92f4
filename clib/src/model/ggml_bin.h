// whisper.cpp's ggml-*.bin, whose layout its models/convert-pt-to-ggml.py writes down
// (https://github.com/ggml-org/whisper.cpp, MIT), read with every field bounded.
#pragma once

#include <string>

#include "model/contents.h"

namespace mm {

// The view of the file under the names of docs/model-files.md: hyperparameters as whisper.*, the mel filters as a
// tensor. file: at least 4 bytes. Throws Error: BAD_MODEL, UNSUPPORTED.
ModelContents parse_ggml_bin(Bytes file, const std::string& name);

}  // namespace mm

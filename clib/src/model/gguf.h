// GGUF version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), read with every field bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/contents.h"

namespace mm {

// file: at least 4 bytes, 64-byte aligned. Throws Error: BAD_MODEL, UNSUPPORTED.
ModelContents parse_gguf(Bytes file, const std::string& name);

// Elements of a metadata array. Throws Error(BAD_MODEL) naming `key` if they are of another type.
std::vector<int32_t> decode_integers(const MetadataArray& array, const std::string& file, const std::string& key);
std::vector<float> decode_numbers(const MetadataArray& array, const std::string& file, const std::string& key);
std::vector<std::string> decode_strings(const MetadataArray& array, const std::string& file, const std::string& key);

// The bytes of a token in GPT-2's printable form, which has one character for each byte. Throws Error(BAD_MODEL).
std::string decode_gpt2_token(const std::string& token, const std::string& file);

}  // namespace mm

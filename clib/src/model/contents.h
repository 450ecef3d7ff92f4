// What a model file says, checked against the file's length but not yet against any architecture. All of it points into
// the mapping; arrays are decoded when they are asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "model/dequantize.h"
#include "model/mapped_file.h"

namespace mm {

constexpr int kMaxDims = 4;

struct Tensor {
    WeightType type = WeightType::f32;
    uint64_t dims[kMaxDims] = {1, 1, 1, 1};  // fastest first, at least 1 each
    const uint8_t* data = nullptr;           // any alignment in ggml files; general.alignment in GGUF
    size_t bytes = 0;
    uint64_t elements() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
};

struct MetadataArray {
    uint32_t element_type;  // of GGUF
    uint64_t count;
    Bytes bytes;
};

// Integers of all widths are int64_t; u64 values above its range are held at its maximum, which no key allows.
using MetadataValue = std::variant<int64_t, double, bool, std::string_view, MetadataArray>;

struct ModelContents {
    const char* format = "";
    std::string architecture;
    bool panels = false;  // matrices are panels of 16 outputs
    std::unordered_map<std::string, MetadataValue> metadata;
    std::unordered_map<std::string, Tensor> tensors;
    std::vector<std::string_view> vocabulary;  // ggml files: the bytes of each text token
};

// Sets bytes from type and dims. Throws Error(BAD_MODEL) where that overflows, exceeds `available`, or a row is not
// whole blocks. file and name are for the message.
void set_tensor_size(Tensor& tensor, uint64_t available, const std::string& file, const std::string& name);

}  // namespace mm

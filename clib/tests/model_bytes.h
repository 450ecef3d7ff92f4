// Model files of a few hundred bytes, built in memory for the tests and spoiled there.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/memory.h"

namespace model_bytes {

class Writer {
  public:
    template <typename T>
    Writer& put(T value) {
        field(sizeof value);
        out_.append(reinterpret_cast<const char*>(&value), sizeof value);
        return *this;
    }
    Writer& text(const std::string& bytes) {  // as GGUF has it: u64 length, bytes
        put<uint64_t>(bytes.size());
        return raw(bytes);
    }
    Writer& raw(const std::string& bytes) {
        field(bytes.size());
        out_ += bytes;
        return *this;
    }
    Writer& pad(size_t alignment) { return raw(std::string((alignment - out_.size() % alignment) % alignment, '\0')); }

    const std::string& bytes() const { return out_; }
    struct Field {
        size_t offset, size;
    };
    // Everything that was put, in order: where a file may be cut, and what may be changed.
    const std::vector<Field>& fields() const { return fields_; }

  private:
    void field(size_t size) {
        if (size > 0) fields_.push_back({out_.size(), size});
    }
    std::string out_;
    std::vector<Field> fields_;
};

enum : uint32_t { kU8 = 0, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10 };

// A GGUF in panel layout with one key of each kind, a matrix of 20 x 3 (f16), a convolution of 2 x 1 x 3 (f32) and a
// vector of 5. Element (row, col) of the matrix is row + col / 4.
struct GgufOptions {
    uint32_t version = 3, alignment = 64, matrix_type = 1;
    uint64_t n_tensors = 3, n_keys = 9, vector_offset = 512;
    std::string layout = "panel16", second_name = "conv", extra_key = "test.flag";
    bool padding_is_zero = true, finite = true;
};

inline uint16_t small_half(float value) {  // of exact, normal values and zero
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return value == 0 ? 0 : static_cast<uint16_t>((bits >> 13) - ((127 - 15) << 10));
}

inline Writer gguf(const GgufOptions& o = {}) {
    Writer w;
    w.raw("GGUF").put(o.version).put(o.n_tensors).put(o.n_keys);
    w.text("general.architecture").put(kString).text("test");
    w.text("general.alignment").put(kU32).put(o.alignment);
    w.text("multimodal.layout").put(kString).text(o.layout);
    w.text("test.count").put(kU32).put(uint32_t{7});
    w.text("test.scale").put(kF32).put(0.5f);
    w.text(o.extra_key).put(kBool).put(uint8_t{1});
    w.text("test.pairs").put(kArray).put(kI32).put(uint64_t{2}).put(int32_t{-3}).put(int32_t{4});
    w.text("test.huge").put(kU64).put(static_cast<uint64_t>(-1));
    // In GPT-2's printable form: "a", " b", the byte 0xff and the byte 0x00.
    w.text("tokenizer.ggml.tokens").put(kArray).put(kString).put(uint64_t{4});
    w.text("a")
        .text(
            "\xc4\xa0"
            "b")
        .text("\xc3\xbf")
        .text("\xc4\x80");
    w.text("matrix").put(uint32_t{3}).put(uint64_t{16}).put(uint64_t{3}).put(uint64_t{2});
    w.put(o.matrix_type).put(uint64_t{0});
    w.text(o.second_name).put(uint32_t{3}).put(uint64_t{16}).put(uint64_t{3}).put(uint64_t{1});
    w.put(uint32_t{0}).put(uint64_t{192});
    w.text("vector").put(uint32_t{1}).put(uint64_t{5}).put(uint32_t{0}).put(o.vector_offset);
    w.pad(64);
    for (int panel = 0; panel < 2; ++panel)
        for (int col = 0; col < 3; ++col)
            for (int lane = 0; lane < 16; ++lane) {
                const int row = panel * 16 + lane;
                const float value = row < 20 ? static_cast<float>(row) + static_cast<float>(col) / 4 : 0.0f;
                w.put(row == 21 && !o.padding_is_zero ? uint16_t{1} : small_half(value));
            }
    w.pad(64);
    for (int col = 0; col < 3; ++col)
        for (int lane = 0; lane < 16; ++lane) w.put(lane < 2 ? static_cast<float>(10 * lane + col) : 0.0f);
    w.pad(64);
    w.raw(std::string(512 - 192 - 192, '\0'));
    for (int i = 0; i < 5; ++i) w.put(i == 3 && !o.finite ? uint32_t{0x7fc00000} : uint32_t{0x3f800000});
    return w.pad(64);
}

// whisper.cpp's format: a vocabulary of empty tokens but for two, and one tensor of each kind that the tests use.
struct GgmlOptions {
    int32_t n_vocab = 51865, n_mels = 80, filter_mels = 80, frequencies = 201, tokens = 50257, ftype = 2008;
};

inline Writer ggml_header(const GgmlOptions& o = {}) {
    Writer w;
    w.raw("lmgg").put(o.n_vocab);
    for (const int32_t value : {1500, 64, 2, 2, 448, 64, 2, 2}) w.put(value);
    w.put(o.n_mels).put(o.ftype).put(o.filter_mels).put(o.frequencies);
    w.raw(std::string(static_cast<size_t>(o.filter_mels * o.frequencies) * 4, '\0'));
    w.put(o.tokens).put(uint32_t{2}).raw("ab").put(uint32_t{1}).raw("\xff");
    return w.raw(std::string(static_cast<size_t>(o.tokens > 2 ? o.tokens - 2 : 0) * 4, '\0'));
}

inline Writer& ggml_tensor(Writer& w, const std::string& name, int32_t type, const std::vector<int32_t>& dims,
                           const std::string& data) {
    w.put(static_cast<int32_t>(dims.size())).put(static_cast<int32_t>(name.size())).put(type);
    for (const int32_t dim : dims) w.put(dim);
    return w.raw(name).raw(data);
}

// A copy in memory of exactly its size, aligned as a mapping is, so that a sanitizer sees every step too far.
inline mm::Buffer<uint8_t> exact(const std::string& bytes) {
    mm::Buffer<uint8_t> copy(bytes.size());
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    return copy;
}

}  // namespace model_bytes

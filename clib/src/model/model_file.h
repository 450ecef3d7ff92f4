// A model file, validated completely before anything uses it: our GGUF, or whisper.cpp's ggml-*.bin.
//
// Both readers present the same view: typed metadata under GGUF key names and named tensors. Our GGUF holds matrices as
// panels, which are used in place; others are converted ("packed") when asked for. docs/model-files.md is the
// specification of keys, tensor names and layouts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "runtime/memory.h"

namespace mm {

class ModelFile {
  public:
    // Maps `path` read-only and validates it. Throws Error: IO, BAD_MODEL, UNSUPPORTED; messages name the file.
    static std::shared_ptr<ModelFile> open(const std::string& path);
    // A GGUF that lives in memory (64-byte aligned, borrowed for the lifetime of the result).
    static std::shared_ptr<ModelFile> from_memory(const void* data, size_t size, const std::string& name);
    virtual ~ModelFile() = default;

    virtual const std::string& name() const = 0;          // path, for messages
    virtual const char* format() const = 0;               // "gguf" or "ggml"
    virtual const std::string& architecture() const = 0;  // general.architecture: "whisper", "silero-vad"
    virtual bool has_panels() const = 0;                  // matrices are panels, as kernels take them
    virtual bool in_place() const = 0;                    // weights are used where they are mapped
    virtual const char* weight_type() const = 0;          // that most bytes of the file have: "f16", "q5_0", ...
    virtual uint64_t weight_bytes() const = 0;            // of the weights handed out so far, as they are in memory
    virtual const void* data() const = 0;                 // the mapping, for digests
    virtual size_t size() const = 0;
    // mlock of all weights handed out so far; throws Error(UNSUPPORTED) with the limit named.
    virtual void lock_memory() = 0;

    // Metadata. Missing or of another type: Error(BAD_MODEL) naming the key; integers are range-checked to [low, high].
    virtual bool has(const std::string& key) const = 0;
    virtual int64_t integer(const std::string& key, int64_t low, int64_t high) const = 0;
    virtual float number(const std::string& key) const = 0;
    virtual bool boolean(const std::string& key) const = 0;
    virtual std::string string(const std::string& key) const = 0;
    virtual std::vector<int32_t> integers(const std::string& key) const = 0;
    virtual std::vector<float> numbers(const std::string& key) const = 0;
    virtual std::vector<std::string> strings(const std::string& key) const = 0;
    // The bytes of each text token, in id order (GGUF: tokenizer.ggml.tokens, decoded from GPT-2's printable form).
    virtual std::vector<std::string> vocabulary() const = 0;

    // Tensors. Missing, or of another shape or type: Error(BAD_MODEL) naming the tensor.
    virtual bool has_tensor(const std::string& name) const = 0;
    // Whether a tensor that is there has the shape of such a matrix.
    virtual bool is_matrix(const std::string& name, int n, int k) const = 0;
    // A weight matrix of n outputs and k inputs: in place where the file has panels, else packed into memory owned by
    // this object (f16 stays f16; f32 and quantised types become f32). Call once per tensor.
    virtual Panels matrix(const std::string& name, int n, int k) = 0;
    // A plain f32 tensor of exactly `count` elements, e.g. a bias; valid as long as this object. NaN and infinity are
    // refused.
    virtual const float* vector(const std::string& name, size_t count) = 0;
    // The same for what other writers store like a matrix, in any weight type: a table of rows, such as positions. In
    // our files it is plain f32.
    virtual const float* table(const std::string& name, int rows, int columns) = 0;
    // Looks for NaN and infinity in every tensor that is used in place: Error(BAD_MODEL) naming it. (Others have been
    // looked at when they were packed. Not done by open, since it reads the whole file.)
    virtual void check_finite() const = 0;
    // A convolution weight [n][channels][taps] in torch order as a matrix with k = taps * channels, tap-major, so that
    // a product over overlapping rows of a time-major signal is the convolution.
    virtual Panels convolution(const std::string& name, int n, int channels, int taps) = 0;
    // The same of an image: [n][channels][rows][columns], with the tap of (row, column) at row * columns + column.
    virtual Panels convolution(const std::string& name, int n, int channels, int rows, int columns) = 0;
};

// One row of a panel matrix (e.g. a token's embedding) as f32: out has w.k elements.
void panel_row(const Panels& w, int row, float* out);

}  // namespace mm

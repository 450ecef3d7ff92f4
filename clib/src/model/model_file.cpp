#include "model/model_file.h"

#include <algorithm>
#include <map>
#include <utility>

#include "model/ggml_bin.h"
#include "model/gguf.h"
#include "model/packing.h"
#include "runtime/byte_order.h"
#include "runtime/error.h"
#include "runtime/text.h"

namespace mm {
namespace {

// How files that are often given by mistake begin.
struct Lookalike {
    std::string_view start;
    const char* what;
};
constexpr Lookalike kLookalikes[] = {
    {"PK\x03\x04", "a PyTorch checkpoint: convert it with `multimodal models convert`"},
    {std::string_view("\x06\0\0\0", 4),
     "the model.bin of a CTranslate2 folder: give that folder to `multimodal models convert`"},
    {"version https://git-lfs", "a Git LFS pointer in place of the model: fetch it with `git lfs pull`"},
    {"<", "a web page: the download went wrong"},
    {"tjgg", "a llama.cpp model of an old format"},
    {"fmgg", "a llama.cpp model of an old format"},
};

ModelContents parse(Bytes file, const std::string& name) {
    const std::string_view text(reinterpret_cast<const char*>(file.data), file.size);
    const auto starts_with = [&](std::string_view start) { return text.substr(0, start.size()) == start; };
    if (starts_with("GGUF")) return parse_gguf(file, name);
    if (starts_with("lmgg")) return parse_ggml_bin(file, name);
    for (const Lookalike& other : kLookalikes)
        if (starts_with(other.start)) fail(MM_ERROR_BAD_MODEL, "%s: looks like %s", name.c_str(), other.what);
    fail(MM_ERROR_BAD_MODEL,
         "%s: is neither a GGUF nor a whisper.cpp ggml model (it begins with \"%s\"); other formats are converted with "
         "`multimodal models convert`",
         name.c_str(), printable(text.substr(0, 4)).c_str());
}

// Memory on pages that hold nothing else, so that they can be locked and unlocked.
class PageMemory {
  public:
    // 64-byte aligned; lives as long as this object.
    uint8_t* allocate(size_t bytes) {
        if (bytes >= kChunk) return new_chunk(bytes);
        const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
        if (rounded > left_) {
            next_ = new_chunk(kChunk);
            left_ = kChunk;
        }
        left_ -= rounded;
        return std::exchange(next_, next_ + rounded);
    }
    const std::vector<Buffer<uint8_t>>& chunks() const { return chunks_; }

  private:
    static constexpr size_t kChunk = size_t{1} << 18;  // of small things together
    uint8_t* new_chunk(size_t bytes) {
        const size_t page = page_size();
        chunks_.emplace_back((bytes + page - 1) / page * page, page);
        return chunks_.back().data();
    }
    std::vector<Buffer<uint8_t>> chunks_;
    uint8_t* next_ = nullptr;  // in the last chunk of small things
    size_t left_ = 0;          // bytes from there
};

class OpenFile final : public ModelFile {
  public:
    OpenFile(std::unique_ptr<MappedFile> mapping, Bytes bytes, std::string name)
        : mapping_(std::move(mapping)), bytes_(bytes), name_(std::move(name)), contents_(parse(bytes_, name_)) {}

    const std::string& name() const override { return name_; }
    const char* format() const override { return contents_.format; }
    const std::string& architecture() const override { return contents_.architecture; }
    bool has_panels() const override { return contents_.panels; }
    bool in_place() const override { return has_panels() && kLittleEndian; }
    uint64_t weight_bytes() const override { return weight_bytes_; }
    const void* data() const override { return bytes_.data; }
    size_t size() const override { return bytes_.size; }

    const char* weight_type() const override {
        std::map<WeightType, uint64_t> bytes;
        for (const auto& [name, tensor] : contents_.tensors) bytes[tensor.type] += tensor.bytes;
        const auto by_bytes = [](const auto& a, const auto& b) { return a.second < b.second; };
        return weight_type_name(std::max_element(bytes.begin(), bytes.end(), by_bytes)->first);
    }

    void lock_memory() override {
        if (!locked_.empty()) return;
        const auto& chunks = owned_.chunks();
        locked_.reserve(chunks.size() + 1);
        if (in_place()) locked_.emplace_back(bytes_.data, bytes_.size);
        for (const Buffer<uint8_t>& chunk : chunks) locked_.emplace_back(chunk.data(), chunk.size());
    }

    bool has(const std::string& key) const override { return contents_.metadata.count(key) > 0; }

    int64_t integer(const std::string& key, int64_t low, int64_t high) const override {
        const int64_t value = get<int64_t>(key, "an integer");
        if (value < low || value > high)
            fail(MM_ERROR_BAD_MODEL, "%s: %s is %lld; it must be from %lld to %lld", name_.c_str(), key.c_str(),
                 static_cast<long long>(value), static_cast<long long>(low), static_cast<long long>(high));
        return value;
    }
    float number(const std::string& key) const override { return static_cast<float>(get<double>(key, "a number")); }
    bool boolean(const std::string& key) const override { return get<bool>(key, "a boolean"); }
    std::string string(const std::string& key) const override {
        return std::string(get<std::string_view>(key, "a string"));
    }
    std::vector<int32_t> integers(const std::string& key) const override {
        return decode_integers(get<MetadataArray>(key, "an array"), name_, key);
    }
    std::vector<float> numbers(const std::string& key) const override {
        return decode_numbers(get<MetadataArray>(key, "an array"), name_, key);
    }
    std::vector<std::string> strings(const std::string& key) const override {
        return decode_strings(get<MetadataArray>(key, "an array"), name_, key);
    }

    std::vector<std::string> vocabulary() const override {
        if (!contents_.vocabulary.empty()) return {contents_.vocabulary.begin(), contents_.vocabulary.end()};
        std::vector<std::string> tokens = strings("tokenizer.ggml.tokens");
        for (std::string& token : tokens) token = decode_gpt2_token(token, name_);
        return tokens;
    }

    bool has_tensor(const std::string& name) const override { return contents_.tensors.count(name) > 0; }

    bool is_matrix(const std::string& name, int n, int k) const override {
        const Dims dims = has_panels() ? panel_dims(n, k) : Dims{wide(k), wide(n), 1, 1};
        return std::equal(dims.value, dims.value + kMaxDims, find(name).dims);
    }

    Panels matrix(const std::string& name, int n, int k) override {
        const Tensor& tensor = find(name);
        if (has_panels()) return ready_panels(name, tensor, n, k);
        require_dims(name, tensor, {wide(k), wide(n), 1, 1});
        return packed(name, tensor, n, k, [&](void* panels) { return pack_matrix(tensor, n, k, panels); });
    }

    Panels convolution(const std::string& name, int n, int channels, int taps) override {
        return convolution(name, n, channels, {wide(taps), wide(channels), wide(n), 1}, taps);
    }
    Panels convolution(const std::string& name, int n, int channels, int rows, int columns) override {
        return convolution(name, n, channels, {wide(columns), wide(rows), wide(channels), wide(n)}, rows * columns);
    }

    const float* vector(const std::string& name, size_t count) override {
        const Tensor& tensor = find(name);
        if (tensor.elements() != count)
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s has %llu elements; the hyperparameters need %zu", name_.c_str(),
                 name.c_str(), static_cast<unsigned long long>(tensor.elements()), count);
        if (tensor.type != WeightType::f32)
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s is of type %s; it must be f32", name_.c_str(), name.c_str(),
                 weight_type_name(tensor.type));
        const uint8_t* data = tensor.data;
        if (!in_place()) {  // aligned, and beside the matrices, so that nothing is used where it is mapped
            uint8_t* own = owned_.allocate(tensor.bytes);
            copy_little_endian(data, count, reinterpret_cast<float*>(own));
            data = own;
        }
        if (!all_finite(DType::f32, data, count)) fail_not_finite(name);
        weight_bytes_ += tensor.bytes;
        return reinterpret_cast<const float*>(data);
    }

    const float* table(const std::string& name, int rows, int columns) override {
        const Tensor& tensor = find(name);
        const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(columns);
        if (has_panels() || tensor.type == WeightType::f32) return vector(name, count);
        require_dims(name, tensor, {wide(columns), wide(rows), 1, 1});
        float* values = reinterpret_cast<float*>(owned_.allocate(count * sizeof(float)));
        unpack(tensor, values);
        if (!all_finite(DType::f32, values, count)) fail_not_finite(name);
        weight_bytes_ += count * sizeof(float);
        return values;
    }

    void check_finite() const override {
        if (!in_place()) return;
        for (const auto& [name, tensor] : contents_.tensors)
            if (!is_quantized(tensor.type) && !all_finite(packed_type(tensor.type), tensor.data, tensor.elements()))
                fail_not_finite(name);
    }

  private:
    struct Dims {
        uint64_t value[kMaxDims];
    };
    static uint64_t wide(int n) { return static_cast<uint64_t>(n); }

    template <typename T>
    const T& get(const std::string& key, const char* what) const {
        const auto entry = contents_.metadata.find(key);
        if (entry == contents_.metadata.end())
            fail(MM_ERROR_BAD_MODEL, "%s: the key %s is missing", name_.c_str(), key.c_str());
        const T* value = std::get_if<T>(&entry->second);
        if (!value) fail(MM_ERROR_BAD_MODEL, "%s: the value of %s is not %s", name_.c_str(), key.c_str(), what);
        return *value;
    }

    const Tensor& find(const std::string& name) const {
        const auto entry = contents_.tensors.find(name);
        if (entry == contents_.tensors.end())
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s is missing", name_.c_str(), name.c_str());
        return entry->second;
    }

    void require_dims(const std::string& name, const Tensor& tensor, const Dims& needed) const {
        if (std::equal(tensor.dims, tensor.dims + kMaxDims, needed.value)) return;
        const auto shape = [](const uint64_t* dims) {
            std::string text;
            for (int i = 0; i < kMaxDims; ++i)
                if (i == 0 || dims[i] != 1) text += (i == 0 ? "" : " x ") + std::to_string(dims[i]);
            return text;
        };
        fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s is %s; the hyperparameters need %s", name_.c_str(), name.c_str(),
             shape(tensor.dims).c_str(), shape(needed.value).c_str());
    }

    static Dims panel_dims(int n, int k) { return {kPanel, wide(k), wide(panel_count(n)), 1}; }

    // dims: as a file has it that is not in panels
    Panels convolution(const std::string& name, int n, int channels, const Dims& dims, int taps) {
        const Tensor& tensor = find(name);
        const int k = channels * taps;
        if (has_panels()) return ready_panels(name, tensor, n, k);
        require_dims(name, tensor, dims);
        if (is_quantized(tensor.type))
            fail(MM_ERROR_UNSUPPORTED, "%s: the convolution %s has %s weights; f32 and f16 are read", name_.c_str(),
                 name.c_str(), weight_type_name(tensor.type));
        return packed(name, tensor, n, k,
                      [&](void* panels) { return pack_convolution(tensor, n, channels, taps, panels); });
    }

    Panels ready_panels(const std::string& name, const Tensor& tensor, int n, int k) {
        require_dims(name, tensor, panel_dims(n, k));
        if (is_quantized(tensor.type))
            fail(MM_ERROR_UNSUPPORTED, "%s: the panels of %s are of type %s; f32 and f16 are used in place",
                 name_.c_str(), name.c_str(), weight_type_name(tensor.type));
        const DType type = packed_type(tensor.type);
        const size_t stride = static_cast<size_t>(k) * kPanel;
        const uint8_t* last = tensor.data + (wide(panel_count(n)) - 1) * stride * dtype_size(type);
        for (size_t i = 0; n % kPanel != 0 && i < stride; ++i) {
            const bool padding = static_cast<int>(i % kPanel) >= n % kPanel;
            if (padding && !is_zero(last + i * dtype_size(type), dtype_size(type)))
                fail(MM_ERROR_BAD_MODEL, "%s: the last panel of %s is not zero past row %d", name_.c_str(),
                     name.c_str(), n - 1);
        }
        if (in_place()) {
            weight_bytes_ += tensor.bytes;
            return {tensor.data, type, n, k, stride};
        }
        return packed(name, tensor, n, k, [&](void* panels) {
            if (type == DType::f16)
                copy_little_endian(tensor.data, panel_elements(n, k), static_cast<uint16_t*>(panels));
            else
                copy_little_endian(tensor.data, panel_elements(n, k), static_cast<float*>(panels));
            return all_finite(type, panels, panel_elements(n, k));
        });
    }
    static bool is_zero(const uint8_t* bytes, size_t n) {
        return std::all_of(bytes, bytes + n, [](uint8_t byte) { return byte == 0; });
    }

    template <typename Pack>
    Panels packed(const std::string& name, const Tensor& tensor, int n, int k, const Pack& pack) {
        const DType type = packed_type(tensor.type);
        const size_t bytes = panel_elements(n, k) * dtype_size(type);
        uint8_t* panels = owned_.allocate(bytes);
        if (!pack(panels)) fail_not_finite(name);
        weight_bytes_ += bytes;
        return {panels, type, n, k, static_cast<size_t>(k) * kPanel};
    }

    [[noreturn]] void fail_not_finite(const std::string& name) const {
        fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s holds NaN or infinity; the file is damaged", name_.c_str(),
             printable(name).c_str());
    }

    std::unique_ptr<MappedFile> mapping_;  // null if the bytes are borrowed
    Bytes bytes_;
    std::string name_;
    ModelContents contents_;
    PageMemory owned_;
    std::vector<LockedMemory> locked_;  // destroyed before what it locks
    uint64_t weight_bytes_ = 0;
};

}  // namespace

std::shared_ptr<ModelFile> ModelFile::open(const std::string& path) {
    auto mapping = std::make_unique<MappedFile>(path);
    const Bytes bytes = mapping->bytes();
    return std::make_shared<OpenFile>(std::move(mapping), bytes, printable(path, 500));
}

std::shared_ptr<ModelFile> ModelFile::from_memory(const void* data, size_t size, const std::string& name) {
    return std::make_shared<OpenFile>(nullptr, Bytes{static_cast<const uint8_t*>(data), size}, name);
}

}  // namespace mm

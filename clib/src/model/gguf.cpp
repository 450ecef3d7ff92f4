#include "model/gguf.h"

#include <algorithm>
#include <array>
#include <limits>

#include "model/byte_reader.h"
#include "runtime/immortal.h"
#include "runtime/text.h"

namespace mm {
namespace {

enum GgufType : uint32_t {
    kU8 = 0,
    kI8 = 1,
    kU16 = 2,
    kI16 = 3,
    kU32 = 4,
    kI32 = 5,
    kF32 = 6,
    kBool = 7,
    kString = 8,
    kArray = 9,
    kU64 = 10,
    kI64 = 11,
    kF64 = 12
};

constexpr uint64_t kMaxEntries = 1 << 16;  // keys, and tensors
constexpr uint64_t kMaxArray = 1 << 20;    // elements of an array
constexpr uint64_t kMaxName = 255;         // bytes of a key or of a tensor's name
constexpr uint64_t kMaxAlignment = 1 << 16;
constexpr uint64_t kDefaultAlignment = 32;

// Bytes of a scalar; 0 for strings, arrays and unknown types.
size_t scalar_size(uint32_t type) {
    switch (type) {
        case kU8:
        case kI8:
        case kBool:
            return 1;
        case kU16:
        case kI16:
            return 2;
        case kU32:
        case kI32:
        case kF32:
            return 4;
        case kU64:
        case kI64:
        case kF64:
            return 8;
        default:
            return 0;
    }
}

class GgufReader {
  public:
    GgufReader(Bytes file, const std::string& name) : file_(file), name_(name), reader_(file, name) {}

    ModelContents read() {
        contents_.format = "gguf";
        reader_.take(4, "the magic");
        read_version();
        const uint64_t n_tensors = read_count("tensors");
        const uint64_t n_keys = read_count("metadata keys");
        for (uint64_t i = 0; i < n_keys; ++i) read_metadata();
        interpret_metadata();
        for (uint64_t i = 0; i < n_tensors; ++i) read_tensor_info();
        place_tensors();
        return std::move(contents_);
    }

  private:
    struct Placed {
        uint64_t offset;
        const std::string* name;
        Tensor* tensor;
    };

    void read_version() {
        const uint32_t version = reader_.read<uint32_t>("the version");
        if (version == 3) return;
        if (version == 0x03000000)
            fail(MM_ERROR_UNSUPPORTED, "%s: is a big-endian GGUF; a little-endian one is needed", name_.c_str());
        fail(version == 1 || version == 2 ? MM_ERROR_UNSUPPORTED : MM_ERROR_BAD_MODEL,
             "%s: is GGUF version %u; version 3 is needed: convert the model anew", name_.c_str(), version);
    }

    uint64_t read_count(const char* what) {
        const uint64_t count = reader_.read<uint64_t>("the counts of the header");
        if (count > kMaxEntries)
            fail(MM_ERROR_BAD_MODEL, "%s: claims %llu %s; at most %llu are believed", name_.c_str(),
                 static_cast<unsigned long long>(count), what, static_cast<unsigned long long>(kMaxEntries));
        return count;
    }

    std::string_view read_text(const char* what) { return reader_.text(reader_.read<uint64_t>(what), what); }

    std::string read_name(const char* what) {
        const std::string_view text = read_text(what);
        if (text.empty() || text.size() > kMaxName)
            fail(MM_ERROR_BAD_MODEL, "%s: %s is %zu bytes long; 1 to %llu are allowed", name_.c_str(), what,
                 text.size(), static_cast<unsigned long long>(kMaxName));
        return std::string(text);
    }

    void read_metadata() {
        const std::string key = read_name("a metadata key");
        const uint32_t type = reader_.read<uint32_t>("the type of a metadata value");
        const MetadataValue value = read_value(key, type);
        if (!contents_.metadata.emplace(key, value).second)
            fail(MM_ERROR_BAD_MODEL, "%s: the key %s is there twice", name_.c_str(), printable(key).c_str());
    }

    MetadataValue read_value(const std::string& key, uint32_t type) {
        const char* what = "a metadata value";
        switch (type) {
            case kU8:
                return int64_t{reader_.read<uint8_t>(what)};
            case kI8:
                return int64_t{reader_.read<int8_t>(what)};
            case kU16:
                return int64_t{reader_.read<uint16_t>(what)};
            case kI16:
                return int64_t{reader_.read<int16_t>(what)};
            case kU32:
                return int64_t{reader_.read<uint32_t>(what)};
            case kI32:
                return int64_t{reader_.read<int32_t>(what)};
            case kU64:
                return static_cast<int64_t>(
                    std::min<uint64_t>(reader_.read<uint64_t>(what), std::numeric_limits<int64_t>::max()));
            case kI64:
                return reader_.read<int64_t>(what);
            case kF32:
                return double{reader_.read<float>(what)};
            case kF64:
                return reader_.read<double>(what);
            case kBool: {
                const uint8_t value = reader_.read<uint8_t>(what);
                if (value > 1)
                    fail(MM_ERROR_BAD_MODEL, "%s: the key %s is a boolean of value %u", name_.c_str(),
                         printable(key).c_str(), value);
                return value == 1;
            }
            case kString:
                return read_text(what);
            case kArray:
                return read_array(key);
            default:
                fail(MM_ERROR_BAD_MODEL, "%s: the key %s has a value of unknown type %u", name_.c_str(),
                     printable(key).c_str(), type);
        }
    }

    MetadataArray read_array(const std::string& key) {
        const char* what = "a metadata array";
        MetadataArray array;
        array.element_type = reader_.read<uint32_t>(what);
        array.count = reader_.read<uint64_t>(what);
        if (array.count > kMaxArray)
            fail(MM_ERROR_BAD_MODEL, "%s: the key %s claims an array of %llu elements; at most %llu are believed",
                 name_.c_str(), printable(key).c_str(), static_cast<unsigned long long>(array.count),
                 static_cast<unsigned long long>(kMaxArray));
        const size_t begin = reader_.position();
        const size_t element_size = scalar_size(array.element_type);
        if (element_size > 0) {
            reader_.take(array.count, element_size, what);
        } else if (array.element_type == kString) {
            for (uint64_t i = 0; i < array.count; ++i) read_text(what);
        } else {
            fail(array.element_type == kArray ? MM_ERROR_UNSUPPORTED : MM_ERROR_BAD_MODEL,
                 "%s: the key %s is an array of %s (type %u)", name_.c_str(), printable(key).c_str(),
                 array.element_type == kArray ? "arrays, which no model read here has" : "an unknown type",
                 array.element_type);
        }
        array.bytes = {file_.data + begin, reader_.position() - begin};
        return array;
    }

    template <typename T>
    const T* find(const char* key) const {
        const auto entry = contents_.metadata.find(key);
        if (entry == contents_.metadata.end()) return nullptr;
        const T* value = std::get_if<T>(&entry->second);
        if (!value) fail(MM_ERROR_BAD_MODEL, "%s: the key %s has a value of the wrong type", name_.c_str(), key);
        return value;
    }

    void interpret_metadata() {
        const std::string_view* architecture = find<std::string_view>("general.architecture");
        if (!architecture) fail(MM_ERROR_BAD_MODEL, "%s: the key general.architecture is missing", name_.c_str());
        contents_.architecture = *architecture;

        if (const int64_t* alignment = find<int64_t>("general.alignment")) {
            if (*alignment < 8 || *alignment > static_cast<int64_t>(kMaxAlignment) ||
                (*alignment & (*alignment - 1)) != 0)
                fail(MM_ERROR_BAD_MODEL, "%s: general.alignment is %lld; it must be a power of two from 8 to %llu",
                     name_.c_str(), static_cast<long long>(*alignment), static_cast<unsigned long long>(kMaxAlignment));
            alignment_ = static_cast<uint64_t>(*alignment);
        }
        if (const std::string_view* layout = find<std::string_view>("multimodal.layout")) {
            if (*layout != "panel16")
                fail(MM_ERROR_UNSUPPORTED,
                     "%s: multimodal.layout is \"%s\"; this release knows \"panel16\": convert the model anew, or use "
                     "a newer release",
                     name_.c_str(), printable(*layout).c_str());
            if (alignment_ < 64)
                fail(MM_ERROR_BAD_MODEL,
                     "%s: general.alignment is %llu; panels need at least 64: convert the model anew", name_.c_str(),
                     static_cast<unsigned long long>(alignment_));
            contents_.panels = true;
        }
    }

    void read_tensor_info() {
        const char* what = "the description of a tensor";
        const std::string name = read_name("the name of a tensor");
        Tensor tensor;
        const uint32_t n_dims = reader_.read<uint32_t>(what);
        if (n_dims < 1 || n_dims > kMaxDims)
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s has %u dimensions; 1 to %d are allowed", name_.c_str(),
                 printable(name).c_str(), n_dims, kMaxDims);
        for (uint32_t i = 0; i < n_dims; ++i) {
            tensor.dims[i] = reader_.read<uint64_t>(what);
        }
        const uint32_t type = reader_.read<uint32_t>(what);
        if (!is_weight_type(type))
            fail(MM_ERROR_UNSUPPORTED,
                 "%s: the tensor %s is of ggml type %u; f32, f16, q8_0, q5_0, q5_1 and q4_0 are read", name_.c_str(),
                 printable(name).c_str(), type);
        tensor.type = static_cast<WeightType>(type);
        const uint64_t offset = reader_.read<uint64_t>(what);
        if (offset % alignment_ != 0)
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s is at offset %llu, not a multiple of general.alignment %llu",
                 name_.c_str(), printable(name).c_str(), static_cast<unsigned long long>(offset),
                 static_cast<unsigned long long>(alignment_));
        const auto [entry, added] = contents_.tensors.emplace(name, tensor);
        if (!added)
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s is there twice", name_.c_str(), printable(name).c_str());
        placed_.push_back({offset, &entry->first, &entry->second});
    }

    // The data section starts at the next multiple of the alignment; offsets count from there.
    void place_tensors() {
        const uint64_t padding = (alignment_ - reader_.position() % alignment_) % alignment_;
        if (placed_.empty()) fail(MM_ERROR_BAD_MODEL, "%s: holds no tensors", name_.c_str());
        reader_.take(padding, "the padding before the tensors");
        const uint8_t* base = file_.data + reader_.position();
        const uint64_t size = reader_.remaining();
        std::sort(placed_.begin(), placed_.end(), [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
        uint64_t end = 0;  // of the tensor before
        for (const Placed& p : placed_) {
            if (p.offset > size)
                fail(MM_ERROR_BAD_MODEL,
                     "%s: the tensor %s is at offset %llu of %llu bytes of tensors; the file is cut short or damaged",
                     name_.c_str(), printable(*p.name).c_str(), static_cast<unsigned long long>(p.offset),
                     static_cast<unsigned long long>(size));
            if (p.offset < end)
                fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s overlaps another", name_.c_str(),
                     printable(*p.name).c_str());
            set_tensor_size(*p.tensor, size - p.offset, name_, *p.name);
            p.tensor->data = base + p.offset;
            end = p.offset + p.tensor->bytes;
        }
    }

    const Bytes file_;
    const std::string& name_;
    ByteReader reader_;
    uint64_t alignment_ = kDefaultAlignment;
    ModelContents contents_;
    std::vector<Placed> placed_;
};

}  // namespace

ModelContents parse_gguf(Bytes file, const std::string& name) {
    return GgufReader(file, name).read();
}

std::vector<int32_t> decode_integers(const MetadataArray& array, const std::string& file, const std::string& key) {
    if (array.element_type != kI32 && array.element_type != kU32)
        fail(MM_ERROR_BAD_MODEL, "%s: the key %s is not an array of 32-bit integers", file.c_str(), key.c_str());
    ByteReader reader(array.bytes, file);
    std::vector<int32_t> values;
    values.reserve(static_cast<size_t>(array.count));
    for (uint64_t i = 0; i < array.count; ++i) {
        const int32_t value = reader.read<int32_t>("an array of integers");
        if (array.element_type == kU32 && value < 0)
            fail(MM_ERROR_BAD_MODEL, "%s: the key %s has an element above 2147483647", file.c_str(), key.c_str());
        values.push_back(value);
    }
    return values;
}

std::vector<float> decode_numbers(const MetadataArray& array, const std::string& file, const std::string& key) {
    if (array.element_type != kF32)
        fail(MM_ERROR_BAD_MODEL, "%s: the key %s is not an array of f32", file.c_str(), key.c_str());
    ByteReader reader(array.bytes, file);
    std::vector<float> values(static_cast<size_t>(array.count));
    for (float& value : values) value = reader.read<float>("an array of numbers");
    return values;
}

std::vector<std::string> decode_strings(const MetadataArray& array, const std::string& file, const std::string& key) {
    if (array.element_type != kString)
        fail(MM_ERROR_BAD_MODEL, "%s: the key %s is not an array of strings", file.c_str(), key.c_str());
    ByteReader reader(array.bytes, file);
    std::vector<std::string> values;
    values.reserve(static_cast<size_t>(array.count));
    for (uint64_t i = 0; i < array.count; ++i) {
        const uint64_t length = reader.read<uint64_t>("an array of strings");
        values.emplace_back(reader.text(length, "an array of strings"));
    }
    return values;
}

// GPT-2 prints the bytes 0x21-0x7e, 0xa1-0xac and 0xae-0xff as the characters of these code points, and the others, in
// ascending order, as U+0100, U+0101, ... (bytes_to_unicode in https://github.com/openai/gpt-2, encoder.py).
std::string decode_gpt2_token(const std::string& token, const std::string& file) {
    constexpr int kCharacters = 0x100 + 68;
    const auto& byte_of = immortal([] {
        std::array<int, kCharacters> table;
        table.fill(-1);
        int next = 0x100;
        for (int byte = 0; byte < 256; ++byte) {
            const bool prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
            table[static_cast<size_t>(prints ? byte : next++)] = byte;
        }
        return table;
    });
    std::string bytes;
    for (size_t i = 0; i < token.size();) {
        const CodePoint c = code_point_at(token, i);
        if (!c.valid || c.value >= kCharacters || byte_of[c.value] < 0)
            fail(MM_ERROR_BAD_MODEL, "%s: the token \"%s\" is not in GPT-2's printable form", file.c_str(),
                 printable(token).c_str());
        bytes += static_cast<char>(byte_of[c.value]);
        i += static_cast<size_t>(c.length);
    }
    return bytes;
}

}  // namespace mm

// Model files: what good ones hold, and that bad ones are refused with the right status and a message that says why.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "check.h"
#include "model/model_file.h"
#include "model_bytes.h"
#include "runtime/error.h"

using namespace model_bytes;
using mm::ModelFile;

namespace {

#define CHECK_THROWS(action, expected, part)                                                                         \
    do {                                                                                                             \
        mm_status status_ = MM_OK;                                                                                   \
        std::string message_;                                                                                        \
        try {                                                                                                        \
            action;                                                                                                  \
        } catch (const mm::Error& error) {                                                                           \
            status_ = error.status();                                                                                \
            message_ = error.what();                                                                                 \
        }                                                                                                            \
        CHECK_STATUS(status_, expected);                                                                             \
        if (message_.find(part) == std::string::npos) {                                                              \
            ++checks_failed;                                                                                         \
            fprintf(stderr, "%s:%d: the message \"%s\" lacks \"%s\"\n", __FILE__, __LINE__, message_.c_str(), part); \
        }                                                                                                            \
    } while (0)

// Opens bytes and does with them all that can be done, so that nothing in the file stays unread.
void use_all(const std::string& bytes) {
    const mm::Buffer<uint8_t> memory = exact(bytes);
    const auto file = ModelFile::from_memory(memory.data(), memory.size(), "memory");
    const std::function<void()> uses[] = {
        [&] { file->integer("test.count", 0, 100); },
        [&] { file->number("test.scale"); },
        [&] { file->boolean("test.flag"); },
        [&] { file->string("multimodal.layout"); },
        [&] { file->integers("test.pairs"); },
        [&] { file->vocabulary(); },
        [&] { file->matrix("matrix", 20, 3); },
        [&] { file->convolution("conv", 2, 1, 3); },
        [&] { file->vector("vector", 5); },
        [&] { file->check_finite(); },
        [&] { file->weight_type(); },
    };
    for (const auto& use : uses) {
        try {
            use();
        } catch (const mm::Error&) {
        }
    }
}

// True if the bytes are refused as a file; either way nothing may be read outside of them.
bool refused(const std::string& bytes) {
    try {
        use_all(bytes);
        return false;
    } catch (const mm::Error& error) {
        CHECK(error.status() == MM_ERROR_BAD_MODEL || error.status() == MM_ERROR_UNSUPPORTED);
        CHECK(std::strlen(error.what()) > 10);
        return true;
    }
}

std::shared_ptr<ModelFile> open_bytes(const mm::Buffer<uint8_t>& memory) {
    return ModelFile::from_memory(memory.data(), memory.size(), "memory");
}

// ---- Our GGUF ------------------------------------------------------------------------------------------------------

void gguf_is_read() {
    const auto memory = exact(gguf().bytes());
    const auto file = open_bytes(memory);
    CHECK(file->format() == std::string("gguf"));
    CHECK(file->architecture() == "test");
    CHECK(file->in_place());
    CHECK(file->integer("test.count", 7, 7) == 7);
    CHECK(file->number("test.scale") == 0.5f);
    CHECK(file->boolean("test.flag"));
    CHECK(file->string("multimodal.layout") == "panel16");
    CHECK(file->integers("test.pairs") == (std::vector<int32_t>{-3, 4}));
    CHECK(file->vocabulary() == (std::vector<std::string>{"a", " b", "\xff", std::string(1, '\0')}));
    CHECK(file->has("test.flag") && !file->has("test.flags"));
    CHECK(file->has_tensor("vector") && !file->has_tensor("test.flag"));
    CHECK(file->weight_type() == std::string("f32") || file->weight_type() == std::string("f16"));

    const mm::Panels matrix = file->matrix("matrix", 20, 3);
    const auto* bytes = static_cast<const uint8_t*>(matrix.data);
    CHECK(bytes > memory.data() && bytes < memory.data() + memory.size());  // in place
    CHECK(matrix.type == mm::DType::f16 && matrix.n == 20 && matrix.k == 3 && matrix.panel_stride == 48);
    float row[3];
    mm::panel_row(matrix, 19, row);
    CHECK(row[0] == 19 && row[1] == 19.25f && row[2] == 19.5f);
    const mm::Panels convolution = file->convolution("conv", 2, 1, 3);
    mm::panel_row(convolution, 1, row);
    CHECK(row[0] == 10 && row[1] == 11 && row[2] == 12);
    CHECK(file->vector("vector", 5)[4] == 1.0f);
    CHECK(file->weight_bytes() == 192 + 192 + 20);
    file->check_finite();
}

void what_a_gguf_lacks_or_contradicts_is_named() {
    const auto memory = exact(gguf().bytes());
    const auto file = open_bytes(memory);
    CHECK_THROWS(file->integer("test.count", 8, 9), MM_ERROR_BAD_MODEL, "test.count is 7; it must be from 8 to 9");
    CHECK_THROWS(file->integer("test.huge", 0, 1 << 30), MM_ERROR_BAD_MODEL, "test.huge");
    CHECK_THROWS(file->integer("test.scale", 0, 9), MM_ERROR_BAD_MODEL, "test.scale is not an integer");
    CHECK_THROWS(file->string("nothing"), MM_ERROR_BAD_MODEL, "the key nothing is missing");
    CHECK_THROWS(file->integers("tokenizer.ggml.tokens"), MM_ERROR_BAD_MODEL, "not an array of 32-bit integers");
    CHECK_THROWS(file->strings("test.pairs"), MM_ERROR_BAD_MODEL, "not an array of strings");
    CHECK_THROWS(file->matrix("matrix", 33, 3), MM_ERROR_BAD_MODEL,
                 "is 16 x 3 x 2; the hyperparameters need 16 x 3 x 3");
    CHECK_THROWS(file->matrix("matrix", 20, 2), MM_ERROR_BAD_MODEL, "matrix");
    CHECK_THROWS(file->matrix("missing", 20, 3), MM_ERROR_BAD_MODEL, "the tensor missing is missing");
    CHECK_THROWS(file->vector("vector", 6), MM_ERROR_BAD_MODEL, "has 5 elements; the hyperparameters need 6");
    CHECK_THROWS(file->vector("matrix", 96), MM_ERROR_BAD_MODEL, "of type f16; it must be f32");
}

void bad_ggufs_are_refused() {
    const auto check = [](const char* part, mm_status status, const std::function<void(GgufOptions&)>& spoil) {
        GgufOptions options;
        spoil(options);
        const auto memory = exact(gguf(options).bytes());
        CHECK_THROWS(open_bytes(memory), status, part);
    };
    check("version 2", MM_ERROR_UNSUPPORTED, [](auto& o) { o.version = 2; });
    check("version 4", MM_ERROR_BAD_MODEL, [](auto& o) { o.version = 4; });
    check("big-endian", MM_ERROR_UNSUPPORTED, [](auto& o) { o.version = 0x03000000; });
    check("claims", MM_ERROR_BAD_MODEL, [](auto& o) { o.n_tensors = static_cast<uint64_t>(-1); });
    check("claims", MM_ERROR_BAD_MODEL, [](auto& o) { o.n_keys = uint64_t{1} << 40; });
    check("no tensors", MM_ERROR_BAD_MODEL, [](auto& o) { o.n_tensors = 0; });
    check("power of two", MM_ERROR_BAD_MODEL, [](auto& o) { o.alignment = 0; });
    check("power of two", MM_ERROR_BAD_MODEL, [](auto& o) { o.alignment = 96; });
    check("power of two", MM_ERROR_BAD_MODEL, [](auto& o) { o.alignment = 1u << 31; });
    check("panels need at least 64", MM_ERROR_BAD_MODEL, [](auto& o) { o.alignment = 32; });
    check("\"panel8\"", MM_ERROR_UNSUPPORTED, [](auto& o) { o.layout = "panel8"; });
    check("ggml type 12", MM_ERROR_UNSUPPORTED, [](auto& o) { o.matrix_type = 12; });
    check("not whole q8_0 blocks", MM_ERROR_BAD_MODEL, [](auto& o) { o.matrix_type = 8; });
    check("overlaps", MM_ERROR_BAD_MODEL, [](auto& o) { o.matrix_type = 0; });
    check("the tensor matrix is there twice", MM_ERROR_BAD_MODEL, [](auto& o) { o.second_name = "matrix"; });
    check("the key test.count is there twice", MM_ERROR_BAD_MODEL, [](auto& o) { o.extra_key = "test.count"; });
    check("not a multiple", MM_ERROR_BAD_MODEL, [](auto& o) { o.vector_offset = 520; });
    check("cut short", MM_ERROR_BAD_MODEL, [](auto& o) { o.vector_offset = uint64_t{1} << 62; });
    check("1 to 255", MM_ERROR_BAD_MODEL, [](auto& o) { o.extra_key = ""; });
    check("1 to 255", MM_ERROR_BAD_MODEL, [](auto& o) { o.extra_key = std::string(256, 'k'); });

    GgufOptions padding, infinite;
    padding.padding_is_zero = false;
    infinite.finite = false;
    const auto first = exact(gguf(padding).bytes()), second = exact(gguf(infinite).bytes());
    CHECK_THROWS(open_bytes(first)->matrix("matrix", 20, 3), MM_ERROR_BAD_MODEL, "not zero past row 19");
    CHECK_THROWS(open_bytes(second)->vector("vector", 5), MM_ERROR_BAD_MODEL, "NaN or infinity");
    CHECK_THROWS(open_bytes(second)->check_finite(), MM_ERROR_BAD_MODEL, "the tensor vector holds NaN or infinity");
}

void bad_values_are_refused() {
    const auto check = [](const char* part, mm_status status, uint32_t type, const std::string& value) {
        Writer w;
        w.raw("GGUF").put(uint32_t{3}).put(uint64_t{1}).put(uint64_t{1}).text("key").put(type).raw(value);
        const auto memory = exact(w.bytes());
        CHECK_THROWS(open_bytes(memory), status, part);
    };
    const auto array = [](uint32_t element, uint64_t count, size_t bytes) {
        return Writer().put(element).put(count).bytes() + std::string(bytes, '\0');
    };
    check("unknown type 13", MM_ERROR_BAD_MODEL, 13, std::string(8, '\0'));
    check("a boolean of value 2", MM_ERROR_BAD_MODEL, kBool, "\2");
    check("an array of arrays", MM_ERROR_UNSUPPORTED, kArray, array(kArray, 1, 12));
    check("an unknown type (type 99)", MM_ERROR_BAD_MODEL, kArray, array(99, 1, 8));
    check("1048577 elements", MM_ERROR_BAD_MODEL, kArray, array(kU8, (1 << 20) + 1, (1 << 20) + 1));
    check("architecture is missing", MM_ERROR_BAD_MODEL, kArray, array(kU8, 1 << 20, 1 << 20));
    check("cut short", MM_ERROR_BAD_MODEL, kArray, array(kU32, 1 << 20, (1 << 22) - 1));
    check("cut short", MM_ERROR_BAD_MODEL, kArray, array(kString, 2, 8));
    check("cut short", MM_ERROR_BAD_MODEL, kString, std::string(8, '\xff'));
}

void tokens_that_gpt2_does_not_print_are_refused() {
    std::string bytes = gguf().bytes();
    const size_t at = bytes.find("\xc4\xa0");
    for (const char* bad : {"\xc5\x84", "\xff\xff", "\xc2\xad", " b"}) {  // U+0144, no UTF-8, U+00AD, a bare space
        bytes.replace(at, 2, bad);
        const auto memory = exact(bytes);
        CHECK_THROWS(open_bytes(memory)->vocabulary(), MM_ERROR_BAD_MODEL, "printable form");
    }
}

// ---- whisper.cpp's files -------------------------------------------------------------------------------------------

// One block of each quantised type with scale 2 (and minimum 1), element i being i in steps of the scale.
struct Block {
    int32_t type;
    std::string bytes;
    std::function<float(int)> value;
};

std::vector<Block> blocks() {
    const std::string two("\x00\x40", 2), one("\x00\x3c", 2);
    std::string bytes32, nibbles;
    for (int i = 0; i < 32; ++i) bytes32 += static_cast<char>(i - 16);
    for (int i = 0; i < 16; ++i) nibbles += static_cast<char>(i | (15 - i) << 4);
    const std::string fifth("\x00\x00\xff\xff", 4);  // set for elements 16 to 31
    const auto low_high = [](int i) { return i < 16 ? i : 15 - (i - 16); };
    return {
        {8, two + bytes32, [](int i) { return 2.0f * static_cast<float>(i - 16); }},
        {2, two + nibbles, [=](int i) { return 2.0f * static_cast<float>(low_high(i) - 8); }},
        {6, two + fifth + nibbles,
         [=](int i) { return 2.0f * static_cast<float>(low_high(i) + (i < 16 ? 0 : 16) - 16); }},
        {7, two + one + fifth + nibbles,
         [=](int i) { return 2.0f * static_cast<float>(low_high(i) + (i < 16 ? 0 : 16)) + 1.0f; }},
    };
}

void ggml_is_read_and_packed() {
    for (const Block& block : blocks()) {
        Writer w = ggml_header();
        ggml_tensor(w, "matrix", block.type, {32, 2}, block.bytes + block.bytes);
        const auto memory = exact(w.bytes());
        const auto file = open_bytes(memory);
        CHECK(!file->in_place());
        const mm::Panels matrix = file->matrix("matrix", 2, 32);
        CHECK(matrix.type == mm::DType::f32);
        for (int row = 0; row < 2; ++row) {
            float values[32];
            mm::panel_row(matrix, row, values);
            for (int i = 0; i < 32; ++i) CHECK(values[i] == block.value(i));
        }
        const float* data = static_cast<const float*>(matrix.data);
        for (int i = 0; i < 32 * 16; ++i) CHECK(i % 16 < 2 || data[i] == 0.0f);
    }
}

void ggml_header_becomes_keys() {
    Writer w = ggml_header();
    // [2][2][3] f16: taps 1, 2, 3 of the first channel and 4, 5, 6 of the second, for both outputs.
    std::string taps;
    for (const int high : {0x3c, 0x40, 0x42, 0x44, 0x45, 0x46}) taps += {'\0', static_cast<char>(high)};
    taps += taps;
    ggml_tensor(w, "odd", 0, {1}, std::string("\x00\x00\x80\x3f", 4));
    ggml_tensor(w, "conv", 1, {3, 2, 2}, taps);
    const auto memory = exact(w.bytes());
    const auto file = open_bytes(memory);
    CHECK(file->format() == std::string("ggml"));
    CHECK(file->architecture() == "whisper");
    CHECK(file->integer("whisper.n_vocab", 0, 1 << 20) == 51865);
    CHECK(file->integer("whisper.n_audio_ctx", 0, 1 << 20) == 1500);
    CHECK(file->integer("whisper.n_text_layer", 0, 1 << 20) == 2);
    CHECK(file->integer("whisper.n_mels", 0, 1 << 20) == 80);
    CHECK(!file->has("whisper.alignment_heads"));
    const auto tokens = file->vocabulary();
    CHECK(tokens.size() == 50257 && tokens[0] == "ab" && tokens[1] == "\xff" && tokens[2].empty());
    CHECK(file->vector("mel_filters", 80 * 201)[7] == 0.0f);
    const float* odd = file->vector("odd", 1);  // at an odd offset in the file
    CHECK(reinterpret_cast<uintptr_t>(odd) % alignof(float) == 0 && odd[0] == 1.0f);
    const mm::Panels convolution = file->convolution("conv", 2, 2, 3);
    CHECK(convolution.type == mm::DType::f16);
    float row[6];
    mm::panel_row(convolution, 1, row);
    const float tap_major[6] = {1, 4, 2, 5, 3, 6};
    CHECK(std::equal(row, row + 6, tap_major));
}

void english_only_files_may_hold_the_end_of_text() {
    for (const int tokens : {50256, 50257}) {
        GgmlOptions options;
        options.n_vocab = 51864;
        options.tokens = tokens;
        Writer w = ggml_header(options);
        ggml_tensor(w, "x", 0, {1}, std::string(4, '\0'));
        const auto memory = exact(w.bytes());
        CHECK(open_bytes(memory)->vocabulary().size() == 50256);
    }
}

void bad_ggml_headers_are_refused() {
    const auto check = [](const char* part, mm_status status, const std::function<void(GgmlOptions&)>& spoil) {
        GgmlOptions options;
        spoil(options);
        Writer w = ggml_header(options);
        ggml_tensor(w, "x", 0, {1}, std::string(4, '\0'));
        const auto memory = exact(w.bytes());
        CHECK_THROWS(open_bytes(memory), status, part);
    };
    check("n_vocab is 50258", MM_ERROR_BAD_MODEL, [](auto& o) { o.n_vocab = 50258; });
    check("n_vocab is -1", MM_ERROR_BAD_MODEL, [](auto& o) { o.n_vocab = -1; });
    check("ftype 2003", MM_ERROR_UNSUPPORTED, [](auto& o) { o.ftype = 2003; });
    check("ftype -8", MM_ERROR_UNSUPPORTED, [](auto& o) { o.ftype = -8; });
    check("ftype 99", MM_ERROR_UNSUPPORTED, [](auto& o) { o.ftype = 99; });
    check("mel filters of 81 x 201", MM_ERROR_BAD_MODEL, [](auto& o) { o.filter_mels = 81; });
    check("mel filters of 80 x 200", MM_ERROR_BAD_MODEL, [](auto& o) { o.frequencies = 200; });
    check("has 50256 tokens", MM_ERROR_BAD_MODEL, [](auto& o) { o.tokens = 50256; });
    check("has 51866 tokens", MM_ERROR_BAD_MODEL, [](auto& o) { o.tokens = 51866; });
}

void bad_ggml_tensors_are_refused() {
    const auto check = [](const char* part, mm_status status, int32_t type, const std::vector<int32_t>& dims,
                          const std::string& name, size_t data) {
        Writer w = ggml_header();
        ggml_tensor(w, "first", 0, {1}, std::string(4, '\0'));
        ggml_tensor(w, name, type, dims, std::string(data, '\0'));
        const auto memory = exact(w.bytes());
        CHECK_THROWS(open_bytes(memory), status, part);
    };
    check("of ggml type -1", MM_ERROR_UNSUPPORTED, -1, {1}, "x", 4);
    check("of ggml type 3", MM_ERROR_UNSUPPORTED, 3, {32}, "x", 20);
    check("0 dimensions", MM_ERROR_BAD_MODEL, 0, {}, "x", 4);
    check("5 dimensions", MM_ERROR_BAD_MODEL, 0, {1, 1, 1, 1, 1}, "x", 4);
    check("a name of 0 bytes", MM_ERROR_BAD_MODEL, 0, {1}, "", 4);
    check("a name of 256 bytes", MM_ERROR_BAD_MODEL, 0, {1}, std::string(256, 'n'), 4);
    check("a dimension of 0", MM_ERROR_BAD_MODEL, 0, {0}, "x", 0);
    check("a dimension of -5", MM_ERROR_BAD_MODEL, 0, {-5}, "x", 4);
    check("does not fit", MM_ERROR_BAD_MODEL, 0, {0x7fffffff, 0x7fffffff, 0x7fffffff, 4}, "x", 4);  // an exabyte
    check("does not fit", MM_ERROR_BAD_MODEL, 0, {65536, 65536, 65536, 65536}, "x", 4);             // 2^64
    check("not whole q5_0 blocks", MM_ERROR_BAD_MODEL, 6, {33}, "x", 44);
    check("are left", MM_ERROR_BAD_MODEL, 0, {2}, "x", 7);
    check("the tensor first is there twice", MM_ERROR_BAD_MODEL, 0, {1}, "first", 4);
    check("the tensor mel_filters is there twice", MM_ERROR_BAD_MODEL, 0, {1}, "mel_filters", 4);

    const auto vocabulary_only = exact(ggml_header().bytes());
    CHECK_THROWS(open_bytes(vocabulary_only), MM_ERROR_BAD_MODEL, "no weights");
    Writer w = ggml_header();
    ggml_tensor(w, "matrix", 8, {32, 1}, std::string("\xff\x7e", 2) + std::string(32, '\1'));
    ggml_tensor(w, "conv", 8, {32, 1, 1}, std::string(34, '\0'));
    const auto memory = exact(w.bytes());
    CHECK_THROWS(open_bytes(memory)->matrix("matrix", 1, 32), MM_ERROR_BAD_MODEL, "NaN or infinity");
    CHECK_THROWS(open_bytes(memory)->convolution("conv", 1, 1, 32), MM_ERROR_UNSUPPORTED, "q8_0");
}

// ---- Spoiled bytes -------------------------------------------------------------------------------------------------

void cuts_are_refused(const Writer& w, size_t last_tensor_end) {
    for (const Writer::Field& field : w.fields())
        for (const size_t size : {field.offset, field.offset + 1, field.offset + field.size - 1}) {
            if (size < last_tensor_end) CHECK(refused(w.bytes().substr(0, size)));
        }
}

// Each field in turn takes every value that has broken a loader somewhere; the outcome is free, the process lives.
void changed_fields_do_no_harm(const Writer& w) {
    const uint64_t values[] = {0,
                               1,
                               2,
                               3,
                               63,
                               255,
                               0x7f,
                               0x80,
                               0x7fff,
                               0x8000,
                               0x7fffffff,
                               0x80000000,
                               0xffffffff,
                               0x100000000,
                               0x3fffffffffffffff,
                               0x7fffffffffffffff,
                               0x8000000000000000,
                               ~uint64_t{0},
                               ~uint64_t{63},
                               w.bytes().size(),
                               w.bytes().size() + 1};
    for (const Writer::Field& field : w.fields()) {
        if (field.size > 8) continue;
        for (const uint64_t value : values) {
            std::string bytes = w.bytes();
            std::memcpy(&bytes[field.offset], &value, field.size);
            refused(bytes);
        }
    }
}

void flipped_bits_do_no_harm(const Writer& w, size_t end, size_t step) {
    for (size_t bit = 0; bit < end * 8; bit += step) {
        std::string bytes = w.bytes();
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
        refused(bytes);
    }
}

void spoiled_bytes_do_no_harm() {
    const Writer good = gguf();
    const size_t tensors_end = good.bytes().size() - 64 + 20;
    cuts_are_refused(good, tensors_end);
    changed_fields_do_no_harm(good);
    flipped_bits_do_no_harm(good, good.bytes().size(), 1);

    Writer w = ggml_header();
    ggml_tensor(w, "matrix", 6, {32, 2}, std::string(44, '\1'));
    ggml_tensor(w, "vector", 0, {5}, std::string(20, '\0'));
    // A cut between two tensors leaves a whole file: what is missing is found when the tensor is asked for.
    size_t whole = 0;
    for (const Writer::Field& field : w.fields()) {
        whole = field.offset;
        const bool between = whole + 3 * 4 + 4 + 6 + 20 == w.bytes().size();
        CHECK(refused(w.bytes().substr(0, whole)) != between);
    }
    changed_fields_do_no_harm(w);
    flipped_bits_do_no_harm(w, 64, 1);
    flipped_bits_do_no_harm(w, w.bytes().size(), 9973);
}

// ---- Files and paths -----------------------------------------------------------------------------------------------

class TemporaryFolder {
  public:
    TemporaryFolder() {
        const char* base = std::getenv("TMPDIR");
        path_ = std::string(base ? base : "/tmp") + "/mm-test-XXXXXX";
        if (!::mkdtemp(&path_[0])) std::exit(2);
    }
    ~TemporaryFolder() {
        for (const std::string& file : files_) ::unlink(file.c_str());
        ::rmdir(path_.c_str());
    }
    std::string write(const std::string& name, const std::string& bytes) {
        files_.push_back(path_ + "/" + name);
        FILE* file = std::fopen(files_.back().c_str(), "wb");
        if (!file || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) std::exit(2);
        std::fclose(file);
        return files_.back();
    }
    std::string pipe(const std::string& name) {
        files_.push_back(path_ + "/" + name);
        if (::mkfifo(files_.back().c_str(), 0600) != 0) std::exit(2);
        return files_.back();
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
    std::vector<std::string> files_;
};

void paths_are_opened_or_refused() {
    TemporaryFolder folder;
    const std::string good = gguf().bytes();
    CHECK(ModelFile::open(folder.write("good.gguf", good))->size() == good.size());

    const std::string strange = folder.write("caf\xc3\xa9 \xff\n.gguf", good);  // not UTF-8, and a line break
    CHECK(ModelFile::open(strange)->name().find("caf\xc3\xa9 \\xff\\x0a.gguf") != std::string::npos);

    CHECK_THROWS(ModelFile::open(""), MM_ERROR_IO, "empty");
    CHECK_THROWS(ModelFile::open(folder.path()), MM_ERROR_IO, "is a directory");
    CHECK_THROWS(ModelFile::open(folder.path() + "/none"), MM_ERROR_IO, "No such file");
    CHECK_THROWS(ModelFile::open(folder.write("empty", "")), MM_ERROR_IO, "is empty");
    CHECK_THROWS(ModelFile::open(folder.pipe("pipe")), MM_ERROR_IO, "not a regular file");
    CHECK_THROWS(ModelFile::open("/dev/null"), MM_ERROR_IO, "not a regular file");
    CHECK_THROWS(ModelFile::open(std::string(5000, 'x')), MM_ERROR_IO, "too long");
    CHECK_THROWS(ModelFile::open(folder.write("one", "G")), MM_ERROR_BAD_MODEL, "neither");
    CHECK_THROWS(ModelFile::open(folder.write("magic", "GGUF")), MM_ERROR_BAD_MODEL, "cut short");
    CHECK_THROWS(ModelFile::open(folder.write("zip", "PK\x03\x04zzzz")), MM_ERROR_BAD_MODEL, "PyTorch");
    CHECK_THROWS(ModelFile::open(folder.write("ct2", std::string("\x06\0\0\0\x0b\0", 6))), MM_ERROR_BAD_MODEL,
                 "CTranslate2");
    CHECK_THROWS(ModelFile::open(folder.write("html", "<!doctype html>")), MM_ERROR_BAD_MODEL, "web page");
    CHECK_THROWS(ModelFile::open(folder.write("lfs", "version https://git-lfs.github.com/spec/v1\n")),
                 MM_ERROR_BAD_MODEL, "Git LFS");
}

// Root reads everything: there a child that is nobody tries.
void an_unreadable_file_is_refused() {
    TemporaryFolder folder;
    const std::string good = folder.write("good.gguf", gguf().bytes()), secret = folder.write("secret", gguf().bytes());
    ::chmod(folder.path().c_str(), 0755);
    ::chmod(good.c_str(), 0644);
    ::chmod(secret.c_str(), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
            _exit(2);
        ModelFile::open(good);
        CHECK_THROWS(ModelFile::open(secret), MM_ERROR_IO, "Permission denied");
        _exit(checks_failed ? 1 : 0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

}  // namespace

int main() {
    gguf_is_read();
    what_a_gguf_lacks_or_contradicts_is_named();
    bad_ggufs_are_refused();
    bad_values_are_refused();
    tokens_that_gpt2_does_not_print_are_refused();
    ggml_is_read_and_packed();
    ggml_header_becomes_keys();
    english_only_files_may_hold_the_end_of_text();
    bad_ggml_headers_are_refused();
    bad_ggml_tensors_are_refused();
    spoiled_bytes_do_no_harm();
    paths_are_opened_or_refused();
    an_unreadable_file_is_refused();
    return finish("test_model_file");
}

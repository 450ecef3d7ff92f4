#include "model/ggml_bin.h"

#include "model/byte_reader.h"
#include "runtime/text.h"

namespace mm {
namespace {

// The header after the magic: eleven int32 in this order; the eleventh is the type of most weights.
constexpr const char* kHyperparameters[] = {
    "n_vocab",    "n_audio_ctx",  "n_audio_state", "n_audio_head", "n_audio_layer",
    "n_text_ctx", "n_text_state", "n_text_head",   "n_text_layer", "n_mels",
};
constexpr int kVersionFactor = 1000;  // ftype = version of the block formats * 1000 + type
constexpr int kFrequencies = 201;
constexpr int kMaxMels = 1024;
constexpr int kMaxNameLength = 255;

constexpr int kEnglishVocabulary = 51864, kLargestVocabulary = 51866;
constexpr int kEnglishTokens = 50256, kMultilingualTokens = 50257;  // text tokens; special ones follow

bool is_known_ftype(int ftype) {
    switch (ftype) {
        case 0:  // f32
        case 1:  // f16
        case 2:  // q4_0
        case 7:  // q8_0
        case 8:  // q5_0
        case 9:  // q5_1
            return true;
        default:
            return false;
    }
}

class GgmlReader {
  public:
    GgmlReader(Bytes file, const std::string& name) : name_(name), reader_(file, name) {}

    ModelContents read() {
        contents_.format = "ggml";
        contents_.architecture = "whisper";
        reader_.take(4, "the magic");
        read_header();
        read_filters();
        read_vocabulary();
        while (reader_.remaining() > 0) read_tensor();
        if (contents_.tensors.size() == 1)
            fail(MM_ERROR_BAD_MODEL, "%s: holds a vocabulary but no weights: it is not a model to transcribe with",
                 name_.c_str());
        return std::move(contents_);
    }

  private:
    int32_t read_int(const char* what) { return reader_.read<int32_t>(what); }

    void read_header() {
        for (const char* key : kHyperparameters)
            contents_.metadata[std::string("whisper.") + key] = int64_t{read_int("the hyperparameters")};
        n_vocab_ = static_cast<int>(std::get<int64_t>(contents_.metadata["whisper.n_vocab"]));
        n_mels_ = static_cast<int>(std::get<int64_t>(contents_.metadata["whisper.n_mels"]));
        if (n_vocab_ < kEnglishVocabulary || n_vocab_ > kLargestVocabulary)
            fail(MM_ERROR_BAD_MODEL, "%s: n_vocab is %d; Whisper models have %d to %d", name_.c_str(), n_vocab_,
                 kEnglishVocabulary, kLargestVocabulary);
        const int ftype = read_int("the hyperparameters");
        if (!is_known_ftype(ftype % kVersionFactor))  // a negative one leaves a negative rest
            fail(MM_ERROR_UNSUPPORTED, "%s: has weights of ggml ftype %d; f32, f16, q8_0, q5_0, q5_1 and q4_0 are read",
                 name_.c_str(), ftype);
    }

    void read_filters() {
        const int n_mels = read_int("the mel filters"), n_frequencies = read_int("the mel filters");
        if (n_mels != n_mels_ || n_mels < 1 || n_mels > kMaxMels || n_frequencies != kFrequencies)
            fail(MM_ERROR_BAD_MODEL, "%s: has mel filters of %d x %d; n_mels %d needs %d x %d", name_.c_str(), n_mels,
                 n_frequencies, n_mels_, n_mels_, kFrequencies);
        Tensor filters;
        filters.dims[0] = kFrequencies;
        filters.dims[1] = static_cast<uint64_t>(n_mels);
        add_tensor("mel_filters", filters);
    }

    // Files hold the text tokens, and some the special tokens behind them; what those are follows from n_vocab.
    void read_vocabulary() {
        const int needed = n_vocab_ == kEnglishVocabulary ? kEnglishTokens : kMultilingualTokens;
        const int count = read_int("the vocabulary");
        if (count < needed || count > n_vocab_)
            fail(MM_ERROR_BAD_MODEL, "%s: has %d tokens; n_vocab %d needs %d", name_.c_str(), count, n_vocab_, needed);
        contents_.vocabulary.reserve(static_cast<size_t>(needed));
        for (int i = 0; i < count; ++i) {
            const uint32_t length = reader_.read<uint32_t>("the vocabulary");
            const std::string_view token = reader_.text(length, "the vocabulary");
            if (i < needed) contents_.vocabulary.push_back(token);
        }
    }

    void read_tensor() {
        const char* what = "the description of a tensor";
        const int n_dims = read_int(what), name_length = read_int(what), type = read_int(what);
        if (n_dims < 1 || n_dims > kMaxDims || name_length < 1 || name_length > kMaxNameLength)
            fail(MM_ERROR_BAD_MODEL,
                 "%s: the tensor described before offset %zu has %d dimensions and a name of %d bytes; the file is "
                 "damaged",
                 name_.c_str(), reader_.position(), n_dims, name_length);
        int32_t dims[kMaxDims];
        for (int i = 0; i < n_dims; ++i) dims[i] = read_int(what);
        const std::string name(reader_.text(static_cast<uint64_t>(name_length), what));
        if (!is_weight_type(static_cast<uint32_t>(type)))
            fail(MM_ERROR_UNSUPPORTED,
                 "%s: the tensor %s is of ggml type %d; f32, f16, q8_0, q5_0, q5_1 and q4_0 are read", name_.c_str(),
                 printable(name).c_str(), type);
        Tensor tensor;
        tensor.type = static_cast<WeightType>(type);
        for (int i = 0; i < n_dims; ++i) {
            if (dims[i] < 1)
                fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s has a dimension of %d", name_.c_str(),
                     printable(name).c_str(), dims[i]);
            tensor.dims[i] = static_cast<uint64_t>(dims[i]);
        }
        add_tensor(name, tensor);
    }

    void add_tensor(const std::string& name, Tensor tensor) {
        set_tensor_size(tensor, reader_.remaining(), name_, name);
        tensor.data = reader_.take(tensor.bytes, "the values of a tensor").data;
        if (!contents_.tensors.emplace(name, tensor).second)
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s is there twice", name_.c_str(), printable(name).c_str());
    }

    const std::string& name_;
    ByteReader reader_;
    int n_vocab_ = 0, n_mels_ = 0;
    ModelContents contents_;
};

}  // namespace

ModelContents parse_ggml_bin(Bytes file, const std::string& name) {
    return GgmlReader(file, name).read();
}

}  // namespace mm

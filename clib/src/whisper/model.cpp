#include "whisper/model.h"

#include "model/sha256.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "whisper/alignment_heads.h"

namespace mm {
namespace {

// Bounds of what the engine holds; generous against everything Whisper has shipped.
constexpr int kMaxContext = 1 << 14, kMaxState = 1 << 14, kMaxLayers = 256;

int count(const ModelFile& file, const char* key, int low, int high) {
    return static_cast<int>(file.integer(std::string("whisper.") + key, low, high));
}

WhisperShape read_shape(const ModelFile& file) {
    WhisperShape s;
    s.n_mels = count(file, "n_mels", 80, 128);
    s.n_audio_ctx = count(file, "n_audio_ctx", 1, kMaxContext);
    s.n_audio_state = count(file, "n_audio_state", kPanel, kMaxState);
    s.n_audio_head = count(file, "n_audio_head", 1, kMaxState / kPanel);
    s.n_audio_layer = count(file, "n_audio_layer", 1, kMaxLayers);
    s.n_text_ctx = count(file, "n_text_ctx", 16, kMaxContext);
    s.n_text_state = count(file, "n_text_state", kPanel, kMaxState);
    s.n_text_head = count(file, "n_text_head", 1, kMaxState / kPanel);
    s.n_text_layer = count(file, "n_text_layer", 1, kMaxLayers);
    s.n_vocab = count(file, "n_vocab", 51864, 51866);

    const auto check_heads = [&](const char* where, int state, int heads) {
        if (state % heads != 0 || state / heads % kPanel != 0)
            fail(MM_ERROR_BAD_MODEL,
                 "%s: the %s has %d heads for a width of %d; the width of a head must be a multiple of %d",
                 file.name().c_str(), where, heads, state, kPanel);
    };
    if (s.n_mels != 80 && s.n_mels != 128)
        fail(MM_ERROR_BAD_MODEL, "%s: n_mels is %d; Whisper models have 80 or 128", file.name().c_str(), s.n_mels);
    check_heads("encoder", s.n_audio_state, s.n_audio_head);
    check_heads("decoder", s.n_text_state, s.n_text_head);
    if (s.n_audio_state != s.n_text_state)
        fail(MM_ERROR_BAD_MODEL, "%s: encoder width %d and decoder width %d differ", file.name().c_str(),
             s.n_audio_state, s.n_text_state);
    return s;
}

// Reads the tensors of one block; names are those of openai/whisper's state dict.
class Reader {
  public:
    explicit Reader(ModelFile& file) : file_(file) {}

    Linear linear(const std::string& name, int n, int k, bool bias = true) {
        return {file_.matrix(name + ".weight", n, k),
                bias ? file_.vector(name + ".bias", static_cast<size_t>(n)) : nullptr};
    }
    Linear convolution(const std::string& name, int n, int channels) {
        return {file_.convolution(name + ".weight", n, channels, 3),
                file_.vector(name + ".bias", static_cast<size_t>(n))};
    }
    Norm norm(const std::string& name, int n) {
        Norm norm;
        norm.gamma = file_.vector(name + ".weight", static_cast<size_t>(n));
        norm.beta = file_.vector(name + ".bias", static_cast<size_t>(n));
        return norm;
    }
    const float* table(const std::string& name, int rows, int columns) {
        return file_.vector(name, static_cast<size_t>(rows) * static_cast<size_t>(columns));
    }
    AttentionWeights attention(const std::string& block, const char* kind, int n) {
        const std::string name = block + kind;
        AttentionWeights a;
        a.norm = norm(name + "_ln", n);
        a.query = linear(name + ".query", n, n);
        a.key = linear(name + ".key", n, n, false);  // Whisper's keys have no bias
        a.value = linear(name + ".value", n, n);
        a.out = linear(name + ".out", n, n);
        return a;
    }

  private:
    ModelFile& file_;
};

std::vector<AlignmentHead> read_alignment_heads(const ModelFile& file, const WhisperShape& shape) {
    const char* key = "whisper.alignment_heads";
    if (!file.has(key)) return default_alignment_heads(shape);
    const std::vector<int32_t> flat = file.integers(key);
    std::vector<AlignmentHead> heads;
    if (flat.empty() || flat.size() % 2 != 0 ||
        flat.size() / 2 > static_cast<size_t>(shape.n_text_layer) * static_cast<size_t>(shape.n_text_head))
        fail(MM_ERROR_BAD_MODEL, "%s: %s has %zu numbers, not pairs of (layer, head)", file.name().c_str(), key,
             flat.size());
    for (size_t i = 0; i < flat.size(); i += 2) {
        if (flat[i] < 0 || flat[i] >= shape.n_text_layer || flat[i + 1] < 0 || flat[i + 1] >= shape.n_text_head)
            fail(MM_ERROR_BAD_MODEL, "%s: %s names head (%d, %d) of %d layers with %d heads", file.name().c_str(), key,
                 flat[i], flat[i + 1], shape.n_text_layer, shape.n_text_head);
        heads.push_back({flat[i], flat[i + 1]});
    }
    return heads;
}

}  // namespace

std::shared_ptr<const WhisperModel> WhisperModel::open(const std::string& path, const char* sha256, bool lock_memory) {
    std::shared_ptr<ModelFile> file = ModelFile::open(path);
    if (sha256) check_sha256(file->data(), file->size(), sha256, file->name());
    std::shared_ptr<const WhisperModel> model = load(file);
    if (lock_memory) file->lock_memory();
    return model;
}

std::shared_ptr<const WhisperModel> WhisperModel::load(std::shared_ptr<ModelFile> file) {
    if (file->architecture() != "whisper")
        fail(MM_ERROR_BAD_MODEL, "%s: holds a model of architecture \"%s\"; a Whisper model is needed here",
             file->name().c_str(), printable(file->architecture()).c_str());
    auto model = std::make_shared<WhisperModel>();
    model->shape = read_shape(*file);
    const WhisperShape& s = model->shape;
    std::vector<std::string> vocabulary = file->vocabulary();
    try {
        model->tokenizer = std::make_unique<Tokenizer>(std::move(vocabulary), s.n_vocab);
    } catch (const Error& error) {  // which does not know the file
        fail(error.status(), "%s: %s", file->name().c_str(), error.what());
    }
    model->alignment_heads = read_alignment_heads(*file, s);

    Reader read(*file);
    model->mel_filters = read.table("mel_filters", s.n_mels, 201);
    model->conv1 = read.convolution("encoder.conv1", s.n_audio_state, s.n_mels);
    model->conv2 = read.convolution("encoder.conv2", s.n_audio_state, s.n_audio_state);
    model->audio_positions = read.table("encoder.positional_embedding", s.n_audio_ctx, s.n_audio_state);
    for (int i = 0; i < s.n_audio_layer; ++i) {
        const std::string block = "encoder.blocks." + std::to_string(i) + ".";
        TransformerBlock layer;
        layer.self = read.attention(block, "attn", s.n_audio_state);
        layer.mlp_norm = read.norm(block + "mlp_ln", s.n_audio_state);
        layer.mlp_in = read.linear(block + "mlp.0", 4 * s.n_audio_state, s.n_audio_state);
        layer.mlp_out = read.linear(block + "mlp.2", s.n_audio_state, 4 * s.n_audio_state);
        model->encoder.push_back(layer);
    }
    model->encoder_norm = read.norm("encoder.ln_post", s.n_audio_state);

    model->token_embedding = read.linear("decoder.token_embedding", s.n_vocab, s.n_text_state, false).w;
    model->text_positions = read.table("decoder.positional_embedding", s.n_text_ctx, s.n_text_state);
    for (int i = 0; i < s.n_text_layer; ++i) {
        const std::string block = "decoder.blocks." + std::to_string(i) + ".";
        DecoderLayer layer;
        layer.self = read.attention(block, "attn", s.n_text_state);
        layer.cross = read.attention(block, "cross_attn", s.n_text_state);
        layer.mlp_norm = read.norm(block + "mlp_ln", s.n_text_state);
        layer.mlp_in = read.linear(block + "mlp.0", 4 * s.n_text_state, s.n_text_state);
        layer.mlp_out = read.linear(block + "mlp.2", s.n_text_state, 4 * s.n_text_state);
        model->decoder.push_back(layer);
    }
    model->decoder_norm = read.norm("decoder.ln", s.n_text_state);

    model->file = std::move(file);
    return model;
}

}  // namespace mm

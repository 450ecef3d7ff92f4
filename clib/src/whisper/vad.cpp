#include "whisper/vad.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/kernels.h"
#include "runtime/error.h"
#include "runtime/immortal.h"
#include "whisper/model.h"

// The model file, in src/whisper/silero_vad.S.
extern "C" {
extern const unsigned char mm_silero_vad_begin[];
extern const unsigned char mm_silero_vad_end[];
}

namespace mm {
namespace {

// The network: a short-time Fourier transform as a convolution, its magnitudes, four convolutions over time (3 taps, a
// zero on both sides), an LSTM cell, and a logistic unit. Activations are time-major.
constexpr int kFft = 256, kFftHop = 128, kBins = kFft / 2 + 1;
constexpr int kInput = Vad::kContext + Vad::kWindow, kReflected = 64;
constexpr int kFrames = (kInput + kReflected - kFft) / kFftHop + 1;
constexpr int kTaps = 3;

struct Layer {
    int in, out, stride;
};
constexpr Layer kLayers[] = {{kBins, 128, 1}, {128, 64, 2}, {64, 64, 2}, {64, 128, 1}};
constexpr int kMaxRow = 258;  // floats for one point in time, in any layer

void product(const Kernels& k, const Linear& layer, const float* x, size_t x_stride, int rows, float* out) {
    LinearArgs args{};
    args.x = x;
    args.x_stride = x_stride;
    args.rows = rows;
    args.w = layer.w;
    args.bias = layer.bias;
    args.out = out;
    args.out_stride = static_cast<size_t>(layer.w.n);
    for (int row = 0; row < rows; row += k.few_rows)  // so few need no scratch
        k.linear(args, row, std::min(rows, row + k.few_rows), 0, panel_count(layer.w.n), nullptr);
}

void rectify(float* x, int n) {
    for (int i = 0; i < n; i++) x[i] = x[i] > 0 ? x[i] : 0;
}

}  // namespace

struct Vad::Weights {
    std::shared_ptr<ModelFile> file;  // owns what the others point to
    Linear transform, convolutions[4], lstm, output;
};

Vad::Vad(std::shared_ptr<ModelFile> file) {
    if (file->architecture() != "silero-vad")
        fail(MM_ERROR_BAD_MODEL,
             "%s has the architecture \"%s\", not \"silero-vad\": voice activity detection needs that",
             file->name().c_str(), file->architecture().c_str());
    auto w = std::make_shared<Weights>();
    w->transform.w = file->matrix("stft.weight", 2 * kBins, kFft);
    for (int i = 0; i < 4; i++) {
        const std::string name = "encoder." + std::to_string(i);
        w->convolutions[i].w = file->convolution(name + ".weight", kLayers[i].out, kLayers[i].in, kTaps);
        w->convolutions[i].bias = file->vector(name + ".bias", static_cast<size_t>(kLayers[i].out));
    }
    w->lstm.w = file->matrix("lstm.weight", 4 * kHidden, 2 * kHidden);
    w->lstm.bias = file->vector("lstm.bias", 4 * kHidden);
    w->output.w = file->matrix("output.weight", 1, kHidden);
    w->output.bias = file->vector("output.bias", 1);
    w->file = std::move(file);
    weights_ = std::move(w);
}

std::shared_ptr<const Vad> Vad::builtin() {
    // By numbers: the difference of pointers to two arrays is undefined, and to C++ the symbols are two.
    return immortal([] {
        const auto begin = reinterpret_cast<std::uintptr_t>(mm_silero_vad_begin),
                   end = reinterpret_cast<std::uintptr_t>(mm_silero_vad_end);
        return std::make_shared<const Vad>(
            ModelFile::from_memory(mm_silero_vad_begin, end - begin, "built-in Silero VAD"));
    });
}

std::shared_ptr<const Vad> Vad::open(const char* path) {
    return path ? std::make_shared<const Vad>(ModelFile::open(path)) : builtin();
}

float Vad::process(State& state, const float* samples) const {
    const Kernels& k = kernels();
    const Weights& w = *weights_;

    float input[kInput + kReflected];
    std::copy_n(state.context.data(), kContext, input);
    std::copy_n(samples, kWindow, input + kContext);
    for (int i = 0; i < kReflected; i++) input[kInput + i] = input[kInput - 2 - i];
    std::copy_n(samples + kWindow - kContext, kContext, state.context.data());

    float spectrum[kFrames * 2 * kBins];
    product(k, w.transform, input, kFftHop, kFrames, spectrum);

    // Two buffers in turn; each holds a layer's rows between two rows of zeros.
    float buffers[2][(kFrames + 2) * kMaxRow] = {};
    float* x = buffers[0];
    for (int t = 0; t < kFrames; t++) {
        const float *re = spectrum + t * 2 * kBins, *im = re + kBins;
        for (int i = 0; i < kBins; i++) x[(t + 1) * kBins + i] = std::sqrt(re[i] * re[i] + im[i] * im[i]);
    }
    int rows = kFrames;
    for (int i = 0; i < 4; i++) {
        const Layer& layer = kLayers[i];
        float* y = buffers[(i + 1) % 2];
        rows = (rows - 1) / layer.stride + 1;
        std::fill_n(y, layer.out, 0.0f);
        product(k, w.convolutions[i], x, static_cast<size_t>(layer.stride) * layer.in, rows, y + layer.out);
        rectify(y + layer.out, rows * layer.out);
        std::fill_n(y + (rows + 1) * layer.out, layer.out, 0.0f);
        x = y;
    }
    const float* features = x + kLayers[3].out;  // one row is left

    float gates[4 * kHidden], both[2 * kHidden];  // gates in torch's order: input, forget, cell, output
    std::copy_n(features, kHidden, both);
    std::copy_n(state.hidden.data(), kHidden, both + kHidden);
    product(k, w.lstm, both, 2 * kHidden, 1, gates);
    float *in = gates, *forget = in + kHidden, *candidate = forget + kHidden, *out = candidate + kHidden;
    k.sigmoid(in, 2 * kHidden, in);
    k.tanh(candidate, kHidden, candidate);
    k.sigmoid(out, kHidden, out);
    for (int i = 0; i < kHidden; i++) state.cell[i] = forget[i] * state.cell[i] + in[i] * candidate[i];
    k.tanh(state.cell.data(), kHidden, state.hidden.data());
    for (int i = 0; i < kHidden; i++) state.hidden[i] *= out[i];

    float activation[kHidden], probability;
    std::copy_n(state.hidden.data(), kHidden, activation);
    rectify(activation, kHidden);
    product(k, w.output, activation, kHidden, 1, &probability);
    k.sigmoid(&probability, 1, &probability);
    return probability;
}

}  // namespace mm

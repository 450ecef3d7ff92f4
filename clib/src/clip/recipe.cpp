#include "clip/recipe.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "runtime/error.h"
#include "runtime/text.h"

namespace mm {
namespace {

constexpr int kMaxImageSize = 4096, kMaxVocabulary = 1 << 20;

template <typename T>
struct Choice {
    const char* name;
    T value;
};
constexpr Choice<Activation> kActivations[] = {
    {"quick_gelu", Activation::gelu_quick}, {"gelu", Activation::gelu_erf}, {"gelu_tanh", Activation::gelu_tanh}};
constexpr Choice<bool> kLosses[] = {{"softmax", false}, {"sigmoid", true}};
constexpr Choice<bool> kResizes[] = {{"shortest", false}, {"squash", true}};
constexpr Choice<bool> kCrops[] = {{"floor", false}, {"half_even", true}};
constexpr Choice<Filter> kFilters[] = {{"bicubic", Filter::bicubic}, {"bilinear", Filter::bilinear}};
constexpr Choice<ImagePooling> kImagePoolings[] = {
    {"cls", ImagePooling::cls}, {"mean", ImagePooling::mean}, {"map", ImagePooling::map}};
constexpr Choice<TextPooling> kTextPoolings[] = {{"eot", TextPooling::eot}, {"last", TextPooling::last}};

template <typename T, size_t n>
T choose(const ModelFile& file, const char* key, const Choice<T> (&choices)[n], T by_default) {
    if (!file.has(key)) return by_default;
    const std::string given = file.string(key);
    std::string known;
    for (const Choice<T>& choice : choices) {
        if (given == choice.name) return choice.value;
        known += std::string(known.empty() ? "" : ", ") + choice.name;
    }
    fail(MM_ERROR_UNSUPPORTED, "%s: %s is \"%s\"; this release knows %s", file.name().c_str(), key,
         printable(given).c_str(), known.c_str());
}

template <typename T, size_t n>
const char* name_of(T value, const Choice<T> (&choices)[n]) {
    for (const Choice<T>& choice : choices)
        if (choice.value == value) return choice.name;
    return "";
}

bool flag(const ModelFile& file, const char* key, bool by_default) {
    return file.has(key) ? file.boolean(key) : by_default;
}

float finite(const ModelFile& file, const char* key, float by_default) {
    const float value = file.has(key) ? file.number(key) : by_default;
    if (!std::isfinite(value)) fail(MM_ERROR_BAD_MODEL, "%s: %s is not a finite number", file.name().c_str(), key);
    return value;
}

void read_channels(const ModelFile& file, const char* key, bool positive, float (&out)[3]) {
    const std::vector<float> values = file.numbers(key);
    if (values.size() != 3)
        fail(MM_ERROR_BAD_MODEL, "%s: %s has %zu numbers; there are 3 channels", file.name().c_str(), key,
             values.size());
    for (size_t i = 0; i < 3; ++i) {
        if (!std::isfinite(values[i]) || (positive && !(values[i] >= 1e-6f)))
            fail(MM_ERROR_BAD_MODEL, "%s: %s has %g for channel %zu", file.name().c_str(), key,
                 static_cast<double>(values[i]), i);
        out[i] = values[i];
    }
}

// Of a float the exact bits, so that no two recipes look alike.
std::string bits(float value) {
    uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    return std::to_string(word);
}

}  // namespace

ClipRecipe read_recipe(const ModelFile& file, bool has_image, bool has_text) {
    ClipRecipe r{};
    const Activation fallback = flag(file, "clip.use_gelu", false) ? Activation::gelu_erf : Activation::gelu_quick;
    r.activation = choose(file, "clip.activation", kActivations, fallback);
    r.logit_scale = finite(file, "clip.logit_scale", 100.0f);
    r.logit_bias = finite(file, "clip.logit_bias", 0.0f);
    r.sigmoid = choose(file, "clip.loss", kLosses, false);
    if (has_image) {
        r.image.size = static_cast<int>(file.integer("clip.vision.image_size", 1, kMaxImageSize));
        r.image.squash = choose(file, "clip.vision.resize", kResizes, false);
        r.image.crop_half_even = choose(file, "clip.vision.crop", kCrops, false);
        r.image.filter = choose(file, "clip.vision.interpolation", kFilters, Filter::bicubic);
        r.image.exif_orientation = flag(file, "clip.vision.exif_orientation", false);
        read_channels(file, "clip.vision.image_mean", false, r.image.mean);
        read_channels(file, "clip.vision.image_std", true, r.image.std);
        r.image.pooling = choose(file, "clip.vision.pooling", kImagePoolings, ImagePooling::cls);
    }
    if (has_text) {
        r.text.pooling = choose(file, "clip.text.pooling", kTextPoolings, TextPooling::eot);
        r.text.causal = flag(file, "clip.text.causal", true);
        r.text.pad = flag(file, "clip.text.pad", false);
        if (file.has("clip.text.pad_token_id"))
            r.text.pad_token_id = static_cast<int>(file.integer("clip.text.pad_token_id", 0, kMaxVocabulary));
    }
    return r;
}

std::string describe(const ClipRecipe& r, bool has_image, bool has_text) {
    std::string text = std::string("activation=") + name_of(r.activation, kActivations);
    if (has_image) {
        text += " size=" + std::to_string(r.image.size) + " resize=" + name_of(r.image.squash, kResizes) +
                " crop=" + name_of(r.image.crop_half_even, kCrops) + " filter=" + name_of(r.image.filter, kFilters) +
                " exif=" + (r.image.exif_orientation ? "on" : "off") + " mean=";
        for (const float value : r.image.mean) text += bits(value) + ",";
        text += " std=";
        for (const float value : r.image.std) text += bits(value) + ",";
        text += std::string(" pooling=") + name_of(r.image.pooling, kImagePoolings);
    }
    if (has_text)
        text += std::string(" text_pooling=") + name_of(r.text.pooling, kTextPoolings) +
                " causal=" + (r.text.causal ? "on" : "off") +
                " pad=" + (r.text.pad ? std::to_string(r.text.pad_token_id) : "none");
    return text;
}

}  // namespace mm

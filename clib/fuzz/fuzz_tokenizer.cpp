// Any bytes as text through CLIP's tokenizer: refused only where they are not UTF-8, else framed by the special tokens,
// cut as asked, the same from given and from recovered merges, and read back; and any ids read back. make_seeds.py
// writes inputs to start from.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "clip/tokenizer.h"
#include "runtime/error.h"
#include "runtime/utf8.h"

namespace {

using Ids = std::vector<int32_t>;

void require(bool ok) {
    if (!ok) __builtin_trap();
}

const std::vector<std::string> kMerges = {
    "t h",   "th e</w>", "a a",     "aa aa", "aaaa aaaa", "i n",       "in g</w>",      "p h",          "ph o",
    "pho t", "e d",      "' s</w>", "! !",   "! !</w>",   "!! !!</w>", "\u00C3 \u00A9", "\u00E4 \u00B8"};

std::vector<std::string> vocabulary() {
    std::vector<std::string> letters(256), tokens;
    for (char32_t c = 0; c < 512; ++c) {
        const int byte = mm::byte_of_printable(c);
        if (byte >= 0) mm::append_utf8(c, letters[static_cast<size_t>(byte)]);
    }
    for (const char* end : {"", "</w>"}) {
        for (int id = 0; id < 256; ++id) tokens.push_back(letters[mm::gpt2_byte(id)] + end);
    }
    for (const std::string& merge : kMerges) {
        const size_t space = merge.find(' ');
        tokens.push_back(merge.substr(0, space) + merge.substr(space + 1));
    }
    tokens.insert(tokens.end(), {"<|startoftext|>", "<|endoftext|>"});
    return tokens;
}

void check_text(const mm::ClipTokenizer& t, const mm::ClipTokenizer& recovered, const std::string& text, int limit) {
    constexpr int kAll = std::numeric_limits<int>::max();
    const Ids whole = t.encode(text, kAll), ids = t.encode(text, limit);
    require(whole == recovered.encode(text, kAll));
    require(ids.size() == std::min(whole.size(), static_cast<size_t>(limit)));
    require(ids.front() == t.sot() && ids.back() == t.eot());
    require(std::equal(ids.begin(), ids.end() - 1, whole.begin()));
    for (const int32_t id : whole) require(id >= 0 && id < t.n_vocab());
    const std::string back = t.decode(whole.data(), whole.size());
    require(mm::valid_utf8_prefix(back) == back.size());
    if (text.find('<') == std::string::npos) {   // else it may hold a special token or </w>
        const Ids again = t.encode(back, kAll);  // normalized already, and its pieces separated
        require(t.decode(again.data(), again.size()) == back);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const mm::ClipTokenizer t(vocabulary(), kMerges), recovered(vocabulary(), {});
    if (size < 1) return 0;
    const int limit = 2 + data[0];
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);

    const bool valid = mm::valid_utf8_prefix(text) == text.size();
    bool refused = false;
    try {
        t.encode(text, limit);
    } catch (const mm::Error& e) {
        require(e.status() == MM_ERROR_INVALID_ARGUMENT);
        refused = true;
    }
    require(refused == !valid);
    require(valid || !std::getenv("MM_FUZZ_SEEDS"));
    check_text(t, recovered, mm::repair_utf8(text), limit);

    Ids ids;
    for (size_t i = 0; i + 1 < text.size(); i += 2) {
        ids.push_back(static_cast<unsigned char>(text[i]) << 8 | static_cast<unsigned char>(text[i + 1]));
        if (ids.back() > 1000) ids.back() -= 1 << 16;
    }
    const std::string decoded = t.decode(ids.data(), ids.size());
    require(mm::valid_utf8_prefix(decoded) == decoded.size());
    return 0;
}

// Byte-level BPE as tiktoken does it: text is split by GPT-2's pattern, and in each piece the adjacent pair whose
// concatenation has the lowest rank is merged first, leftmost first among equals. Ids are ranks.
#include "whisper/tokenizer.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/immortal.h"
#include "runtime/unicode.h"
#include "runtime/utf8.h"
#include "whisper/languages.h"

namespace mm {

namespace {

constexpr int kTimestamps = 1501;  // 0.00 to 30.00 s in steps of 0.02
constexpr int kOtherSpecials = 8;  // all but languages and timestamps
constexpr int kEnglishOnlyVocab = 51864;
constexpr int kEnglishOnlyLanguages = 99;  // English-only models number the language tokens, too

// The byte that GPT-2 gave the id `id`, 0 to 255: printable ones first, then the others.
std::string gpt2_byte(int id) {
    int n = 0;
    const auto printable = [](int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; };
    for (const bool wanted : {true, false}) {
        for (int b = 0; b < 256; ++b) {
            if (printable(b) == wanted && n++ == id) return std::string(1, static_cast<char>(b));
        }
    }
    return {};
}

// FNV-1a.
size_t hash_bytes(std::string_view bytes) {
    uint64_t h = 0xCBF29CE484222325u;
    for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    return static_cast<size_t>(h ^ h >> 32);
}

enum class Kind { letter, number, space, other };

Kind kind_of(char32_t c) {
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return Kind::letter;
        if (c >= '0' && c <= '9') return Kind::number;
        return c == ' ' || (c >= '\t' && c <= '\r') ? Kind::space : Kind::other;
    }
    if (is_letter(c)) return Kind::letter;
    if (is_number(c)) return Kind::number;
    return is_white_space(c) ? Kind::space : Kind::other;
}

// Length of the contraction ('s 't 're 've 'm 'll 'd) at the start of the text; 0 if there is none.
size_t contraction(std::string_view text) {
    for (const std::string_view c : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
        if (text.substr(0, c.size()) == c) return c.size();
    }
    return 0;
}

// Length of the first piece of `text` (valid UTF-8, not empty) by GPT-2's pattern
//     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t first_piece(std::string_view text) {
    if (const size_t n = contraction(text)) return n;
    size_t offset = text[0] == ' ' ? 1 : 0;
    if (offset < text.size()) {
        CodePoint c = code_point_at(text, offset);
        const Kind kind = kind_of(c.value);
        if (kind != Kind::space) {
            do {
                offset += c.length;
                if (offset == text.size()) break;
                c = code_point_at(text, offset);
            } while (kind_of(c.value) == kind);
            return offset;
        }
    }
    // White space. All of it at the end of the text; else all but the last one, unless there is only that one.
    size_t last = 0;
    for (offset = 0; offset < text.size();) {
        const CodePoint c = code_point_at(text, offset);
        if (kind_of(c.value) != Kind::space) return last > 0 ? last : offset;
        last = offset;
        offset += c.length;
    }
    return offset;
}

// Merges the bytes of one piece into tokens. A heap of candidate merges makes it n log n: a piece may be long.
class Merger {
  public:
    // `find` gives the id of a byte string, or -1.
    template <typename Find>
    void merge(std::string_view piece, const Find& find, std::vector<int32_t>& out) {
        const size_t n = piece.size();
        end_.resize(n + 1);
        previous_.resize(n + 1);
        heap_.clear();
        for (size_t i = 0; i < n; ++i) {
            end_[i] = i + 1;
            previous_[i] = i - 1;
        }
        end_[n] = 0;  // no part starts here
        const auto consider = [&](size_t left) {
            const size_t right = end_[left];
            if (right >= n) return;
            const int32_t rank = find(piece.substr(left, end_[right] - left));
            if (rank < 0) return;
            heap_.push_back({rank, left, end_[right]});
            std::push_heap(heap_.begin(), heap_.end());
        };
        for (size_t i = 0; i + 1 < n; ++i) consider(i);
        while (!heap_.empty()) {
            std::pop_heap(heap_.begin(), heap_.end());
            const Candidate c = heap_.back();
            heap_.pop_back();
            const size_t right = end_[c.left];
            if (right == 0 || right >= n || end_[right] != c.end) continue;  // one of the two was merged meanwhile
            end_[c.left] = c.end;
            end_[right] = 0;
            if (c.end < n) previous_[c.end] = c.left;
            consider(c.left);
            if (c.left > 0) consider(previous_[c.left]);
        }
        for (size_t i = 0; i < n; i = end_[i]) out.push_back(find(piece.substr(i, end_[i] - i)));
    }

  private:
    struct Candidate {
        int32_t rank;
        size_t left, end;  // the pair's bytes
        bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : left > o.left; }
    };
    std::vector<Candidate> heap_;
    std::vector<size_t> end_;       // of the part that starts here; 0: none does
    std::vector<size_t> previous_;  // start of the part before
};

}  // namespace

Tokenizer::Tokenizer(std::vector<std::string> vocabulary, int n_vocab)
    : vocabulary_(std::move(vocabulary)), n_vocab_(n_vocab) {
    const bool english_only = n_vocab == kEnglishOnlyVocab;
    if (english_only) {
        const size_t text_tokens = static_cast<size_t>(n_vocab - kTimestamps - kOtherSpecials - kEnglishOnlyLanguages);
        // Some ggml files list <|endoftext|>, too.
        if (vocabulary_.size() == text_tokens + 1) vocabulary_.pop_back();
        if (vocabulary_.size() != text_tokens)
            fail(MM_ERROR_BAD_MODEL, "vocabulary: %zu text tokens, an English-only model has %zu", vocabulary_.size(),
                 text_tokens);
    }
    const int64_t languages =
        int64_t{n_vocab} - static_cast<int64_t>(vocabulary_.size()) - kTimestamps - kOtherSpecials;
    if (languages < 1 || languages > kLanguages)
        fail(MM_ERROR_BAD_MODEL,
             "vocabulary: %zu text tokens of n_vocab %d leave %lld special ones; Whisper has %d and one for each of 1 "
             "to "
             "%d languages",
             vocabulary_.size(), n_vocab, static_cast<long long>(n_vocab) - static_cast<long long>(vocabulary_.size()),
             kTimestamps + kOtherSpecials, kLanguages);
    n_languages_ = english_only ? 0 : static_cast<int>(languages);

    eot_ = static_cast<int>(vocabulary_.size());
    sot_ = eot_ + 1;
    translate_ = sot_ + 1 + static_cast<int>(languages);
    transcribe_ = translate_ + 1;
    sot_lm_ = transcribe_ + 1;
    sot_prev_ = sot_lm_ + 1;
    no_speech_ = sot_prev_ + 1;
    no_timestamps_ = no_speech_ + 1;
    timestamp_begin_ = no_timestamps_ + 1;
    index_vocabulary();
}

void Tokenizer::index_vocabulary() {
    // Some ggml files hold U+FFFD where a token is not UTF-8 by itself. Single bytes, which must be there, are known.
    for (int id = 0; id < 256 && id < eot_; ++id) {
        std::string& token = vocabulary_[static_cast<size_t>(id)];
        if (token == "\xEF\xBF\xBD") token = gpt2_byte(id);
    }
    size_t size = 512;
    while (size < 2 * vocabulary_.size()) size *= 2;
    slots_.assign(size, -1);
    for (int32_t id = 0; id < eot_; ++id) {
        const std::string& token = vocabulary_[static_cast<size_t>(id)];
        if (token.empty() || find(token) >= 0) continue;  // the lower rank wins
        size_t slot = hash_bytes(token) & (size - 1);
        while (slots_[slot] >= 0) slot = (slot + 1) & (size - 1);
        slots_[slot] = id;
    }
    for (int b = 0; b < 256; ++b) {
        const char byte = static_cast<char>(b);
        if (find({&byte, 1}) < 0) fail(MM_ERROR_BAD_MODEL, "vocabulary: no token for the byte 0x%02X", b);
    }
}

int32_t Tokenizer::find(std::string_view bytes) const {
    const size_t mask = slots_.size() - 1;
    for (size_t slot = hash_bytes(bytes) & mask; slots_[slot] >= 0; slot = (slot + 1) & mask) {
        if (vocabulary_[static_cast<size_t>(slots_[slot])] == bytes) return slots_[slot];
    }
    return -1;
}

int Tokenizer::language_index(const std::string& language) const {
    const int index = find_language(language);
    return index < n_languages_ ? index : -1;
}

const char* Tokenizer::language_code(int index) const {
    return kLanguageTable[index].code;
}

std::vector<int32_t> Tokenizer::encode(const std::string& text) const {
    const size_t valid = valid_utf8_prefix(text);
    if (valid < text.size())
        fail(MM_ERROR_INVALID_ARGUMENT, "text: not UTF-8 at byte %zu (0x%02X)", valid,
             static_cast<unsigned>(static_cast<unsigned char>(text[valid])));
    std::vector<int32_t> ids;
    Merger merger;
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view piece = rest.substr(0, first_piece(rest));
        rest.remove_prefix(piece.size());
        if (const int32_t id = find(piece); id >= 0) {
            ids.push_back(id);
        } else {
            merger.merge(
                piece, [this](std::string_view bytes) { return find(bytes); }, ids);
        }
    }
    return ids;
}

const std::string& Tokenizer::bytes(int32_t id) const {
    if (id >= 0 && id < eot_) return vocabulary_[static_cast<size_t>(id)];
    return immortal([] { return std::string(); });
}

std::string Tokenizer::decode_bytes(const int32_t* ids, size_t n) const {
    std::string text;
    for (size_t i = 0; i < n; ++i) text += bytes(ids[i]);
    return text;
}

std::string Tokenizer::decode(const int32_t* ids, size_t n) const {
    return repair_utf8(decode_bytes(ids, n));
}

std::vector<int32_t> Tokenizer::non_speech_tokens() const {
    static const char* const kSymbols[] = {"\"",  "#",  "(",  ")",   "*",   "+",   "/",   ":",  ";",   "<",  "=",  ">",
                                           "@",   "[",  "\\", "]",   "^",   "_",   "`",   "{",  "|",   "}",  "~",  "「",
                                           "」",  "『", "』", "<<",  ">>",  "<<<", ">>>", "--", "---", "-(", "-[", "('",
                                           "(\"", "((", "))", "(((", ")))", "[[",  "]]",  "{{", "}}",  "♪♪", "♪♪♪"};
    // Symbols of music: where one takes several tokens, the first is left out, which no letter shares.
    static const char* const kMusic[] = {"♩", "♪", "♫", "♬", "♭", "♮", "♯"};

    // "-" and "'" may stand inside a word, not at its beginning.
    std::vector<int32_t> tokens{encode(" -")[0], encode(" '")[0]};
    const auto add = [&](const char* symbol, bool first_of_several) {
        for (const char* prefix : {"", " "}) {
            const std::vector<int32_t> ids = encode(std::string(prefix) + symbol);
            if (ids.size() == 1 || first_of_several) tokens.push_back(ids[0]);
        }
    };
    for (const char* symbol : kSymbols) add(symbol, false);
    for (const char* symbol : kMusic) add(symbol, true);
    std::sort(tokens.begin(), tokens.end());
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    return tokens;
}

}  // namespace mm

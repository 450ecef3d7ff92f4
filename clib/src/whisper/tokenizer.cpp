// Byte-level BPE as tiktoken does it: text is split by GPT-2's pattern, and in each piece the adjacent pair whose
// concatenation has the lowest rank is merged first, leftmost first among equals. Ids are ranks.
#include "whisper/tokenizer.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/immortal.h"
#include "runtime/utf8.h"
#include "whisper/languages.h"

namespace mm {

namespace {

constexpr int kTimestamps = 1501;  // 0.00 to 30.00 s in steps of 0.02
constexpr int kOtherSpecials = 8;  // all but languages and timestamps
constexpr int kEnglishOnlyVocab = 51864;
constexpr int kEnglishOnlyLanguages = 99;  // English-only models number the language tokens, too

// Length of the first piece of `text` (valid UTF-8, not empty) by GPT-2's pattern
//     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t first_piece(std::string_view text) {
    if (const size_t n = contraction(text)) return n;
    size_t offset = text[0] == ' ' ? 1 : 0;
    if (offset < text.size()) {
        CodePoint c = code_point_at(text, offset);
        const CharacterKind kind = kind_of(c.value);
        if (kind != CharacterKind::space) {
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
        if (kind_of(c.value) != CharacterKind::space) return last > 0 ? last : offset;
        last = offset;
        offset += c.length;
    }
    return offset;
}

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
        if (token == "\xEF\xBF\xBD") token = static_cast<char>(gpt2_byte(id));
    }
    index_ = TokenIndex(vocabulary_);
    for (int b = 0; b < 256; ++b) {
        const char byte = static_cast<char>(b);
        if (index_.find({&byte, 1}) < 0) fail(MM_ERROR_BAD_MODEL, "vocabulary: no token for the byte 0x%02X", b);
    }
}

int Tokenizer::language_index(const std::string& language) const {
    const int index = find_language(language);
    return index < n_languages_ ? index : -1;
}

const char* Tokenizer::language_code(int index) const {
    return kLanguageTable[index].code;
}

std::vector<int32_t> Tokenizer::encode(const std::string& text) const {
    require_utf8(text);
    std::vector<int32_t> ids, parts;
    PieceMerger merger;
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view piece = rest.substr(0, first_piece(rest));
        rest.remove_prefix(piece.size());
        if (const int32_t id = index_.find(piece); id >= 0) {
            ids.push_back(id);
            continue;
        }
        parts.clear();
        for (const char& byte : piece) parts.push_back(index_.find({&byte, 1}));
        merger.merge(parts, [&](size_t left, size_t, size_t end) {
            const int32_t id = index_.find(piece.substr(left, end - left));
            return PieceMerger::Merge{id, id};
        });
        ids.insert(ids.end(), parts.begin(), parts.end());
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

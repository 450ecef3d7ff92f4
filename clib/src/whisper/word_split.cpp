// Text tokens grouped into words, for word times.
#include <algorithm>

#include "runtime/utf8.h"
#include "whisper/tokenizer.h"

namespace mm {

namespace {

using WordTokens = Tokenizer::WordTokens;

constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

bool written_without_spaces(const std::string& language) {
    for (const char* code : {"zh", "ja", "th", "lo", "my", "yue"}) {
        if (language == code) return true;
    }
    return false;
}

// The shortest groups of tokens whose bytes are whole code points. Bytes that are not UTF-8 in the whole text either
// (U+FFFD there, too) do not hold a group open.
std::vector<WordTokens> split_at_code_points(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens) {
    const std::u32string whole = decode_utf8(tokenizer.decode_bytes(tokens.data(), tokens.size()));
    std::vector<WordTokens> groups;
    size_t done = 0;  // code points of `whole` in finished groups
    WordTokens group;
    for (const int32_t token : tokens) {
        group.tokens.push_back(token);
        const std::string bytes = tokenizer.decode_bytes(group.tokens.data(), group.tokens.size());
        const std::u32string text = decode_utf8(bytes);
        const size_t bad = text.find(CodePoint::kReplacement);
        const bool whole_code_points =
            bad == std::u32string::npos || (done + bad < whole.size() && whole[done + bad] == CodePoint::kReplacement);
        if (!whole_code_points) continue;
        done += text.size();
        group.text = repair_utf8(bytes);
        groups.push_back(std::move(group));
        group = {};
    }
    if (!group.tokens.empty()) {  // the text ends inside a code point
        group.text = tokenizer.decode(group.tokens.data(), group.tokens.size());
        groups.push_back(std::move(group));
    }
    return groups;
}

// A group starts a word if it begins with a space, is punctuation, or is white space only.
bool starts_word(const std::string& text) {
    return text[0] == ' ' || kPunctuation.find(strip(text)) != std::string_view::npos;
}

}  // namespace

std::vector<WordTokens> Tokenizer::split_words(const std::vector<int32_t>& tokens, const std::string& language) const {
    std::vector<WordTokens> groups = split_at_code_points(*this, tokens);
    if (written_without_spaces(language)) return groups;
    std::vector<WordTokens> words;
    for (WordTokens& group : groups) {
        if (words.empty() || starts_word(group.text)) {
            words.push_back(std::move(group));
        } else {
            words.back().text += group.text;
            words.back().tokens.insert(words.back().tokens.end(), group.tokens.begin(), group.tokens.end());
        }
    }
    return words;
}

}  // namespace mm

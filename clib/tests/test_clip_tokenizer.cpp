// CLIP's tokenizer on small vocabularies of its own: normalizing, splitting, merging, special tokens, cutting, merges
// recovered from tokens. tests/test_clip_tokenizer.py compares it with package tokenizers on the real vocabulary.
#include <algorithm>
#include <limits>
#include <utility>

#include "check.h"
#include "clip/tokenizer.h"
#include "runtime/error.h"
#include "runtime/unicode.h"
#include "runtime/unicode_nfc.h"
#include "runtime/utf8.h"

namespace {

using mm::ClipTokenizer;
using Ids = std::vector<int32_t>;
using Strings = std::vector<std::string>;

constexpr int kLong = std::numeric_limits<int>::max();

uint32_t random_state = 1;
uint32_t random_below(uint32_t n) {
    random_state = random_state * 1664525u + 1013904223u;
    return static_cast<uint32_t>(uint64_t{random_state} * n >> 32);
}

std::string joined(const std::string& merge) {
    const size_t space = merge.find(' ');
    return merge.substr(0, space) + merge.substr(space + 1);
}

// The bytes, the bytes at a word's end, what merges make, and the special tokens, as CLIP's vocabulary is laid out.
Strings vocabulary(const Strings& merges = {}) {
    Strings letters(256);
    for (int c = 0; c < 512; ++c) {
        const int byte = mm::byte_of_printable(static_cast<char32_t>(c));
        if (byte >= 0) mm::append_utf8(static_cast<char32_t>(c), letters[static_cast<size_t>(byte)]);
    }
    Strings tokens;
    for (const char* end : {"", "</w>"}) {
        for (int id = 0; id < 256; ++id) tokens.push_back(letters[mm::gpt2_byte(id)] + end);
    }
    for (const std::string& merge : merges) tokens.push_back(joined(merge));
    tokens.insert(tokens.end(), {"<|startoftext|>", "<|endoftext|>"});
    return tokens;
}

std::string decoded(const ClipTokenizer& t, const Ids& ids) {
    return t.decode(ids.data(), ids.size());
}

// A text's pieces: without merges each byte is a token, and each piece's last says that it is.
std::string pieces(const std::string& text) {
    static const ClipTokenizer t(vocabulary(), {});
    std::string out = decoded(t, t.encode(text, kLong));
    std::replace(out.begin(), out.end(), ' ', '|');
    return out;
}

void splits_as_clip() {
    CHECK(pieces("a photo, of 2 cats!") == "a|photo|,|of|2|cats|!");
    CHECK(pieces("12ab3") == "1|2|ab|3");
    CHECK(pieces("it's they've I'm we'll he'd you're isn't") == "it|'s|they|'ve|i|'m|we|'ll|he|'d|you|'re|isn|'t");
    CHECK(pieces("IT'S") == "it|'s");
    CHECK(pieces("'x 'sx ''s") == "'|x|'s|x|''|s");
    CHECK(pieces("a..!b") == "a|..!|b");
    CHECK(pieces("a\xC2\xB2\xC2\xB2") == "a|\xC2\xB2|\xC2\xB2");  // ² is a number
    CHECK(pieces("a\t\n b\xC2\xA0"
                 "c\xE3\x80\x80"
                 "d\xE2\x80\xA8"
                 "e") == "a|b|c|d|e");  // every kind of white space
    CHECK(pieces("a\x1C"
                 "b\xE2\x80\x8B"
                 "c") == "a|\x1C|b|\xE2\x80\x8B|c");  // what is none
    CHECK(pieces(" \n\t ").empty() && pieces("").empty());
    CHECK(pieces(std::string("a\0b\0\0", 5)) == std::string("a|\0|b|\0\0", 8));
}

void normalizes_before_it_splits() {
    CHECK(pieces("CAF\x45\xCC\x81") == "caf\xC3\xA9");
    CHECK(pieces("e\xCC\xB8") == "e|\xCC\xB8");               // a mark that has nothing to join is no letter
    CHECK(pieces("\xC4\xB0") == "i|\xCC\x87");                // İ becomes two, not composed again
    CHECK(pieces("\xCE\xA3\xCE\xA3") == "\xCF\x83\xCF\x83");  // Σ: never the final form
    CHECK(pieces("\xE2\x84\xAB") == "\xC3\xA5");              // the ångström sign
    CHECK(pieces("a\xE2\x80\x80"
                 "b") == "a|b");  // a space that NFC replaces by another
}

void composes_canonically() {
    const auto composed = [](const char32_t* text, const char32_t* expected) { return mm::nfc(text) == expected; };
    CHECK(composed(U"plain \u00E9\u00DF", U"plain \u00E9\u00DF"));
    CHECK(composed(U"e\u0301", U"\u00E9"));
    CHECK(composed(U"\u0301e\u0301\u0301", U"\u0301\u00E9\u0301"));
    CHECK(composed(U"q\u0307\u0323", U"q\u0323\u0307"));  // ordered by class
    CHECK(composed(U"d\u0307\u0323", U"\u1E0D\u0307"));   // then composed
    CHECK(composed(U"a\u0315\u0300\u05AE\u0062", U"\u00E0\u05AE\u0315b"));
    CHECK(composed(U"a\u0327\u0328\u0301", U"\u00E1\u0327\u0328"));  // one is between
    CHECK(composed(U"a\u0302\u0301", U"\u1EA5") && composed(U"a\u0301\u0302", U"\u00E1\u0302"));
    CHECK(composed(U"\u1100\u1161\u11A8\u11A8", U"\uAC01\u11A8"));  // Hangul
    CHECK(composed(U"\uAC00\u11A7\uAC00\u11C2\uD7A3\u11A8", U"\uAC00\u11A7\uAC1B\uD7A3\u11A8"));
    CHECK(composed(U"\uAC00\u11C3\uAC01\u11A8\u1113\u1161", U"\uAC00\u11C3\uAC01\u11A8\u1113\u1161"));
    CHECK(composed(U"\u0958\u2126\u212B\uF900", U"\u0915\u093C\u03A9\u00C5\u8C48"));  // exclusions and single ones
    CHECK(composed(U"\u0344\u1FEE", U"\u0308\u0301\u0385"));
    CHECK(composed(U"\U0001D15E", U"\U0001D157\U0001D165"));
    CHECK(composed(U"\U00011935\U00011930", U"\U00011935\U00011930"));  // newer than the tables
    CHECK(composed(U"", U""));
}

void lowers_single_code_points() {
    const auto lower = [](char32_t c) { return mm::lower_case(c).second == 0 ? mm::lower_case(c).first : 0; };
    CHECK(lower('A') == 'a' && lower('z') == 'z' && lower('@') == '@' && lower('[') == '[');
    CHECK(lower(0x100) == 0x101 && lower(0x101) == 0x101 && lower(0x178) == 0xFF && lower(0x1E9E) == 0xDF);
    CHECK(lower(0x212A) == 'k' && lower(0x10400) == 0x10428 && lower(0x10FFFF) == 0x10FFFF);
    CHECK(mm::lower_case(0x130).first == 'i' && mm::lower_case(0x130).second == 0x307);
}

void recognizes_special_tokens() {
    const ClipTokenizer t(vocabulary(), {});
    const int32_t sot = t.sot(), eot = t.eot();
    CHECK(t.n_vocab() == 514 && sot == 512 && eot == 513);
    CHECK(t.encode("", 77) == (Ids{sot, eot}));
    CHECK(t.encode("<|startoftext|>", 77) == (Ids{sot, sot, eot}));
    CHECK(t.encode("<|endoftext|><|startoftext|> <|endoftext|>", 77) == (Ids{sot, eot, sot, eot, eot}));
    const int32_t a = t.encode("a", 77)[1], b = t.encode("b", 77)[1];
    CHECK(t.encode("a<|endoftext|>b", 77) == (Ids{sot, a, eot, b, eot}));
    CHECK(t.encode("A <|endoftext|>\n<|startoftext|>B", 77) == (Ids{sot, a, eot, sot, b, eot}));
    // In capitals it is none, but split off what is around it.
    CHECK(pieces("<|ENDOFTEXT|>!!") == "<||endoftext||>|!!" && pieces("<|endoftex|>!!") == "<||endoftex||>!!");
    CHECK(pieces("!<|ENDOFTEXT|>") == "!<||endoftext||>" && pieces("<|<|StartOfText|>'s") == "<|<||startoftext||>'|s");
    CHECK(pieces("<|STARTOFTEXT|>'s") == "<||startoftext||>|'s");
    // What is on both sides of one is normalized by itself.
    CHECK(t.encode("e<|endoftext|>\xCC\x81", 77).size() == 6);
}

void keeps_the_end_token_when_it_cuts() {
    const ClipTokenizer t(vocabulary({"a b", "ab c</w>"}), {"a b", "ab c</w>"});
    const Ids whole = t.encode("abc 1 22 xyz <|startoftext|>", kLong);
    CHECK(whole.size() == 10);
    for (int limit = 2; limit < 12; ++limit) {
        Ids expected = whole;
        if (limit < 10) expected.resize(static_cast<size_t>(limit)), expected.back() = t.eot();
        CHECK(t.encode("abc 1 22 xyz <|startoftext|>", limit) == expected);
    }
    const std::string specials = "<|startoftext|><|startoftext|><|startoftext|>";
    CHECK(t.encode(specials, 3) == (Ids{t.sot(), t.sot(), t.eot()}));
}

// The rule itself, without a heap: merge the pair of lowest rank, leftmost first, until none is left.
Strings merged_slowly(const Strings& merges, const std::string& word) {
    Strings parts;
    for (const char c : word) parts.emplace_back(1, c);
    if (!parts.empty()) parts.back() += "</w>";
    for (;;) {
        size_t best = merges.size(), at = 0;
        for (size_t i = 0; i + 1 < parts.size(); ++i) {
            const auto found = std::find(merges.begin(), merges.end(), parts[i] + " " + parts[i + 1]);
            const auto rank = static_cast<size_t>(found - merges.begin());
            if (rank < best) best = rank, at = i;
        }
        if (best == merges.size()) return parts;
        parts[at] += parts[at + 1];
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
}

std::string random_word(uint32_t longest) {
    std::string word;
    for (uint32_t n = 1 + random_below(longest); n > 0; --n) word += static_cast<char>('a' + random_below(3));
    return word;
}

// Merges as training finds them: each joins two tokens that stand side by side after those before it.
Strings random_merges() {
    Strings merges;
    while (merges.size() < 60) {
        const Strings parts = merged_slowly(merges, random_word(12));
        if (parts.size() < 2) continue;
        const size_t at = random_below(static_cast<uint32_t>(parts.size()) - 1);
        merges.push_back(parts[at] + " " + parts[at + 1]);
        const auto same = [&](const std::string& merge) { return joined(merge) == joined(merges.back()); };
        if (std::any_of(merges.begin(), merges.end() - 1, same)) merges.pop_back();
    }
    return merges;
}

void merges_lowest_rank_first() {
    for (int round = 0; round < 20; ++round) {
        Strings merges = random_merges();
        // Ranks in any order, as no training makes them: what is merged later may be of a lower rank.
        if (round % 2 == 1) {
            for (size_t i = merges.size(); i-- > 1;)
                std::swap(merges[i], merges[random_below(static_cast<uint32_t>(i))]);
        }
        const Strings tokens = vocabulary(merges);
        const ClipTokenizer t(tokens, merges);
        for (int i = 0; i < 50; ++i) {
            const std::string word = random_word(25);
            Strings parts;
            Ids ids = t.encode(word, kLong);
            for (size_t k = 1; k + 1 < ids.size(); ++k) parts.push_back(tokens[static_cast<size_t>(ids[k])]);
            CHECK(parts == merged_slowly(merges, word));
        }
    }
}

template <typename Make>
bool refused(Make&& make, mm_status status, const char* part) {
    try {
        make();
    } catch (const mm::Error& e) {
        if (e.status() == status && strstr(e.what(), part)) return true;
        fprintf(stderr, "refused with %d, \"%s\"\n", e.status(), e.what());
    }
    return false;
}

void recovers_merges_from_tokens() {
    for (int round = 0; round < 20; ++round) {
        const Strings merges = random_merges();
        const ClipTokenizer given(vocabulary(merges), merges), recovered(vocabulary(merges), {});
        for (int i = 0; i < 50; ++i) {
            const std::string word = random_word(25);
            CHECK(given.encode(word, kLong) == recovered.encode(word, kLong));
        }
    }
    const auto make = [](Strings tokens) { return [=] { ClipTokenizer(tokens, {}); }; };
    const char* remedy = "multimodal models convert";
    CHECK(refused(make(vocabulary({"a b", "x yz"})), MM_ERROR_UNSUPPORTED, remedy));  // three parts
    CHECK(refused(make(vocabulary({"a b", "x yz"})), MM_ERROR_UNSUPPORTED, "from id 513 on"));
    CHECK(refused(make(vocabulary({"a b", "a b"})), MM_ERROR_UNSUPPORTED, "from id 513 on"));  // one
    CHECK(refused(make(vocabulary({" </w>"})), MM_ERROR_UNSUPPORTED, remedy));                 // none
    Strings tokens = vocabulary({"a b"});
    std::swap(tokens[10], tokens[300]);
    CHECK(refused(make(tokens), MM_ERROR_UNSUPPORTED, remedy));
    tokens = vocabulary({"a b"});
    std::rotate(tokens.begin(), tokens.end() - 2, tokens.end());  // special tokens first
    CHECK(refused(make(tokens), MM_ERROR_UNSUPPORTED, remedy));
    const std::string text = "abab <|endoftext|>";
    const ClipTokenizer t(tokens, {"a b"});  // with merges the order does not matter
    CHECK(t.sot() == 0 && t.eot() == 1 && decoded(t, t.encode(text, kLong)) == "abab");
    CHECK(t.encode(text, kLong).size() == 6);
}

void refuses_bad_vocabularies() {
    const auto make = [](Strings tokens, Strings merges) { return [=] { ClipTokenizer(tokens, merges); }; };
    CHECK(refused(make({}, {}), MM_ERROR_BAD_MODEL, "<|startoftext|>"));
    Strings tokens = vocabulary({"a b"});
    tokens.back() = "end";
    CHECK(refused(make(tokens, {"a b"}), MM_ERROR_BAD_MODEL, "515 tokens is <|endoftext|>"));
    tokens = vocabulary({"a b"});
    for (const char* merge : {"", "ab", "a", "a b c", "a  b"})
        CHECK(refused(make(tokens, {"a b", merge}), MM_ERROR_BAD_MODEL, "merges[1]"));
    CHECK(refused(make(tokens, {"a c"}), MM_ERROR_BAD_MODEL, "\"ac\" is not"));
    CHECK(refused(make(tokens, {"zz a"}), MM_ERROR_BAD_MODEL, "\"zz\" is not"));
    CHECK(refused(make(tokens, {"a \x01"}), MM_ERROR_BAD_MODEL, "\\x01"));
}

// As in transformers, where the end token stands for what is unknown.
void bytes_without_a_token_become_the_end_token() {
    const ClipTokenizer t({"l", "o", "lo", "o</w>", "lo</w>", "<|startoftext|>", "<|endoftext|>"}, {"l o", "l o</w>"});
    CHECK(t.encode("lolo", 77) == (Ids{5, 2, 4, 6}));
    CHECK(t.encode("lox \xC3\xA4", 77) == (Ids{5, 2, 6, 6, 6, 6}));
}

void refuses_what_is_not_utf8() {
    const ClipTokenizer t(vocabulary(), {});
    const auto encode = [&](const char* text) { return [&t, text] { t.encode(text, 77); }; };
    CHECK(refused(encode("ok \xFF"), MM_ERROR_INVALID_ARGUMENT, "byte 3 (0xFF)"));
    CHECK(refused(encode("\xED\xA0\x80"), MM_ERROR_INVALID_ARGUMENT, "byte 0"));      // a surrogate
    CHECK(refused(encode("x\xC0\x80"), MM_ERROR_INVALID_ARGUMENT, "byte 1"));         // overlong
    CHECK(refused(encode("\xF4\x90\x80\x80"), MM_ERROR_INVALID_ARGUMENT, "byte 0"));  // above U+10FFFF
    const std::string behind_the_cut = std::string(1000, '1') + "\xE2\x82";
    CHECK(refused(encode(behind_the_cut.c_str()), MM_ERROR_INVALID_ARGUMENT, "byte 1000 (0xE2)"));
    CHECK(refused([&] { t.encode("", 1); }, MM_ERROR_INVALID_ARGUMENT, "limit is 1"));
}

void decodes() {
    const ClipTokenizer t(vocabulary({"a b", "ab c</w>"}), {"a b", "ab c</w>"});
    const auto there_and_back = [&](const char* text) { return decoded(t, t.encode(text, kLong)); };
    CHECK(there_and_back("ABC, D\xC3\x96") == "abc , d\xC3\xB6");
    CHECK(there_and_back("<|startoftext|>ab<|endoftext|>").compare("ab") == 0);
    CHECK(decoded(t, {}).empty());
    CHECK(decoded(t, {-1, t.n_vocab(), std::numeric_limits<int32_t>::max(), 64}) == "a");
    CHECK(decoded(t, {64, 163}) == "a\xEF\xBF\xBD");  // a byte that is not UTF-8 by itself
    CHECK(decoded(t, {512, 513, 512}) == "ababc ab");
    // Characters that stand for no byte stay.
    Strings tokens = vocabulary({"a b"});
    tokens.insert(tokens.begin() + 512, "\xE2\x82\xAC");
    const ClipTokenizer euro(tokens, {"a b"});
    CHECK(decoded(euro, {512}) == "\xE2\x82\xAC");
}

void encodes_long_texts_in_time() {
    const size_t size = getenv("MM_TEST_INSTRUMENTED") ? 1 << 14 : 1 << 20;
    Strings merges = {"a a"};
    for (std::string power = "aa"; merges.size() < 7; power += power) merges.push_back(power + " " + power);
    const ClipTokenizer t(vocabulary(merges), merges);
    const Ids ids = t.encode(std::string(size, 'a'), kLong);  // hours if each merge looked at all others
    CHECK(ids.size() == 2 + (size / 128 - 1) + 8);            // the last letter is one of a word's end
    CHECK(t.encode(std::string(size, 'a'), 77).size() == 77);
    CHECK(t.encode(std::string(size, '1'), kLong).size() == size + 2);
    CHECK(t.encode(std::string(size, ' '), kLong).size() == 2);
    std::string marks, openings;
    for (size_t i = 0; i < size; i += 4) marks += "\xCC\x81\xCC\xA3", openings += "<|<|";
    CHECK(t.encode(marks, kLong).size() == size + 2);
    CHECK(t.encode(openings, kLong).size() == size + 2);
}

}  // namespace

int main() {
    splits_as_clip();
    normalizes_before_it_splits();
    composes_canonically();
    lowers_single_code_points();
    recognizes_special_tokens();
    keeps_the_end_token_when_it_cuts();
    merges_lowest_rank_first();
    recovers_merges_from_tokens();
    refuses_bad_vocabularies();
    bytes_without_a_token_become_the_end_token();
    refuses_what_is_not_utf8();
    decodes();
    encodes_long_texts_in_time();
    return finish("test_clip_tokenizer");
}

// The tokenizer on small vocabularies of its own: splitting, merging, special tokens, UTF-8, words.
// tests/test_tokenizer.py compares it with tiktoken on the real ones.
#include <algorithm>
#include <limits>

#include "check.h"
#include "runtime/error.h"
#include "runtime/unicode.h"
#include "runtime/utf8.h"
#include "whisper/languages.h"
#include "whisper/tokenizer.h"

namespace {

using mm::Tokenizer;
using Ids = std::vector<int32_t>;

constexpr int kSpecials = 1509;  // besides one for each language

uint32_t random_state = 1;
uint32_t random_below(uint32_t n) {
    random_state = random_state * 1664525u + 1013904223u;
    return static_cast<uint32_t>(uint64_t{random_state} * n >> 32);
}

std::vector<std::string> bytes_and(const std::vector<std::string>& tokens) {
    std::vector<std::string> vocabulary;
    for (int b = 0; b < 256; ++b) vocabulary.emplace_back(1, static_cast<char>(b));
    vocabulary.insert(vocabulary.end(), tokens.begin(), tokens.end());
    return vocabulary;
}

int vocabulary_size(const std::vector<std::string>& vocabulary, int languages) {
    return static_cast<int>(vocabulary.size()) + kSpecials + languages;
}

// A text's tokens where every pair of bytes is one, so that only a split keeps two bytes from being merged.
std::string pieces(const std::string& text) {
    std::vector<std::string> pairs;
    for (int a = 0; a < 256; ++a) {
        for (int b = 0; b < 256; ++b) pairs.push_back({static_cast<char>(a), static_cast<char>(b)});
    }
    static const std::vector<std::string> vocabulary = bytes_and(pairs);
    static const Tokenizer tokenizer(vocabulary, vocabulary_size(vocabulary, 1));
    std::string out;
    for (const int32_t id : tokenizer.encode(text)) out += (out.empty() ? "" : "|") + tokenizer.bytes(id);
    return out;
}

// The rule itself, without a heap: merge the pair of lowest rank, leftmost first, until none is left.
Ids merged_slowly(const std::vector<std::string>& vocabulary, const std::string& piece) {
    const auto rank = [&](const std::string& bytes) {
        const auto found = std::find(vocabulary.begin(), vocabulary.end(), bytes);
        return found == vocabulary.end() ? -1 : static_cast<int>(found - vocabulary.begin());
    };
    if (rank(piece) >= 0) return {rank(piece)};
    std::vector<std::string> parts;
    for (const char c : piece) parts.emplace_back(1, c);
    for (;;) {
        int best = std::numeric_limits<int>::max();
        size_t at = 0;
        for (size_t i = 0; i + 1 < parts.size(); ++i) {
            const int r = rank(parts[i] + parts[i + 1]);
            if (r >= 0 && r < best) best = r, at = i;
        }
        if (best == std::numeric_limits<int>::max()) break;
        parts[at] += parts[at + 1];
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    Ids ids;
    for (const std::string& p : parts) ids.push_back(rank(p));
    return ids;
}

void merges_lowest_rank_first() {
    for (int round = 0; round < 40; ++round) {
        std::vector<std::string> tokens;
        for (int i = 0; i < 60; ++i) {
            std::string token;
            for (uint32_t n = 2 + random_below(4); n > 0; --n) token += static_cast<char>('a' + random_below(3));
            if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
        }
        const std::vector<std::string> vocabulary = bytes_and(tokens);
        const Tokenizer tokenizer(vocabulary, vocabulary_size(vocabulary, 3));
        for (int i = 0; i < 50; ++i) {
            std::string piece;
            for (uint32_t n = 1 + random_below(25); n > 0; --n) piece += static_cast<char>('a' + random_below(3));
            CHECK(tokenizer.encode(piece) == merged_slowly(vocabulary, piece));
        }
    }
}

void splits_as_gpt2() {
    CHECK(pieces("ab") == "ab");
    CHECK(pieces("a b") == "a| b");
    CHECK(pieces("a1") == "a|1");
    CHECK(pieces("a!") == "a|!");
    CHECK(pieces("it's") == "it|'s");
    CHECK(pieces("i'd") == "i|'d");
    CHECK(pieces("i'm") == "i|'m");
    CHECK(pieces("a't") == "a|'t");
    CHECK(pieces("'x") == "'|x");
    CHECK(pieces("i'S") == "i|'|S");
    CHECK(pieces(" '") == " '");
    CHECK(pieces("  ") == "  ");
    CHECK(pieces("  a") == " | a");
    CHECK(pieces("\n\na") == "\n|\n|a");
    CHECK(pieces(" \n") == " \n");
    CHECK(pieces("\ta") == "\t|a");
    CHECK(pieces("a \n") == "a| \n");
    CHECK(pieces("12") == "12");
    CHECK(pieces("1 2") == "1| 2");
    CHECK(pieces("") == "");
    CHECK(pieces("\xC3\xA9") == "\xC3\xA9");     // é is a letter
    CHECK(pieces("a\xC2\xB2") == "a|\xC2\xB2");  // ² is a number
    CHECK(pieces("a\xC2\xA0") == "a|\xC2\xA0");  // no-break space is white space
    CHECK(pieces("\xC2\xA0 a") == "\xC2\xA0| a");
}

void special_tokens_follow_from_the_size() {
    std::vector<std::string> english = bytes_and({});
    while (english.size() < 50256) english.push_back("#" + std::to_string(english.size()));
    for (const bool end_listed : {false, true}) {
        if (end_listed) english.push_back("<|endoftext|>");
        const Tokenizer t(english, 51864);
        CHECK(!t.multilingual() && t.n_languages() == 0);
        CHECK(t.eot() == 50256 && t.sot() == 50257 && t.translate() == 50357 && t.transcribe() == 50358);
        CHECK(t.sot_lm() == 50359 && t.sot_prev() == 50360 && t.no_speech() == 50361);
        CHECK(t.no_timestamps() == 50362 && t.timestamp_begin() == 50363);
        CHECK(t.language_index("en") == -1);
        CHECK(t.bytes(50256).empty() && t.bytes(-1).empty() && t.bytes(60000).empty());
    }
    const Tokenizer multilingual(english, 51865);
    CHECK(multilingual.n_languages() == 99 && multilingual.eot() == 50257 && multilingual.timestamp_begin() == 50364);
    CHECK(multilingual.language_index("yue") == -1);
    const Tokenizer large_v3(english, 51866);
    CHECK(large_v3.n_languages() == 100 && large_v3.transcribe() == 50360 && large_v3.timestamp_begin() == 50365);
    CHECK(large_v3.language_token(large_v3.language_index("Cantonese")) == 50358);
    CHECK(large_v3.language_index("German") == 2 && large_v3.language_index("de") == 2);
    CHECK(large_v3.language_index("mandarin") == 1 && large_v3.language_index("Klingon") == -1);
    CHECK(std::string(large_v3.language_code(99)) == "yue");
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

void refuses_bad_vocabularies() {
    const std::vector<std::string> vocabulary = bytes_and({"ab"});
    CHECK(refused([&] { Tokenizer(vocabulary, 51864); }, MM_ERROR_BAD_MODEL, "257 text tokens"));
    CHECK(refused([&] { Tokenizer(vocabulary, vocabulary_size(vocabulary, 0)); }, MM_ERROR_BAD_MODEL, "1 to 100"));
    CHECK(refused([&] { Tokenizer(vocabulary, vocabulary_size(vocabulary, 101)); }, MM_ERROR_BAD_MODEL, "1 to 100"));
    CHECK(refused([&] { Tokenizer(vocabulary, 0); }, MM_ERROR_BAD_MODEL, "1 to 100"));
    std::vector<std::string> gap = vocabulary;
    gap[0x41] = "AA";
    CHECK(refused([&] { Tokenizer(gap, vocabulary_size(gap, 1)); }, MM_ERROR_BAD_MODEL, "0x41"));
}

// Older ggml files hold U+FFFD for each byte that is not UTF-8 by itself, in GPT-2's order of bytes.
void restores_single_bytes() {
    std::vector<std::string> order;
    for (int pass = 0; pass < 2; ++pass) {
        for (int b = 0; b < 256; ++b) {
            const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            if (printable == (pass == 0)) order.emplace_back(1, static_cast<char>(b));
        }
    }
    std::vector<std::string> lossy = order;
    for (std::string& token : lossy) {
        if (static_cast<unsigned char>(token[0]) >= 0x80) token = "\xEF\xBF\xBD";
    }
    const Tokenizer t(lossy, vocabulary_size(lossy, 2));
    for (int id = 0; id < 256; ++id) CHECK(t.bytes(id) == order[static_cast<size_t>(id)]);
}

void checks_and_repairs_utf8() {
    const std::vector<std::string> vocabulary = bytes_and({});
    const Tokenizer t(vocabulary, vocabulary_size(vocabulary, 1));
    CHECK(refused([&] { t.encode("ok \xFF"); }, MM_ERROR_INVALID_ARGUMENT, "byte 3 (0xFF)"));
    CHECK(refused([&] { t.encode("\xED\xA0\x80"); }, MM_ERROR_INVALID_ARGUMENT, "byte 0"));      // a surrogate
    CHECK(refused([&] { t.encode("x\xC0\x80"); }, MM_ERROR_INVALID_ARGUMENT, "byte 1"));         // overlong
    CHECK(refused([&] { t.encode("\xF4\x90\x80\x80"); }, MM_ERROR_INVALID_ARGUMENT, "byte 0"));  // above U+10FFFF
    CHECK(refused([&] { t.encode("\xE2\x82"); }, MM_ERROR_INVALID_ARGUMENT, "byte 0"));          // cut short

    // One U+FFFD for each maximal subpart: Python's bytes.decode("utf-8", "replace") gives the same.
    const auto repaired = [](const char* bytes, const char* expected) { return mm::repair_utf8(bytes) == expected; };
    CHECK(repaired("plain \xE2\x82\xAC \xF0\x9F\x98\x80", "plain \xE2\x82\xAC \xF0\x9F\x98\x80"));
    CHECK(repaired("\xE2\x82", "\xEF\xBF\xBD"));
    CHECK(repaired("\xE2\x82x", "\xEF\xBF\xBDx"));
    CHECK(repaired("\xF0\x9F\x98\xE2\x82\xAC", "\xEF\xBF\xBD\xE2\x82\xAC"));
    CHECK(repaired("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"));
    CHECK(repaired("\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"));
    CHECK(repaired("\xF8\xFF", "\xEF\xBF\xBD\xEF\xBF\xBD"));

    CHECK(mm::complete_utf8_prefix("") == 0);
    CHECK(mm::complete_utf8_prefix("ab") == 2);
    CHECK(mm::complete_utf8_prefix("a\xE2\x82") == 1);
    CHECK(mm::complete_utf8_prefix("a\xE2\x82\xAC") == 4);
    CHECK(mm::complete_utf8_prefix("\xF0\x9F\x98") == 0);
    CHECK(mm::complete_utf8_prefix("a\x80") == 2);  // never to be completed
    CHECK(mm::complete_utf8_prefix("a\xFF") == 2);

    CHECK(mm::strip(" \t\xE3\x80\x80 a b\x1F\xC2\xA0\n") == "a b");
    CHECK(mm::strip("  ") == "" && mm::strip("") == "");
}

void knows_unicode() {
    CHECK(mm::is_letter('a') && mm::is_letter(0x4E2D) && mm::is_letter(0x105C0) && !mm::is_letter('1'));
    CHECK(!mm::is_letter(0x0301) && !mm::is_letter(0x10FFFF) && !mm::is_letter(0));
    CHECK(mm::is_number('7') && mm::is_number(0xB2) && mm::is_number(0x2167) && !mm::is_number('a'));
    CHECK(mm::is_white_space(' ') && mm::is_white_space(0x3000) && !mm::is_white_space(0x200B));
    CHECK(!mm::is_white_space(0x1C) && mm::is_strippable(0x1C));
}

void decodes_what_it_encodes() {
    const std::vector<std::string> vocabulary = bytes_and({"he", "ll", "hell", " w", "or", "\xE2\x82"});
    const Tokenizer t(vocabulary, vocabulary_size(vocabulary, 1));
    const std::string text = "hello  w\xC3\xB6rld \xE2\x82\xAC!\n";
    const Ids ids = t.encode(text);
    CHECK(t.decode_bytes(ids.data(), ids.size()) == text && t.decode(ids.data(), ids.size()) == text);
    const Ids mixed = {t.sot(), 'a', t.timestamp_begin(), 0xE2, t.eot()};
    CHECK(t.decode(mixed.data(), mixed.size()) == "a\xEF\xBF\xBD");
    std::string every_byte;
    for (int b = 0; b < 128; ++b) every_byte += static_cast<char>(b);
    const Ids all = t.encode(every_byte);
    CHECK(t.decode_bytes(all.data(), all.size()) == every_byte);
}

void encodes_long_pieces_in_time() {
    std::vector<std::string> powers = {"aa"};
    while (powers.size() < 7) powers.push_back(powers.back() + powers.back());
    const std::vector<std::string> vocabulary = bytes_and(powers);
    const Tokenizer t(vocabulary, vocabulary_size(vocabulary, 1));
    const Ids ids = t.encode(std::string(1 << 20, 'a'));  // hours if each merge looked at all others
    CHECK(ids.size() == (1 << 20) / 128);
    CHECK(t.encode(std::string(1 << 20, ' ')).size() == 1 << 20);
}

std::string words_of(const Tokenizer& t, const Ids& ids, const char* language) {
    std::string out;
    Ids joined;
    for (const Tokenizer::WordTokens& word : t.split_words(ids, language)) {
        out += "[" + word.text + "]";
        joined.insert(joined.end(), word.tokens.begin(), word.tokens.end());
    }
    CHECK(joined == ids);
    return out;
}

void splits_words() {
    const std::vector<std::string> vocabulary = bytes_and({" th", " quick", "...", ""});
    const Tokenizer t(vocabulary, vocabulary_size(vocabulary, 100));
    CHECK(words_of(t, t.encode(" th quick"), "en") == "[ th][ quick]");
    CHECK(words_of(t, t.encode("ab cd"), "en") == "[ab][ cd]");
    // Only runs of ASCII order, such as ",-.", count as punctuation, as in openai/whisper.
    CHECK(words_of(t, {256, 44, 257, 258, 33}, "en") == "[ th][,][ quick...][!]");
    CHECK(words_of(t, t.encode("ab"), "ja") == "[a][b]");
    CHECK(words_of(t, t.encode("\xE4\xB8\xAD\xE6\x96\x87"), "zh") == "[\xE4\xB8\xAD][\xE6\x96\x87]");
    CHECK(words_of(t, t.encode("\xE4\xB8\xAD\xE6\x96\x87"), "en") == "[\xE4\xB8\xAD\xE6\x96\x87]");
    CHECK(words_of(t, {'a', 0xE4, 0xB8}, "zh") == "[a][\xEF\xBF\xBD][\xEF\xBF\xBD]");  // bytes that stay incomplete
    CHECK(words_of(t, {'a', 0xFF, 'b'}, "zh") == "[a][\xEF\xBF\xBD][b]");
    CHECK(words_of(t, {}, "en").empty());
}

void leaves_out_what_is_not_said() {
    const std::vector<std::string> vocabulary = bytes_and({" -", " '", "<<", "\xE2\x99\xAA", " \xE2"});
    const Tokenizer t(vocabulary, vocabulary_size(vocabulary, 1));
    const Ids ids = t.non_speech_tokens();
    const auto has = [&](int32_t id) { return std::binary_search(ids.begin(), ids.end(), id); };
    CHECK(std::is_sorted(ids.begin(), ids.end()) && std::adjacent_find(ids.begin(), ids.end()) == ids.end());
    CHECK(has('"') && has('(') && has('[') && has('~') && has(256) && has(257) && has(258) && has(259) && has(260));
    CHECK(!has('-') && !has('\'') && !has('.') && !has(',') && !has('!') && !has('?') && !has('%') && !has('a'));
    CHECK(has(0xE2));  // a note that takes several tokens: the first of them
}

}  // namespace

int main() {
    splits_as_gpt2();
    merges_lowest_rank_first();
    special_tokens_follow_from_the_size();
    refuses_bad_vocabularies();
    restores_single_bytes();
    checks_and_repairs_utf8();
    knows_unicode();
    decodes_what_it_encodes();
    encodes_long_pieces_in_time();
    splits_words();
    leaves_out_what_is_not_said();
    return finish("test_tokenizer");
}

#include "runtime/unicode_nfc.h"

#include <algorithm>

#include "runtime/unicode_nfc_tables.h"

namespace mm {

namespace {

constexpr char32_t kFirstOfInterest = 0x300;  // what lies below is composed and does not combine with what is before it

// Hangul (Unicode standard, section 3.12): syllables of a leading consonant, a vowel and perhaps a trailing consonant.
constexpr char32_t kSyllable = 0xAC00, kLeading = 0x1100, kVowel = 0x1161, kTrailing = 0x11A7;
constexpr char32_t kLeadings = 19, kVowels = 21, kTrailings = 28, kSyllables = kLeadings * kVowels * kTrailings;

// Whether first <= c < first + count.
bool among(char32_t c, char32_t first, char32_t count) {
    return c - first < count;
}

int combining_class(char32_t c) {
    if (c < kFirstOfInterest) return 0;
    const CombiningClass* end = kCombiningClasses + kCombiningClassCount;
    const CombiningClass* found =
        std::lower_bound(kCombiningClasses, end, c, [](const CombiningClass& r, char32_t x) { return r.last < x; });
    return found != end && found->first <= c ? found->value : 0;
}

void decompose(char32_t c, std::u32string& out) {
    if (among(c, kSyllable, kSyllables)) {
        const char32_t index = c - kSyllable, trailing = index % kTrailings;
        out += kLeading + index / (kVowels * kTrailings);
        out += kVowel + index / kTrailings % kVowels;
        if (trailing > 0) out += kTrailing + trailing;
        return;
    }
    const Decomposition* end = kDecompositions + kDecompositionCount;
    const Decomposition* found =
        std::lower_bound(kDecompositions, end, c, [](const Decomposition& d, char32_t x) { return d.whole < x; });
    if (found == end || found->whole != c) {
        out += c;
        return;
    }
    decompose(found->first, out);
    if (found->second != 0) decompose(found->second, out);
}

// What two code points become together; 0 if they stay two.
char32_t composed(char32_t first, char32_t second) {
    if (among(first, kLeading, kLeadings) && among(second, kVowel, kVowels))
        return kSyllable + ((first - kLeading) * kVowels + (second - kVowel)) * kTrailings;
    if (among(first, kSyllable, kSyllables) && (first - kSyllable) % kTrailings == 0 &&
        among(second, kTrailing + 1, kTrailings - 1))
        return first + (second - kTrailing);
    const uint16_t* end = kCompositions + kCompositionCount;
    const uint16_t* found = std::lower_bound(kCompositions, end, 0, [&](uint16_t index, int) {
        const Decomposition& d = kDecompositions[index];
        return d.first != first ? d.first < first : d.second < second;
    });
    if (found == end) return 0;
    const Decomposition& d = kDecompositions[*found];
    return d.first == first && d.second == second ? d.whole : 0;
}

// Sorts each run of marks by class; those of one class keep their order.
void order_marks(std::u32string& text) {
    const auto is_mark = [](char32_t c) { return combining_class(c) != 0; };
    for (auto begin = text.begin(); (begin = std::find_if(begin, text.end(), is_mark)) != text.end();) {
        const auto end = std::find_if_not(begin, text.end(), is_mark);
        if (end - begin > 1) {
            std::stable_sort(begin, end,
                             [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
        }
        begin = end;
    }
}

// A code point joins the last one of class 0 before it, unless one between them is of its class or a higher one.
std::u32string compose(const std::u32string& text) {
    std::u32string out;
    out.reserve(text.size());
    size_t base = std::u32string::npos;  // of the last code point of class 0 in `out`
    int last_class = 0;
    for (const char32_t c : text) {
        const int c_class = combining_class(c);
        const bool reaches = base != std::u32string::npos && (base + 1 == out.size() || last_class < c_class);
        if (const char32_t whole = reaches ? composed(out[base], c) : 0) {
            out[base] = whole;
            continue;
        }
        if (c_class == 0) base = out.size();
        last_class = c_class;
        out += c;
    }
    return out;
}

}  // namespace

std::u32string nfc(std::u32string text) {
    if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < kFirstOfInterest; })) return text;
    std::u32string parts;
    parts.reserve(text.size());
    for (const char32_t c : text) decompose(c, parts);
    order_marks(parts);
    return compose(parts);
}

}  // namespace mm

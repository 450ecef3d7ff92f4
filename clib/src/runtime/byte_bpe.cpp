#include "runtime/byte_bpe.h"

#include "runtime/unicode.h"

namespace mm {

namespace {

constexpr int kPrintable = 188;  // bytes that stand for themselves

bool stands_for_itself(unsigned b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
}

// FNV-1a.
size_t hash_bytes(std::string_view bytes) {
    uint64_t h = 0xCBF29CE484222325u;
    for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    return static_cast<size_t>(h ^ h >> 32);
}

}  // namespace

unsigned char gpt2_byte(int id) {
    const bool printable = id < kPrintable;
    int n = printable ? id : id - kPrintable;
    unsigned b = 0;
    while (stands_for_itself(b) != printable || n-- > 0) ++b;
    return static_cast<unsigned char>(b);
}

int byte_of_printable(char32_t character) {
    if (character < 256) return stands_for_itself(character) ? static_cast<int>(character) : -1;
    const char32_t n = character - 256;
    return n < 256 - kPrintable ? gpt2_byte(kPrintable + static_cast<int>(n)) : -1;
}

TokenIndex::TokenIndex(const std::vector<std::string>& tokens) : tokens_(&tokens) {
    size_t size = 512;
    while (size < 2 * tokens.size()) size *= 2;
    slots_.assign(size, -1);
    for (size_t id = 0; id < tokens.size(); ++id) {
        if (tokens[id].empty()) continue;
        int32_t& slot = slots_[slot_of(tokens[id])];
        if (slot < 0) slot = static_cast<int32_t>(id);  // the lower rank wins
    }
}

size_t TokenIndex::slot_of(std::string_view bytes) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = hash_bytes(bytes) & mask;
    while (slots_[slot] >= 0 && (*tokens_)[static_cast<size_t>(slots_[slot])] != bytes) slot = (slot + 1) & mask;
    return slot;
}

int32_t TokenIndex::find(std::string_view bytes) const {
    return slots_[slot_of(bytes)];
}

CharacterKind kind_of(char32_t c) {
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return CharacterKind::letter;
        if (c >= '0' && c <= '9') return CharacterKind::number;
        return c == ' ' || (c >= '\t' && c <= '\r') ? CharacterKind::space : CharacterKind::other;
    }
    if (is_letter(c)) return CharacterKind::letter;
    if (is_number(c)) return CharacterKind::number;
    return is_white_space(c) ? CharacterKind::space : CharacterKind::other;
}

size_t contraction(std::string_view text) {
    if (text.empty() || text[0] != '\'') return 0;
    for (const std::string_view c : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
        if (text.substr(0, c.size()) == c) return c.size();
    }
    return 0;
}

}  // namespace mm

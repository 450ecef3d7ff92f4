#include "clip/tokenizer.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/unicode.h"
#include "runtime/unicode_nfc.h"
#include "runtime/utf8.h"

namespace mm {

namespace {

constexpr std::string_view kStart = "<|startoftext|>", kEnd = "<|endoftext|>", kWordEnd = "</w>";

bool starts_with(std::string_view text, std::string_view start) {
    return text.substr(0, start.size()) == start;
}

bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// The special token that the text starts with; "" if none.
std::string_view special_token(std::string_view text) {
    for (const std::string_view token : {kStart, kEnd}) {
        if (starts_with(text, token)) return token;
    }
    return {};
}

// White space of ASCII. Nothing combines with it, and no token spans it.
bool is_gap(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// The bytes that a token's characters stand for; where one stands for none, the token as it is.
std::string token_bytes(const std::string& token) {
    std::string bytes;
    for (size_t offset = 0; offset < token.size();) {
        const CodePoint c = code_point_at(token, offset);
        const int byte = c.valid ? byte_of_printable(c.value) : -1;
        if (byte < 0) return token;
        bytes += static_cast<char>(byte);
        offset += static_cast<size_t>(c.length);
    }
    return bytes;
}

// NFC, then the lower case of each code point. Of transformers' rules \s+ -> " " is left out: white space only
// separates.
std::string normalized(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char32_t c : nfc(decode_utf8(text))) {
        if (c < 0x80) {
            out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
            continue;
        }
        const LowerCase lower = lower_case(c);
        append_utf8(lower.first, out);
        if (lower.second != 0) append_utf8(lower.second, out);
    }
    return out;
}

// Length of the first piece of `text` (valid UTF-8, not empty) by the pattern
//     's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
// or of one code point of white space, which `space` says.
size_t first_piece(std::string_view text, bool& space) {
    space = false;
    if (const size_t n = contraction(text)) return n;
    size_t offset = 0;
    CodePoint c = code_point_at(text, 0);
    const CharacterKind kind = kind_of(c.value);
    space = kind == CharacterKind::space;
    const bool alone = space || kind == CharacterKind::number;
    do {
        offset += static_cast<size_t>(c.length);
        if (offset == text.size()) break;
        c = code_point_at(text, offset);
    } while (!alone && kind_of(c.value) == kind);
    return offset;
}

// Calls piece(bytes) for each piece of normalized text until it returns false.
template <typename Piece>
bool split(std::string_view text, const Piece& piece) {
    size_t of_special = 0;  // bytes left of what looks like a special token
    while (!text.empty()) {
        // In lower case only now, it is none, but splits apart from what is around it.
        if (of_special == 0) of_special = special_token(text).size();
        bool space;
        const size_t n = first_piece(of_special > 0 ? text.substr(0, of_special) : text, space);
        if (of_special > 0) of_special -= n;
        if (!space && !piece(text.substr(0, n))) return false;
        text.remove_prefix(n);
    }
    return true;
}

}  // namespace

void ClipTokenizer::Merges::reserve(size_t n) {
    size_t size = 512;
    while (size < 2 * n) size *= 2;
    slots_.assign(size, -1);
    items_.reserve(n);
}

size_t ClipTokenizer::Merges::slot_of(int32_t left, int32_t right) const {
    const size_t mask = slots_.size() - 1;
    const uint64_t pair = uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
    size_t slot = static_cast<size_t>(pair * 0x9E3779B97F4A7C15u >> 32) & mask;
    for (; slots_[slot] >= 0; slot = (slot + 1) & mask) {
        const Item& item = items_[static_cast<size_t>(slots_[slot])];
        if (item.left == left && item.right == right) break;
    }
    return slot;
}

void ClipTokenizer::Merges::add(int32_t left, int32_t right, int32_t token) {
    slots_[slot_of(left, right)] = static_cast<int32_t>(items_.size());  // of equal pairs the last counts
    items_.push_back({left, right, token});
}

PieceMerger::Merge ClipTokenizer::Merges::find(int32_t left, int32_t right) const {
    const int32_t rank = slots_[slot_of(left, right)];
    return {rank, rank < 0 ? -1 : items_[static_cast<size_t>(rank)].token};
}

ClipTokenizer::ClipTokenizer(std::vector<std::string> tokens, const std::vector<std::string>& merges)
    : tokens_(std::move(tokens)) {
    const TokenIndex index(tokens_);
    sot_ = index.find(kStart);
    eot_ = index.find(kEnd);
    if (sot_ < 0 || eot_ < 0)
        fail(MM_ERROR_BAD_MODEL, "vocabulary: none of its %zu tokens is %s, which CLIP's have", tokens_.size(),
             (sot_ < 0 ? kStart : kEnd).data());
    // Bytes without a token become the end token, as transformers has it.
    const auto find = [&](const std::string& token) { return index.find(token) < 0 ? eot_ : index.find(token); };
    for (char32_t c = 0; c < 512; ++c) {
        const int byte = byte_of_printable(c);
        if (byte < 0) continue;
        std::string token;
        append_utf8(c, token);
        byte_ids_[byte] = find(token);
        last_byte_ids_[byte] = find(token.append(kWordEnd));
    }
    if (merges.empty()) {
        recover_merges();
    } else {
        read_merges(index, merges);
    }
    for (std::string& token : tokens_) token = token_bytes(token);
}

void ClipTokenizer::read_merges(const TokenIndex& index, const std::vector<std::string>& merges) {
    merges_.reserve(merges.size());
    for (size_t i = 0; i < merges.size(); ++i) {
        const std::string_view merge = merges[i];
        const size_t space = merge.find(' ');
        if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos)
            fail(MM_ERROR_BAD_MODEL, "merges[%zu] is \"%s\": it must be two tokens with a space between them", i,
                 printable(merge).c_str());
        const std::string left(merge.substr(0, space)), right(merge.substr(space + 1));
        for (const std::string& token : {left, right, left + right}) {
            if (index.find(token) < 0)
                fail(MM_ERROR_BAD_MODEL, "merges[%zu] is \"%s\", but \"%s\" is not in the vocabulary", i,
                     printable(merge).c_str(), printable(token).c_str());
        }
        merges_.add(index.find(left), index.find(right), index.find(left + right));
    }
}

// Files of clip.cpp have no merges. A vocabulary that is laid out as CLIP's (the bytes, the bytes at a word's end, what
// each merge made, by rank, and the special tokens) tells them all the same: when a merge was learnt, its two parts
// stood side by side, made by the merges before it, so those applied to its token leave these two.
void ClipTokenizer::recover_merges() {
    constexpr int32_t kBytes = 512;
    bool known = sot_ >= kBytes && eot_ >= kBytes && sot_ + 2 >= n_vocab() && eot_ + 2 >= n_vocab();
    for (int byte = 0; byte < 256; ++byte) {
        known &= byte_ids_[byte] < kBytes / 2 && last_byte_ids_[byte] >= kBytes / 2 && last_byte_ids_[byte] < kBytes;
    }
    merges_.reserve(tokens_.size());
    PieceMerger merger;
    std::vector<int32_t> parts;
    int32_t id = kBytes;
    for (; known && id < n_vocab() - 2; ++id) {
        std::string_view token = tokens_[static_cast<size_t>(id)];
        const bool last = ends_with(token, kWordEnd);
        if (last) token.remove_suffix(kWordEnd.size());
        merge(merger, token_bytes(std::string(token)), last, parts);
        known = parts.size() == 2;
        if (!known) break;
        merges_.add(parts[0], parts[1], id);
    }
    if (!known)
        fail(
            MM_ERROR_UNSUPPORTED,
            "the file has no merges (tokenizer.ggml.merges), and its tokens do not tell them: they are not laid out as "
            "CLIP's%s; make the file anew from the original model with `multimodal models convert`, which adds them",
            id == kBytes ? "" : (" from id " + std::to_string(id) + " on").c_str());
}

// The tokens of a word, or of the part of one that is not its last.
void ClipTokenizer::merge(PieceMerger& merger, std::string_view bytes, bool last, std::vector<int32_t>& parts) const {
    parts.clear();
    for (const char byte : bytes) parts.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
    if (last && !bytes.empty()) parts.back() = last_byte_ids_[static_cast<unsigned char>(bytes.back())];
    merger.merge(parts, [&](size_t left, size_t right, size_t) { return merges_.find(parts[left], parts[right]); });
}

std::vector<int32_t> ClipTokenizer::encode(std::string_view text, int limit) const {
    if (limit < 2) fail(MM_ERROR_INVALID_ARGUMENT, "limit is %d: the start and the end token are 2", limit);
    require_utf8(text);
    const size_t room = static_cast<size_t>(limit) - 1;  // for all but the end token
    std::vector<int32_t> ids{sot_}, parts;
    PieceMerger merger;
    const auto add_piece = [&](std::string_view piece) {
        merge(merger, piece, true, parts);
        ids.insert(ids.end(), parts.begin(), parts.end());
        return ids.size() < room;
    };
    // Special tokens are found in the text as it is; what lies between them is normalized by itself.
    const auto add_chunk = [&](std::string_view chunk) {
        for (size_t from = 0; from < chunk.size();) {
            size_t to = from;
            std::string_view special;
            for (; (to = chunk.find("<|", to)) != std::string_view::npos; ++to) {
                if (!(special = special_token(chunk.substr(to))).empty()) break;
            }
            if (!split(normalized(chunk.substr(from, to - from)), add_piece)) return;
            if (special.empty()) return;
            ids.push_back(special == kStart ? sot_ : eot_);
            from = to + special.size();
        }
    };
    // From one white space to the next, so that no more than needed is looked at.
    for (size_t begin = 0; begin < text.size() && ids.size() < room;) {
        const size_t end = static_cast<size_t>(
            std::find_if(text.begin() + static_cast<std::ptrdiff_t>(begin), text.end(), is_gap) - text.begin());
        add_chunk(text.substr(begin, end - begin));
        begin = end + 1;
    }
    if (ids.size() > room) ids.resize(room);
    ids.push_back(eot_);
    return ids;
}

std::string ClipTokenizer::decode(const int32_t* ids, size_t n) const {
    std::string text;
    for (size_t i = 0; i < n; ++i) {
        const int32_t id = ids[i];
        if (id >= 0 && id < n_vocab() && id != sot_ && id != eot_) text += tokens_[static_cast<size_t>(id)];
    }
    text = repair_utf8(text);
    std::string spaced;
    for (size_t from = 0; from < text.size();) {
        const size_t to = std::min(text.find(kWordEnd, from), text.size());
        spaced.append(text, from, to - from);
        if (to < text.size()) spaced += ' ';
        from = to + kWordEnd.size();
    }
    return std::string(strip(spaced));
}

}  // namespace mm

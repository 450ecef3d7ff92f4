// What byte-level BPE tokenizers share: finding tokens, splitting text, merging the bytes of a piece.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mm {

// The byte that GPT-2 gave the id `id`, 0 to 255: printable ones first, then the others.
unsigned char gpt2_byte(int id);
// Vocabularies write a byte as a printable character: its byte; -1 if it stands for none.
int byte_of_printable(char32_t character);

// Finds tokens by their bytes; of equal ones the lowest id, empty ones never.
class TokenIndex {
  public:
    TokenIndex() = default;
    explicit TokenIndex(const std::vector<std::string>& tokens);  // which must stay as they are
    int32_t find(std::string_view bytes) const;                   // -1 if there is none

  private:
    size_t slot_of(std::string_view bytes) const;

    const std::vector<std::string>* tokens_ = nullptr;
    std::vector<int32_t> slots_;  // open addressing; -1: free
};

// What the split patterns of GPT-2 and CLIP tell apart.
enum class CharacterKind { letter, number, space, other };
CharacterKind kind_of(char32_t c);
// Length of the contraction ('s 't 're 've 'm 'll 'd) at the start of the text; 0 if there is none.
size_t contraction(std::string_view text);

// Merges adjacent parts of a piece, the pair of the lowest rank first and the leftmost among equals, until none is left
// that can be merged. A heap of candidates makes it n log n: a piece may be long.
class PieceMerger {
  public:
    struct Merge {
        int32_t rank;  // below 0: the pair cannot be merged
        int32_t token;
    };
    // tokens: one for each byte of the piece; afterwards one for each part. find(left, right, end) gives the merge of
    // the parts that start at the bytes `left` and `right`, the latter up to `end`; they are tokens[left] and
    // tokens[right].
    template <typename Find>
    void merge(std::vector<int32_t>& tokens, const Find& find) {
        const size_t n = tokens.size();
        end_.resize(n + 1);
        previous_.resize(n + 1);
        heap_.clear();
        for (size_t i = 0; i < n; ++i) {
            end_[i] = i + 1;
            previous_[i] = i - 1;
        }
        end_[n] = 0;                              // no part starts here
        const auto consider = [&](size_t left) {  // whether there is one more candidate
            if (left >= n || end_[left] >= n) return false;
            const size_t right = end_[left];
            const Merge merge = find(left, right, end_[right]);
            if (merge.rank >= 0) heap_.push_back({merge, left});
            return merge.rank >= 0;
        };
        for (size_t i = 0; i + 1 < n; ++i) consider(i);
        std::make_heap(heap_.begin(), heap_.end());
        while (!heap_.empty()) {
            std::pop_heap(heap_.begin(), heap_.end());
            const Candidate c = heap_.back();
            heap_.pop_back();
            const size_t right = end_[c.left];
            if (right == 0 || right >= n) continue;  // the left part is no more, or is the last
            const size_t end = end_[right];
            const Merge merge = find(c.left, right, end);
            if (merge.rank < 0 || merge.token != c.merge.token) continue;  // another pair is here by now
            tokens[c.left] = merge.token;
            end_[c.left] = end;
            end_[right] = 0;
            if (end < n) previous_[end] = c.left;
            for (const size_t left : {c.left, previous_[c.left]}) {
                if (consider(left)) std::push_heap(heap_.begin(), heap_.end());
            }
        }
        size_t parts = 0;
        for (size_t i = 0; i < n; i = end_[i]) tokens[parts++] = tokens[i];
        tokens.resize(parts);
    }

  private:
    struct Candidate {
        Merge merge;
        size_t left;
        bool operator<(const Candidate& o) const {
            return merge.rank != o.merge.rank ? merge.rank > o.merge.rank : left > o.left;
        }
    };
    std::vector<Candidate> heap_;
    std::vector<size_t> end_;       // of the part that starts here; 0: none does
    std::vector<size_t> previous_;  // start of the part before
};

}  // namespace mm

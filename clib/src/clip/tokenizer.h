// CLIP's tokenizer: lower-cased byte-level BPE whose words end in </w>. Text is handled as transformers' CLIPTokenizer
// does it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/byte_bpe.h"

namespace mm {

class ClipTokenizer {
  public:
    // tokens: in id order, bytes as printable characters, as vocab.json and tokenizer.ggml.tokens have them, with
    // <|startoftext|> and <|endoftext|> among them. merges: "a b" by rank; if there are none, they are recovered from
    // the tokens. Throws Error(BAD_MODEL), or Error(UNSUPPORTED) where tokens do not say how they were merged.
    ClipTokenizer(std::vector<std::string> tokens, const std::vector<std::string>& merges);

    int sot() const { return sot_; }
    int eot() const { return eot_; }
    int n_vocab() const { return static_cast<int>(tokens_.size()); }

    // The start token, those of UTF-8 text, the end token: at most `limit`, 2 or more, in all; what is too much is cut
    // off before the end token. Throws Error(INVALID_ARGUMENT) with the offset of invalid UTF-8.
    std::vector<int32_t> encode(std::string_view text, int limit) const;
    // A space after each word but the last; special tokens and unknown ids are left out.
    std::string decode(const int32_t* ids, size_t n) const;

  private:
    // Which pairs of tokens merge, and into what; the place in the list is the rank.
    class Merges {
      public:
        void reserve(size_t n);  // room for n merges
        void add(int32_t left, int32_t right, int32_t token);
        PieceMerger::Merge find(int32_t left, int32_t right) const;

      private:
        struct Item {
            int32_t left, right, token;
        };
        size_t slot_of(int32_t left, int32_t right) const;

        std::vector<Item> items_;
        std::vector<int32_t> slots_;  // hash table of ranks, open addressing; -1: free
    };

    void read_merges(const TokenIndex& index, const std::vector<std::string>& merges);
    void recover_merges();
    void merge(PieceMerger& merger, std::string_view bytes, bool last, std::vector<int32_t>& parts) const;

    std::vector<std::string> tokens_;  // as bytes
    int32_t sot_, eot_;
    int32_t byte_ids_[256], last_byte_ids_[256];  // of a byte in a word and at its end
    Merges merges_;
};

}  // namespace mm

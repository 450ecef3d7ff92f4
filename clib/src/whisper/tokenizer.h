// Whisper's tokenizer: byte-level BPE (GPT-2's and the multilingual vocabulary) and the special tokens behind it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/byte_bpe.h"

namespace mm {

class Tokenizer {
  public:
    // vocabulary: the bytes of each text token, id = merge rank (so pairs merge as tiktoken does it); ids from
    // vocabulary.size() to n_vocab - 1 are special: their numbering follows from n_vocab.
    // 51864 English-only; 51865 multilingual, 99 languages; 51866 large-v3, 100 languages. Other multilingual sizes are
    // accepted where they leave room for the special tokens of 1 to 100 languages. Throws Error(BAD_MODEL).
    Tokenizer(std::vector<std::string> vocabulary, int n_vocab);
    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;

    bool multilingual() const { return n_languages_ > 0; }
    int n_languages() const { return n_languages_; }
    int n_vocab() const { return n_vocab_; }

    int eot() const { return eot_; }
    int sot() const { return sot_; }
    int translate() const { return translate_; }
    int transcribe() const { return transcribe_; }
    int sot_lm() const { return sot_lm_; }
    int sot_prev() const { return sot_prev_; }
    int no_speech() const { return no_speech_; }
    int no_timestamps() const { return no_timestamps_; }
    int timestamp_begin() const { return timestamp_begin_; }
    int language_token(int index) const { return sot_ + 1 + index; }
    // Index of a code ("en") or an English name ("english"), in any case; -1 if unknown or not in this model.
    int language_index(const std::string& language) const;
    const char* language_code(int index) const;  // static

    // UTF-8 text to ids, no special tokens. Throws Error(INVALID_ARGUMENT) with the offset of invalid UTF-8.
    std::vector<int32_t> encode(const std::string& text) const;
    // Bytes of the text tokens among ids (special ones are left out); may end inside a code point.
    std::string decode_bytes(const int32_t* ids, size_t n) const;
    std::string decode(const int32_t* ids, size_t n) const;  // as UTF-8, U+FFFD for what is not
    const std::string& bytes(int32_t id) const;              // "" for special tokens

    // openai/whisper's non_speech_tokens: symbols and speaker tags that are not said aloud.
    std::vector<int32_t> non_speech_tokens() const;

    // Text tokens grouped into words, as openai/whisper's split_to_word_tokens: at spaces and punctuation, or at every
    // code point for languages written without spaces.
    struct WordTokens {
        std::string text;
        std::vector<int32_t> tokens;
    };
    std::vector<WordTokens> split_words(const std::vector<int32_t>& tokens, const std::string& language) const;

  private:
    void index_vocabulary();

    std::vector<std::string> vocabulary_;
    TokenIndex index_;
    int n_vocab_, n_languages_;
    int eot_, sot_, translate_, transcribe_, sot_lm_, sot_prev_, no_speech_, no_timestamps_, timestamp_begin_;
};

}  // namespace mm

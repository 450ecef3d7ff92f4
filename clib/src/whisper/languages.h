// The languages of multilingual Whisper models, in the order of their tokens, which is that of their training hours.
#pragma once

#include <string_view>

namespace mm {

struct Language {
    const char* code;  // such as "en"
    const char* name;  // in English, lower case
};

constexpr int kLanguages = 100;  // of large-v3; earlier models lack the last one
extern const Language kLanguageTable[kLanguages];

// Index of a code, a name or another usual name of a language ("mandarin"), in any case; -1 if there is none.
int find_language(std::string_view language);

}  // namespace mm

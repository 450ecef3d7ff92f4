// From the alignment of tokens to the times of words in segments, with the corrections that openai/whisper makes.
#include "whisper/word_times.h"

#include <algorithm>
#include <cmath>

#include "runtime/utf8.h"

namespace mm {

namespace {

// As Python's `part in whole`.
bool contains(std::string_view whole, std::string_view part) {
    return whole.find(part) != std::string_view::npos;
}

bool ends_sentence(const std::string& word) {
    return contains(".。!！?？", word);
}

double rounded(double seconds) {
    return std::nearbyint(seconds * 100.0) / 100.0;
}

// The median of durations that are not zero, at most 0.7 s; 0 without any.
double median_duration(const std::vector<WordTiming>& words) {
    std::vector<double> durations;
    for (const WordTiming& w : words) {
        if (w.end != w.start) durations.push_back(w.end - w.start);
    }
    if (durations.empty()) return 0.0;
    std::sort(durations.begin(), durations.end());
    const size_t n = durations.size();
    return std::min(0.7, (durations[(n - 1) / 2] + durations[n / 2]) / 2.0);
}

// Around the end of a sentence there may be a pause, which is no part of a word: too long a word there is cut.
void cut_at_sentence_ends(std::vector<WordTiming>& words, double longest) {
    for (size_t i = 1; i < words.size(); ++i) {
        WordTiming& w = words[i];
        if (w.end - w.start <= longest) continue;
        if (ends_sentence(w.text)) {
            w.end = w.start + longest;
        } else if (ends_sentence(words[i - 1].text)) {
            w.start = w.end - longest;
        }
    }
}

// Fits the first and the last word of a segment, and the segment's own times, to each other.
void fit_to_segment(TimedSegment& segment, double median, double last_speech) {
    const double longest = 2 * median;
    std::vector<WordTiming>& words = segment.words;
    WordTiming &first = words.front(), &last = words.back();

    // After a pause the first two words tend to begin too early.
    if (first.end - last_speech > 4 * median &&
        (first.end - first.start > longest || (words.size() > 1 && words[1].end - first.start > 2 * longest))) {
        if (words.size() > 1 && words[1].end - words[1].start > longest) {
            const double boundary = std::max(words[1].end / 2, words[1].end - longest);
            first.end = words[1].start = boundary;
        }
        first.start = std::max(0.0, first.end - longest);
    }

    // Where a word sticks out of its segment by more than half a second, the segment is right; else the word is.
    if (segment.start < first.end && segment.start - 0.5 > first.start) {
        first.start = std::max(0.0, std::min(first.end - median, segment.start));
    } else {
        segment.start = first.start;
    }
    if (segment.end > last.start && segment.end + 0.5 < last.end) {
        last.end = std::max(last.start + median, segment.end);
    } else {
        segment.end = last.end;
    }
}

void append(WordTiming& to, WordTiming& from) {
    to.text += from.text;
    to.tokens.insert(to.tokens.end(), from.tokens.begin(), from.tokens.end());
    from.text.clear();
    from.tokens.clear();
}

void prepend(WordTiming& to, WordTiming& from) {
    to.text.insert(0, from.text);
    to.tokens.insert(to.tokens.begin(), from.tokens.begin(), from.tokens.end());
    from.text.clear();
    from.tokens.clear();
}

}  // namespace

void merge_punctuations(std::vector<WordTiming>& words, const std::string& prepended, const std::string& appended) {
    if (words.empty()) return;
    size_t following = words.size() - 1;
    for (size_t i = words.size() - 1; i-- > 0;) {
        if (words[i].text[0] == ' ' && contains(prepended, strip(words[i].text))) {
            prepend(words[following], words[i]);
        } else {
            following = i;
        }
    }
    size_t previous = 0;
    for (size_t i = 1; i < words.size(); ++i) {
        const std::string& before = words[previous].text;
        if ((before.empty() || before.back() != ' ') && contains(appended, words[i].text)) {
            append(words[previous], words[i]);
        } else {
            previous = i;
        }
    }
}

void add_word_times(const Exec& exec, Inference& inference, std::vector<TimedSegment>& segments, int language, int task,
                    int frames, const std::string& prepended, const std::string& appended, double time_offset,
                    double last_speech) {
    std::vector<int32_t> text_tokens;
    for (const TimedSegment& s : segments)
        text_tokens.insert(text_tokens.end(), s.text_tokens.begin(), s.text_tokens.end());
    std::vector<WordTiming> words = find_alignment(exec, inference, text_tokens, language, task, frames);
    give_words(words, segments, prepended, appended, time_offset, last_speech);
}

void give_words(std::vector<WordTiming>& words, std::vector<TimedSegment>& segments, const std::string& prepended,
                const std::string& appended, double time_offset, double last_speech) {
    const double median = median_duration(words);
    if (median > 0) cut_at_sentence_ends(words, 2 * median);
    merge_punctuations(words, prepended, appended);

    size_t next = 0;
    for (TimedSegment& segment : segments) {
        segment.words.clear();
        for (size_t tokens = 0; next < words.size() && tokens < segment.text_tokens.size(); ++next) {
            WordTiming& word = words[next];
            tokens += word.tokens.size();
            if (word.text.empty()) continue;
            word.start = rounded(time_offset + word.start);
            word.end = rounded(time_offset + word.end);
            segment.words.push_back(std::move(word));
        }
        if (segment.words.empty()) continue;
        fit_to_segment(segment, median, last_speech);
        last_speech = segment.end;
    }
}

}  // namespace mm

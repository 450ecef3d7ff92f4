// Which segments are taken for made up, and where decoding goes on.
#include <vector>

#include "check.h"
#include "whisper/hallucinations.h"

namespace {

using Segments = std::vector<mm::Segment>;

// `count` words of equal length.
mm::Segment segment(double start, double end, float probability, int count) {
    mm::Segment s{};
    s.start = start;
    s.end = end;
    for (int i = 0; i < count; ++i) {
        const double step = (end - start) / count;
        s.words.push_back({" word", start + i * step, start + (i + 1) * step, probability, 0, 0});
    }
    return s;
}
mm::Segment said(double start, double end) {
    return segment(start, end, 0.9f, static_cast<int>(2 * (end - start)));
}
mm::Segment made_up(double start, double end) {
    return segment(start, end, 0.05f, static_cast<int>(2 * (end - start)));
}

// A window of 30 s from `start` on, all of it audio, of a recording of 100 s; silence of more than 2 s is skipped.
mm::Window window_at(double start) {
    return {static_cast<int64_t>(100 * start), 3000, 3000, 10000, 2.0};
}

int64_t skip(const mm::Window& window, Segments& segments, double last_speech, bool single_timestamp_ending = false) {
    return mm::skip_hallucinations(window, segments, single_timestamp_ending, window.start + 2950, last_speech);
}

void probable_text_stays() {
    Segments s = {said(30.5, 35), said(45, 58.5)};
    CHECK(skip(window_at(30), s, 29.0) == 6000);  // the rest of the window is too short to be looked at again
    CHECK(s.size() == 2);
    s = {said(30.5, 35), said(45, 50)};
    CHECK(skip(window_at(30), s, 29.0) == 5000);  // ten seconds without a word: from there on
    CHECK(skip(window_at(30), s, 29.0, true) == 5950);
    CHECK(s.size() == 2);
}

void silence_before_a_doubtful_start_is_skipped() {
    Segments s = {made_up(40, 42), said(50, 55)};
    CHECK(skip(window_at(30), s, 29.0) == 4000);
    CHECK(s.empty());
    s = {made_up(31.5, 34), said(34.5, 55)};  // too little silence to skip, speech on both sides: it stays
    CHECK(skip(window_at(30), s, 30.0) == 5500);
    CHECK(s.size() == 2);
}

void doubtful_text_in_silence_goes_with_all_behind_it() {
    Segments s = {said(30.5, 35), made_up(40, 42), said(50, 55)};
    CHECK(skip(window_at(30), s, 29.0) == 4000);
    CHECK(s.size() == 1);
    s = {said(30.5, 35), made_up(35.5, 42), said(50, 55)};  // it follows speech at once
    skip(window_at(30), s, 29.0);
    CHECK(s.size() == 3);
    s = {said(30.5, 35), made_up(40, 42), said(43, 55)};  // speech follows it at once
    skip(window_at(30), s, 29.0);
    CHECK(s.size() == 3);
    s = {said(30.5, 35), made_up(40, 42), made_up(42.5, 45)};  // more of the same follows
    CHECK(skip(window_at(30), s, 29.0) == 4000);
    CHECK(s.size() == 1);
    s = {said(30.5, 50), made_up(55, 58.5)};  // the window ends
    CHECK(skip(window_at(30), s, 29.0) == 5500);
    CHECK(s.size() == 1);
}

void near_the_end_of_the_audio_nothing_is_decoded_again() {
    mm::Window window = window_at(70);
    Segments s = {said(70.5, 80), made_up(95, 99)};
    CHECK(skip(window, s, 69.0) == 10000);
    CHECK(s.size() == 1);
    window.content = 20000;
    s = {said(70.5, 80), made_up(95, 99)};
    CHECK(skip(window, s, 69.0) == 9500);
}

void decoding_always_moves_on() {
    Segments s = {made_up(30.1, 33)};  // at the very start of the window
    CHECK(skip(window_at(30), s, 20.0) == 3100);
    CHECK(s.empty());
}

void words_count_as_doubtful_by_probability_and_length() {
    const auto goes = [](mm::Segment middle) {
        Segments s = {said(30.5, 33), std::move(middle), said(55, 58.5)};
        skip(window_at(30), s, 29.0);
        return s.size() == 1;
    };
    CHECK(!goes(segment(40, 42, 0.16f, 4)));
    CHECK(goes(segment(40, 42, 0.14f, 4)));
    CHECK(goes(segment(40, 40.05, 0.9f, 1)));  // 50 ms for a word: 0.083 * 15 > 1
    CHECK(!goes(segment(40, 40.3, 0.9f, 3)));  // 100 ms each: 3 * 0.495 < 3
    CHECK(goes(segment(40, 43.1, 0.9f, 1)));   // 3.1 s for a word
    CHECK(goes(segment(40, 52, 0.1f, 3)));     // three points are enough
    CHECK(!goes(segment(40, 42, 0.9f, 1)));
    mm::Segment half = segment(40, 43, 0.9f, 6);
    for (size_t i = 0; i < 3; ++i) half.words[i].probability = 0.01f;
    CHECK(goes(half));  // three of the first eight
    half.words[2].probability = 0.9f;
    CHECK(!goes(half));
    mm::Segment late = segment(40, 44, 0.9f, 12);
    for (size_t i = 8; i < 12; ++i) late.words[i].probability = 0.01f;
    CHECK(!goes(late));  // only the first eight are looked at
    mm::Segment punctuated = segment(40, 42, 0.9f, 4);
    for (size_t i = 0; i < 3; ++i) {
        punctuated.words[i].text = ".";
        punctuated.words[i].probability = 0.01f;
    }
    CHECK(!goes(punctuated));  // punctuation does not count
}

void segments_without_words_are_passed_over() {
    Segments s = {segment(30, 31, 0.9f, 0), said(31, 35), segment(36, 38, 0.9f, 0), made_up(40, 42)};
    CHECK(skip(window_at(30), s, 29.0) == 4000);
    CHECK(s.size() == 3);
    CHECK(mm::last_word_end(s) == 35.0);
    CHECK(mm::last_word_end({segment(30, 31, 0.9f, 0)}) < 0);
}

}  // namespace

int main() {
    probable_text_stays();
    silence_before_a_doubtful_start_is_skipped();
    doubtful_text_in_silence_goes_with_all_behind_it();
    near_the_end_of_the_audio_nothing_is_decoded_again();
    decoding_always_moves_on();
    words_count_as_doubtful_by_probability_and_length();
    segments_without_words_are_passed_over();
    return finish("test_hallucinations");
}

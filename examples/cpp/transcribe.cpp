// Transcribes raw audio from standard input as it arrives, and prints each word while it is recognised: mono, 16 kHz,
// 32-bit float.
//
//     ffmpeg -i speech.mp3 -ar 16000 -ac 1 -f f32le - | ./transcribe whisper-tiny.en.gguf
//
// Build: c++ -std=c++11 transcribe.cpp $(python -m pyffi --cflags --libs) -o transcribe
#include <cstdio>
#include <iostream>
#include <multimodal.hpp>
#include <vector>

int main(int argc, char **argv) try {
    if (argc != 2) {
        std::cerr << "usage: " << argv[0] << " MODEL < audio.f32\n";
        return 2;
    }
    multimodal::TranscribeOptions options;
    options.beam_size = 1;  // tokens come as they are chosen; a beam search gives them when a window is decided
    options.on_token = [](const mm_token &token) {
        std::cout << token.text << std::flush;
        return true;  // false stops
    };
    const multimodal::Whisper model(argv[1]);
    multimodal::Transcript transcript = model.open_transcript(options);

    std::vector<float> second(16000);
    for (int32_t state; (state = transcript.step()) != MM_STEP_DONE;) {
        if (state != MM_STEP_NEEDS_AUDIO) continue;
        const size_t n = std::fread(second.data(), sizeof(float), second.size(), stdin);
        if (n > 0)
            transcript.push({second.data(), n, 16000});
        else
            transcript.finish();
    }
    std::cout << '\n';
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

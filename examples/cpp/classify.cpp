// Says which of several texts fit a picture best.
//
//     ./classify emoji.gguf picture.png "a cat" "a dog" "a red apple"
//
// Build: c++ -std=c++11 classify.cpp $(python -m pyffi --cflags --libs) -o classify
#include <fstream>
#include <iostream>
#include <iterator>
#include <multimodal.hpp>
#include <numeric>
#include <string>
#include <vector>

int main(int argc, char **argv) try {
    if (argc < 4) {
        std::cerr << "usage: " << argv[0] << " MODEL IMAGE TEXT...\n";
        return 2;
    }
    std::ifstream stream(argv[2], std::ios::binary);
    const std::string file((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    const std::vector<std::string> labels(argv + 3, argv + argc);

    const multimodal::Clip model(argv[1]);
    const auto image = model.encode_image({multimodal::bytes_of(file)});
    const auto texts = model.encode_text(labels);
    for (size_t i = 0; i < labels.size(); ++i) {  // embeddings have length 1: the dot product is the cosine
        const float *text = texts.data() + i * image.size();
        std::cout << std::inner_product(image.begin(), image.end(), text, 0.0f) << "  " << labels[i] << '\n';
    }
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

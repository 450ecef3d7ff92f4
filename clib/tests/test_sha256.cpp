// SHA-256 against published digests, and the processor's instructions against the portable form.
#include <string>
#include <vector>

#include "check.h"
#include "model/sha256.h"
#include "model/sha256_blocks.h"
#include "runtime/error.h"

namespace {

// The examples of FIPS 180 (NIST's SHA256.pdf) and of NIST's test vectors for long messages.
void known_digests() {
    struct {
        std::string message;
        const char* digest;
    } const known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    for (const auto& k : known) {
        CHECK(mm::sha256_hex(k.message.data(), k.message.size()) == k.digest);
        CHECK(mm::sha256::hex_portable(k.message.data(), k.message.size()) == k.digest);
    }
}

// Both forms at every length and alignment: the digest of all digests in hexadecimal, as Python's hashlib has it:
//     seed, data, all = 1, bytearray(), ""
//     for i in range(1024): seed = (seed * 1664525 + 1013904223) % 2**32; data.append(seed >> 24)
//     for o in range(17):
//         for n in range(300): all += hashlib.sha256(data[o : o + n]).hexdigest()
//     hashlib.sha256(all.encode()).hexdigest()
void every_length_and_alignment_is_as_hashlib_has_it() {
    const char* expected = "3afbad0d6624f8f74f4621cfc5271723b784c147591cf256279cc5e94ec2f49c";
    std::vector<unsigned char> bytes(1 << 10);
    uint32_t seed = 1;
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>((seed = seed * 1664525u + 1013904223u) >> 24);
    std::string chosen, portable;
    for (size_t offset = 0; offset < 17; ++offset)
        for (size_t size = 0; size < 300; ++size) {
            chosen += mm::sha256_hex(&bytes[offset], size);
            portable += mm::sha256::hex_portable(&bytes[offset], size);
        }
    CHECK(chosen == portable);
    CHECK(mm::sha256_hex(chosen.data(), chosen.size()) == expected);
    CHECK(mm::sha256::hex_portable(portable.data(), portable.size()) == expected);
    std::printf("SHA-256 by the processor's own instructions: %s\n",
                mm::sha256::accelerated() ? "tested" : "none here");
}

mm_status status_of_check(const char* expected) {
    try {
        mm::check_sha256("abc", 3, expected, "the file");
        return MM_OK;
    } catch (const mm::Error& error) {
        return error.status();
    }
}

void digests_are_compared() {
    const std::string right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    std::string upper = right, wrong = right;
    for (char& c : upper) c = static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
    wrong[63] = 'e';
    CHECK_STATUS(status_of_check(right.c_str()), MM_OK);
    CHECK_STATUS(status_of_check(upper.c_str()), MM_OK);
    CHECK_STATUS(status_of_check(wrong.c_str()), MM_ERROR_BAD_MODEL);
    CHECK_STATUS(status_of_check(""), MM_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(status_of_check(right.substr(1).c_str()), MM_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(status_of_check((right + "0").c_str()), MM_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(status_of_check(("g" + right.substr(1)).c_str()), MM_ERROR_INVALID_ARGUMENT);
}

}  // namespace

int main() {
    known_digests();
    every_length_and_alignment_is_as_hashlib_has_it();
    digests_are_compared();
    return finish("test_sha256");
}

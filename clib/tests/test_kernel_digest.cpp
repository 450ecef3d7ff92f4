// One digest per kernel over seeded inputs, recorded here: every processor, compiler and instruction set must give it.
// Run with --print to see what this build gives.
#include <cinttypes>
#include <string>

#include "kernel_test.h"

using namespace kernel_test;
using mm::Kernels;

namespace {

// FNV-1a over the bits of the values; all NaNs count as one.
class Digest {
  public:
    void add(uint32_t u) {
        for (int i = 0; i < 4; ++i, u >>= 8) hash_ = (hash_ ^ (u & 0xff)) * 0x100000001b3u;
    }
    void add(const std::vector<float>& x) {
        for (float v : x) add(v != v ? 0x7fc00000u : bits_of(v));
    }
    uint64_t value() const { return hash_; }

  private:
    uint64_t hash_ = 0xcbf29ce484222325u;
};

struct Recorded {
    const char* kernel;
    uint64_t digest;
};
constexpr Recorded kRecorded[] = {
    {"exp", 0xef656b6cbc0c2f59u},      {"log", 0xb7b76a04e98b040eu},       {"log10", 0xb94c948cc6e02c79u},
    {"tanh", 0x31a3a1a9f94dff37u},     {"erf", 0x0653e2551975769cu},       {"sigmoid", 0xc81ea5e81e7eb8a1u},
    {"activate", 0x5ea84c55a65b026eu}, {"f16", 0xb36cd0316a4b3f02u},       {"linear", 0x65c759f85e090bb5u},
    {"rows", 0xcdb85ae1e3840d7eu},     {"attention", 0x536be18998cc3e61u}, {"double", 0x0076d4d0aaa2d3f3u},
};

struct Result {
    std::string kernel;
    uint64_t digest;
};

std::vector<Result> digests(const Kernels& k) {
    std::vector<Result> results;
    const auto record = [&](const char* kernel, const Digest& digest) { results.push_back({kernel, digest.value()}); };
    Random random(2026);
    std::vector<float> any(20000), small = random.vector(20000, 12.0f), y(20000);
    for (float& v : any) v = float_of(static_cast<uint32_t>(random.next()));

    const auto elementwise = [&](const char* name, void (*function)(const float*, int, float*)) {
        Digest digest;
        for (const std::vector<float>* x : {&any, &small}) {
            function(x->data(), static_cast<int>(x->size()), y.data());
            digest.add(y);
        }
        record(name, digest);
    };
    elementwise("exp", k.exp);
    elementwise("log", k.log);
    elementwise("log10", k.log10);
    elementwise("tanh", k.tanh);
    elementwise("erf", k.erf);
    elementwise("sigmoid", k.sigmoid);
    Digest activations;
    for (int a = 0; a < 4; ++a) {
        k.activate(static_cast<mm::Activation>(a), small.data(), static_cast<int>(small.size()), y.data());
        activations.add(y);
    }
    record("activate", activations);

    Digest half;
    std::vector<uint16_t> h(any.size());
    for (const std::vector<float>* x : {&any, &small}) {
        k.f32_to_f16(x->data(), x->size(), h.data());
        for (uint16_t& v : h)  // a NaN keeps its payload; here all count as one
            half.add((v & 0x7fffu) > 0x7c00u ? 0x7e00u : v);
        k.f16_to_f32(h.data(), h.size(), y.data());
        half.add(y);
    }
    record("f16", half);

    Digest product;
    for (int rows : {1, 3, 8, 14, 130}) {
        const Matrix w(random, 75, 270);
        const std::vector<float> x = random.vector(static_cast<size_t>(rows) * 270), bias = random.vector(75);
        std::vector<float> out(static_cast<size_t>(rows) * 75);
        for (mm::DType type : {mm::DType::f32, mm::DType::f16}) {
            for (int a = 0; a < 4; ++a) {
                mm::LinearArgs args{};
                args.x = x.data();
                args.x_stride = 270;
                args.rows = rows;
                args.w = w.panels(type);
                args.bias = bias.data();
                args.activation = static_cast<mm::Activation>(a);
                args.out = out.data();
                args.out_stride = 75;
                mm::linear(exec_with(&k), args);
                product.add(out);
            }
        }
    }
    record("linear", product);

    Digest rows;
    const std::vector<float> gamma = random.vector(500), beta = random.vector(500);
    for (int n : {1, 15, 16, 17, 500}) {
        std::vector<float> x(small.begin(), small.begin() + 3 * n);
        k.layer_norm(x.data(), static_cast<size_t>(n), 3, n, gamma.data(), beta.data(), 1e-5f, y.data(),
                     static_cast<size_t>(n));
        rows.add(std::vector<float>(y.begin(), y.begin() + 3 * n));
        k.softmax(x.data(), static_cast<size_t>(n), 3, n);
        rows.add(x);
        rows.add(std::vector<float>{k.log_sum_exp(small.data(), n)});
    }
    record("rows", rows);

    Digest attention;
    const std::vector<float> q = random.vector(70 * 128, 0.5f), keys = random.vector(70 * 128),
                             v = random.vector(70 * 128);
    std::vector<float> out(q.size());
    mm::AttentionArgs a{};
    a.q = q.data();
    a.k = keys.data();
    a.v = v.data();
    a.q_stride = a.k_stride = a.v_stride = a.out_stride = 128;
    a.queries = a.keys = 70;
    a.heads = 2;
    a.head_dim = 64;
    a.out = out.data();
    mm::attention(exec_with(&k), a);
    attention.add(out);
    record("attention", attention);

    Digest doubles;  // the same for every set, but not for every compiler unless all is well
    for (int i = -2000; i < 2000; ++i) {
        for (double d :
             {mm::exp_d(i * 0.37), mm::log_d(i * 0.37 + 741), mm::sin_pi(i * 0.0137), mm::cos_pi(i * 0.0137)}) {
            uint64_t u;
            std::memcpy(&u, &d, sizeof u);
            doubles.add(static_cast<uint32_t>(u));
            doubles.add(static_cast<uint32_t>(u >> 32));
        }
    }
    record("double", doubles);
    return results;
}

}  // namespace

int main(int argc, char** argv) {
    const bool print = argc > 1 && std::strcmp(argv[1], "--print") == 0;
    for (const Kernels* k : sets()) {
        const std::vector<Result> results = digests(*k);
        CHECK(results.size() == std::size(kRecorded), "%zu digests, %zu recorded", results.size(),
              std::size(kRecorded));
        for (size_t i = 0; i < results.size(); ++i) {
            if (print)
                std::printf("%-7s %-10s %016" PRIx64 "\n", k->name, results[i].kernel.c_str(), results[i].digest);
            if (i < std::size(kRecorded))
                CHECK(results[i].kernel == kRecorded[i].kernel && results[i].digest == kRecorded[i].digest,
                      "%s: %s is %016" PRIx64 ", not %016" PRIx64, k->name, results[i].kernel.c_str(),
                      results[i].digest, kRecorded[i].digest);
        }
    }
    return result();
}

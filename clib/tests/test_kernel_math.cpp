// Elementwise functions: their stated error bounds, special values, and the same bits from every instruction set.
#include "kernel_test.h"

using namespace kernel_test;
using mm::Kernels;

namespace {

using Function = void (*)(const float*, int, float*);

// Every `step`-th float between two bit patterns, with both signs if asked for.
std::vector<float> floats(uint32_t first, uint32_t last, uint32_t step, bool negative) {
    std::vector<float> x;
    for (uint64_t u = first; u <= last; u += step) {
        x.push_back(float_of(static_cast<uint32_t>(u)));
        if (negative) x.push_back(-x.back());
    }
    return x;
}

void check_bound(const char* what, Function function, double (*exact)(double), const std::vector<float>& x,
                 double bound) {
    std::vector<float> y(x.size());
    function(x.data(), static_cast<int>(x.size()), y.data());
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        const double e = ulps(y[i], exact(x[i]));
        if (e > worst) {
            worst = e;
            at = x[i];
        }
    }
    std::printf("%-8s %.3f units in the last place at %a (bound %g)\n", what, worst, static_cast<double>(at), bound);
    CHECK(worst <= bound, "%s: error of %g units at %a, more than %g", what, worst, static_cast<double>(at), bound);
}

void check_value(const Kernels& kernels, const char* what, Function function, float x, float expected) {
    float y;
    function(&x, 1, &y);
    CHECK(same(y, expected), "%s: %s(%a) is %a, expected %a", kernels.name, what, static_cast<double>(x),
          static_cast<double>(y), static_cast<double>(expected));
}

double exact_sigmoid(double x) {
    return 1 / (1 + std::exp(-x));
}

void bounds() {
    const Kernels& k = *sets().front();
    constexpr uint32_t kStep = 4099, kInfinity = 0x7f800000u;
    const std::vector<float> all = floats(1, kInfinity - 1, kStep, true);
    const std::vector<float> positive = floats(1, kInfinity - 1, kStep, false);
    check_bound("exp", k.exp, std::exp, all, 1.1);
    check_bound("exp", k.exp, std::exp, floats(bits_of(80.0f), bits_of(110.0f), 7, true), 1.1);
    check_bound("log", k.log, std::log, positive, 1.0);
    check_bound("log", k.log, std::log, floats(bits_of(0.5f), bits_of(2.0f), 37, false), 1.0);
    check_bound("log10", k.log10, std::log10, positive, 1.0);
    check_bound("log10", k.log10, std::log10, floats(bits_of(0.5f), bits_of(2.0f), 37, false), 1.0);
    check_bound("tanh", k.tanh, std::tanh, all, 1.5);
    check_bound("tanh", k.tanh, std::tanh, floats(bits_of(0.25f), bits_of(10.0f), 101, true), 1.5);
    check_bound("erf", k.erf, std::erf, all, 1.0);
    check_bound("erf", k.erf, std::erf, floats(bits_of(0.25f), bits_of(5.0f), 101, true), 1.0);
    check_bound("sigmoid", k.sigmoid, exact_sigmoid, floats(1, bits_of(88.7f), kStep, true), 2.5);
}

void special_values() {
    const float infinity = HUGE_VALF, nan = std::nanf("");
    for (const Kernels* k : sets()) {
        for (Function f : {k->exp, k->log, k->log10, k->tanh, k->erf, k->sigmoid}) check_value(*k, "f", f, nan, nan);
        check_value(*k, "exp", k->exp, 0.0f, 1.0f);
        check_value(*k, "exp", k->exp, -infinity, 0.0f);
        check_value(*k, "exp", k->exp, infinity, infinity);
        check_value(*k, "exp", k->exp, 88.75f, infinity);
        check_value(*k, "exp", k->exp, -103.9f, 0x1p-149f * 1.0f);
        check_value(*k, "exp", k->exp, -104.5f, 0.0f);
        for (Function log : {k->log, k->log10}) {
            check_value(*k, "log", log, 1.0f, 0.0f);
            check_value(*k, "log", log, 0.0f, -infinity);
            check_value(*k, "log", log, -0.0f, -infinity);
            check_value(*k, "log", log, -1.0f, nan);
            check_value(*k, "log", log, infinity, infinity);
        }
        for (Function odd : {k->tanh, k->erf}) {
            check_value(*k, "odd", odd, 0.0f, 0.0f);
            check_value(*k, "odd", odd, -0.0f, -0.0f);
            check_value(*k, "odd", odd, infinity, 1.0f);
            check_value(*k, "odd", odd, -infinity, -1.0f);
        }
        check_value(*k, "sigmoid", k->sigmoid, 0.0f, 0.5f);
        check_value(*k, "sigmoid", k->sigmoid, infinity, 1.0f);
        check_value(*k, "sigmoid", k->sigmoid, -infinity, 0.0f);
    }
}

double gelu(mm::Activation a, double x) {
    switch (a) {
        case mm::Activation::gelu_erf:
            return x / 2 * (1 + std::erf(x * std::sqrt(0.5)));
        case mm::Activation::gelu_quick:
            return x * exact_sigmoid(1.702 * x);
        case mm::Activation::gelu_tanh:
            return x / 2 * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
        case mm::Activation::none:
            break;
    }
    return x;
}

void activations() {
    for (mm::Activation a :
         {mm::Activation::none, mm::Activation::gelu_erf, mm::Activation::gelu_quick, mm::Activation::gelu_tanh}) {
        for (int i = -3000; i <= 3000; ++i) {
            const float x = static_cast<float>(i) * 0.01f;
            float y;
            sets().front()->activate(a, &x, 1, &y);
            const double error = std::fabs(y - gelu(a, x));
            CHECK(error <= 4e-7 * std::fmax(1.0, std::fabs(x)), "activation %d of %g is %g, off by %g",
                  static_cast<int>(a), static_cast<double>(x), static_cast<double>(y), error);
        }
    }
}

// Bit patterns of every kind, and every length up to more than three vectors.
void every_set_agrees() {
    Random random(1);
    std::vector<float> x(1 << 18);
    for (size_t i = 0; i < x.size(); ++i)
        x[i] = i % 2 == 0 ? float_of(static_cast<uint32_t>(random.next())) : random.uniform() * 12;
    const Kernels& spec = *sets().back();
    for (const Kernels* k : sets()) {
        const Function theirs[] = {k->exp, k->log, k->log10, k->tanh, k->erf, k->sigmoid};
        const Function ours[] = {spec.exp, spec.log, spec.log10, spec.tanh, spec.erf, spec.sigmoid};
        std::vector<float> a(x.size()), b(x.size());
        const auto compare = [&](const char* what, size_t n) {
            for (size_t i = 0; i < n; ++i)
                CHECK(same(a[i], b[i]), "%s of %a: %s gives %a, scalar %a", what, static_cast<double>(x[i]), k->name,
                      static_cast<double>(a[i]), static_cast<double>(b[i]));
        };
        for (size_t f = 0; f < std::size(theirs); ++f) {
            for (int n = 0; n <= 50; ++n) {
                a.assign(a.size(), 7.0f);
                b.assign(b.size(), 7.0f);
                theirs[f](x.data(), n, a.data());
                ours[f](x.data(), n, b.data());
                compare("short array", 64);  // also that nothing behind it is written
            }
            theirs[f](x.data(), static_cast<int>(x.size()), a.data());
            ours[f](x.data(), static_cast<int>(x.size()), b.data());
            compare("long array", x.size());
        }
        for (int activation = 0; activation <= 3; ++activation) {
            k->activate(static_cast<mm::Activation>(activation), x.data(), static_cast<int>(x.size()), a.data());
            spec.activate(static_cast<mm::Activation>(activation), x.data(), static_cast<int>(x.size()), b.data());
            compare("activation", x.size());
        }
        k->add(x.data(), x.data() + 1, static_cast<int>(x.size()) - 1, a.data());
        spec.add(x.data(), x.data() + 1, static_cast<int>(x.size()) - 1, b.data());
        compare("sum", x.size() - 1);
    }
}

// binary16 by its definition, in double.
double half_value(uint16_t h) {
    const int exponent = (h >> 10) & 31, fraction = h & 1023;
    double m;
    if (exponent == 31)
        m = fraction != 0 ? std::nan("") : HUGE_VAL;
    else
        m = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return (h & 0x8000) != 0 ? -m : m;
}

void half_precision() {
    std::vector<uint16_t> all(65536);
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
    for (const Kernels* k : sets()) {
        std::vector<float> wide(all.size());
        std::vector<uint16_t> back(all.size());
        k->f16_to_f32(all.data(), all.size(), wide.data());
        k->f32_to_f16(wide.data(), wide.size(), back.data());
        for (size_t i = 0; i < all.size(); ++i) {
            CHECK(same(wide[i], static_cast<float>(half_value(all[i]))), "%s: f16 %04zx", k->name, i);
            CHECK(back[i] == all[i] || wide[i] != wide[i], "%s: f16 %04zx comes back as %04x", k->name, i, back[i]);
        }
        // Between each two neighbours: just below, at and just above the middle, which goes to the even one.
        for (uint16_t h = 0; h < 0x7bff; ++h) {
            const float middle = static_cast<float>((half_value(h) + half_value(h + 1)) / 2);
            const float x[3] = {std::nextafterf(middle, 0), middle, std::nextafterf(middle, HUGE_VALF)};
            uint16_t y[3];
            k->f32_to_f16(x, 3, y);
            CHECK(y[0] == h && y[1] == h + (h & 1) && y[2] == h + 1, "%s: rounding around f16 %04x: %04x %04x %04x",
                  k->name, h, y[0], y[1], y[2]);
        }
        const float x[5] = {65519.996f, 65520.0f, -1e30f, 0x1p-25f, 0x1.000002p-25f};
        uint16_t y[5];
        k->f32_to_f16(x, 5, y);
        CHECK(y[0] == 0x7bff && y[1] == 0x7c00 && y[2] == 0xfc00 && y[3] == 0 && y[4] == 1, "%s: range of f16",
              k->name);
    }
}

void doubles() {
    Random random(2);
    const long double pi = 3.14159265358979323846264338327950288L;
    const auto error = [](double result, long double exact) {
        return exact == 0 ? std::fabs(result) : std::fabs(static_cast<double>((result - exact) / exact));
    };
    for (int i = 0; i < 200000; ++i) {
        const double u = static_cast<double>(random.next() >> 11) * 0x1p-53;
        const double x = (u - 0.5) * 1400;
        CHECK(error(mm::exp_d(x), std::exp(static_cast<long double>(x))) < 4e-16 || x < -708, "exp_d(%a)", x);
        CHECK(error(mm::log_d(u), std::log(static_cast<long double>(u))) < 4e-16 || u > 0.99, "log_d(%a)", u);
        const double q = u / 4;  // where the reference itself is exact enough; the rest follows by symmetry
        CHECK(error(mm::sin_pi(q), std::sin(pi * q)) < 4e-16, "sin_pi(%a)", q);
        CHECK(error(mm::cos_pi(q), std::cos(pi * q)) < 4e-16, "cos_pi(%a)", q);
        const double whole = random.below(2000) - 1000;
        const double turned = q + whole, rest = turned - whole, sign = random.below(2) == 0 ? 1 : -1;
        const double flip = std::fmod(whole, 2) == 0 ? 1 : -1;
        CHECK(mm::sin_pi(sign * turned) == sign * flip * mm::sin_pi(rest), "sin_pi(%a)", turned);
        CHECK(mm::cos_pi(sign * turned) == flip * mm::cos_pi(rest), "cos_pi(%a)", turned);
        CHECK(mm::sin_pi(0.5 - rest) == mm::cos_pi(0.5 - (0.5 - rest)) || rest < 0.25, "sin_pi(1/2 - %a)", rest);
    }
    CHECK(mm::exp_d(0) == 1 && mm::exp_d(-800) == 0 && mm::exp_d(800) == HUGE_VAL, "exp_d at its limits");
    CHECK(mm::log_d(1) == 0 && mm::log_d(0) == -HUGE_VAL && mm::log_d(-1) != mm::log_d(-1), "log_d at its limits");
    CHECK(mm::sin_pi(0.5) == 1 && mm::cos_pi(1) == -1 && mm::cos_pi(0.5) == 0 && mm::sin_pi(1e17) == 0, "quarters");
    CHECK(mm::cos_pi(0x1p52 + 1) == -1 && mm::cos_pi(0x1p60) == 1, "cos_pi of large integers");
}

}  // namespace

int main() {
    bounds();
    special_values();
    activations();
    every_set_agrees();
    half_precision();
    doubles();
    return result();
}

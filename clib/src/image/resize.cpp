#include "image/resize.h"

#include <algorithm>
#include <cstring>

#include "runtime/thread_pool.h"

namespace mm {
namespace {

constexpr int kPrecision = 22;       // fraction bits of a weight
constexpr int kLowBits = 11;         // of a weight; the others are its high part
constexpr int kVector = 8;           // taps are a multiple of it
constexpr int kBlockColumns = 4096;  // of the source, in a task
constexpr int kBlockValues = 256;    // of a row, in the vertical pass
constexpr int kTaskWork = 1 << 21;   // multiply-adds in a task

double weight_at(Filter filter, double x) {
    if (x < 0.0) x = -x;
    if (filter == Filter::bilinear) return x < 1.0 ? 1.0 - x : 0.0;
    constexpr double a = -0.5;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

// For each position of an output line: the first input position it is made of, and the weights of that one and those
// that follow. Weights are integers of 22 fraction bits, kept in two parts: products of 16 bits are what every
// processor can add up fast. Values and their rounding are Pillow's, term for term.
class Weights {
  public:
    Weights(int in_size, int out_size, Filter filter, int begin, int count, StopSignal* stop)
        : first_(static_cast<size_t>(count)) {
        const double scale = static_cast<double>(static_cast<float>(in_size)) / out_size;
        const double filter_scale = std::max(scale, 1.0), inverse = 1.0 / filter_scale;
        const double support = (filter == Filter::bicubic ? 2.0 : 1.0) * filter_scale;
        used_ = 1 + 2 * (static_cast<size_t>(support) + (support > static_cast<double>(static_cast<size_t>(support))));
        taps_ = (used_ + kVector - 1) / kVector * kVector;
        high_ = Buffer<int16_t>(static_cast<size_t>(count) * taps_);
        low_ = Buffer<int16_t>(static_cast<size_t>(count) * taps_);
        Buffer<double> exact(used_);
        end_ = 0;
        for (int i = 0; i < count; ++i) {
            if (stop && (i % 1024 == 0 || used_ > 1024)) stop->check();
            const double center = (begin + i + 0.5) * scale;
            const int from = static_cast<int>(std::max(0.0, center - support + 0.5));
            const int n = static_cast<int>(std::min<double>(in_size, center + support + 0.5)) - from;
            double sum = 0.0;
            for (int x = 0; x < n; ++x) {
                exact[static_cast<size_t>(x)] = weight_at(filter, (x + from - center + 0.5) * inverse);
                sum += exact[static_cast<size_t>(x)];
            }
            int16_t* high = high_.data() + static_cast<size_t>(i) * taps_;
            int16_t* low = low_.data() + static_cast<size_t>(i) * taps_;
            std::fill_n(high, taps_, int16_t{0});
            std::fill_n(low, taps_, int16_t{0});
            for (int x = 0; x < n; ++x) {
                const double w = exact[static_cast<size_t>(x)] / sum * (1 << kPrecision);
                const int whole = static_cast<int>(w < 0 ? w - 0.5 : w + 0.5);
                high[x] = static_cast<int16_t>(whole >> kLowBits);
                low[x] = static_cast<int16_t>(whole & ((1 << kLowBits) - 1));
            }
            first_[static_cast<size_t>(i)] = from;
            end_ = std::max(end_, from + n);
        }
    }

    size_t used() const { return used_; }  // taps, at most
    size_t taps() const { return taps_; }  // the same as whole vectors; beyond those that count, weights are 0
    int first(int i) const { return first_[static_cast<size_t>(i)]; }
    const int16_t* high(int i) const { return high_.data() + static_cast<size_t>(i) * taps_; }
    const int16_t* low(int i) const { return low_.data() + static_cast<size_t>(i) * taps_; }
    int end() const { return end_; }  // of all inputs

  private:
    Buffer<int> first_;
    size_t used_, taps_;
    Buffer<int16_t> high_, low_;
    int end_;
};

uint8_t rounded(int32_t high, int32_t low) {
    const uint32_t sum =
        (static_cast<uint32_t>(high) << kLowBits) + static_cast<uint32_t>(low) + (1u << (kPrecision - 1));
    return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(sum) >> kPrecision, 0, 255));
}

int ceil_div(int a, int b) {  // of positive numbers
    return (a - 1) / b + 1;
}

// What of a row the columns [begin, end) of the output are made of.
struct Part {
    const uint8_t* pixels;
    int base;       // the column of the first
    size_t n;       // pixels that there are
    size_t wanted;  // the same with those beyond the end, whose weights are 0
};

Part part_of(const uint8_t* row, int row_width, const Weights& weights, int begin, int end) {
    const int base = weights.first(begin);
    const size_t wanted = static_cast<size_t>(weights.first(end - 1) - base) + weights.taps();
    return {row + 3 * static_cast<size_t>(base), base, std::min(wanted, static_cast<size_t>(row_width - base)), wanted};
}

// `scratch` has room for 3 * part.wanted values.
void resize_part(const Part& part, const Weights& weights, int begin, int end, int16_t* scratch, uint8_t* out) {
    const size_t plane = part.wanted, taps = weights.taps();
    int16_t *red = scratch, *green = scratch + plane, *blue = scratch + 2 * plane;
    for (size_t x = 0; x < part.n; ++x) {
        red[x] = part.pixels[3 * x];
        green[x] = part.pixels[3 * x + 1];
        blue[x] = part.pixels[3 * x + 2];
    }
    for (int16_t* colour : {red, green, blue}) std::fill(colour + part.n, colour + plane, int16_t{0});
    for (int i = begin; i < end; ++i) {
        const int16_t *high = weights.high(i), *low = weights.low(i);
        const int16_t* values = scratch + (weights.first(i) - part.base);
        for (int c = 0; c < 3; ++c, values += plane) {
            int32_t h = 0, l = 0;
            for (size_t x = 0; x < taps; ++x) {
                h += values[x] * high[x];
                l += values[x] * low[x];
            }
            *out++ = rounded(h, l);
        }
    }
}

// The same for few taps, where loops over vectors do not pay.
template <size_t used>
void enlarge_part(const Part& part, const Weights& weights, int begin, int end, uint8_t* scratch, uint8_t* out) {
    std::copy_n(part.pixels, 3 * part.n, scratch);
    std::fill(scratch + 3 * part.n, scratch + 3 * part.wanted, uint8_t{0});
    for (int i = begin; i < end; ++i, out += 3) {
        const int16_t *high = weights.high(i), *low = weights.low(i);
        const uint8_t* values = scratch + 3 * (weights.first(i) - part.base);
        int32_t red = 0, green = 0, blue = 0;
        for (size_t x = 0; x < used; ++x) {
            const int32_t weight = high[x] * (1 << kLowBits) + low[x];
            red += values[3 * x] * weight;
            green += values[3 * x + 1] * weight;
            blue += values[3 * x + 2] * weight;
        }
        out[0] = rounded(0, red);
        out[1] = rounded(0, green);
        out[2] = rounded(0, blue);
    }
}

void resize_row(const uint8_t* row, int row_width, const Weights& weights, int begin, int end, int16_t* scratch,
                uint8_t* out) {
    const Part part = part_of(row, row_width, weights, begin, end);
    if (weights.used() <= 3)
        enlarge_part<3>(part, weights, begin, end, reinterpret_cast<uint8_t*>(scratch), out);
    else if (weights.used() <= 5)
        enlarge_part<5>(part, weights, begin, end, reinterpret_cast<uint8_t*>(scratch), out);
    else
        resize_part(part, weights, begin, end, scratch, out);
}

// Of rows [top, top + rows).
void resize_horizontally(const Exec& exec, const PixelView& from, int top, int rows, const Weights& weights,
                         int columns, uint8_t* out) {
    // Blocks of columns whose inputs stay in the cache.
    const double scale =
        columns > 1 ? static_cast<double>(weights.first(columns - 1) - weights.first(0)) / columns : 1.0;
    const int block = std::clamp(static_cast<int>(kBlockColumns / std::max(scale, 1.0)), 1, columns);
    const int blocks = ceil_div(columns, block);
    size_t plane = 0;
    for (int begin = 0; begin < columns; begin += block) {
        const int last = std::min(columns, begin + block) - 1;
        plane = std::max(plane, static_cast<size_t>(weights.first(last) - weights.first(begin)) + weights.taps());
    }
    const int task_rows = std::max(1, static_cast<int>(kTaskWork / (6 * static_cast<size_t>(block) * weights.taps())));
    const int n = blocks * ceil_div(rows, task_rows);
    Buffer<int16_t> scratch(3 * plane * static_cast<size_t>(slot_count(exec, n)));
    parallel_for_slots(exec, n, [&](int task, int slot) {
        const int begin = task % blocks * block, end = std::min(columns, begin + block);
        const int first = task / blocks * task_rows;
        for (int y = first; y < std::min(rows, first + task_rows); ++y)
            resize_row(from.data + static_cast<size_t>(top + y) * from.stride, from.width, weights, begin, end,
                       scratch.data() + 3 * plane * static_cast<size_t>(slot),
                       out + 3 * (static_cast<size_t>(y) * static_cast<size_t>(columns) + static_cast<size_t>(begin)));
    });
}

// Values [begin, end) of a row that is made of several; `rows` is the first of them.
void mix_rows(const uint8_t* rows, size_t stride, const int16_t* high, const int16_t* low, size_t taps, size_t begin,
              size_t end, uint8_t* out) {
    int32_t h[kBlockValues] = {}, l[kBlockValues] = {};
    const size_t n = end - begin;
    for (size_t y = 0; y < taps; ++y) {
        if (high[y] == 0 && low[y] == 0) continue;  // also: there need be no such row
        const uint8_t* row = rows + y * stride + begin;
        const int16_t wh = high[y], wl = low[y];
        for (size_t i = 0; i < n; ++i) {
            const int16_t value = row[i];
            h[i] += value * wh;
            l[i] += value * wl;
        }
    }
    for (size_t i = 0; i < n; ++i) out[begin + i] = rounded(h[i], l[i]);
}

// `from` has one row for each input of the weights from `first_row` on, and the width of the output.
void resize_vertically(const Exec& exec, const PixelView& from, int first_row, const Weights& weights, int rows,
                       uint8_t* out) {
    const size_t values = 3 * static_cast<size_t>(from.width);
    const int blocks = static_cast<int>((values + kBlockValues - 1) / kBlockValues);
    // A task is some blocks of a row.
    const int task_blocks = std::clamp(static_cast<int>(kTaskWork / (2 * kBlockValues * weights.taps())), 1, blocks);
    const int parts = ceil_div(blocks, task_blocks);
    parallel_for(exec, parts * rows, [&](int task) {
        const int y = task / parts, first = task % parts * task_blocks;
        const uint8_t* in = from.data + static_cast<size_t>(weights.first(y) - first_row) * from.stride;
        for (int block = first; block < std::min(blocks, first + task_blocks); ++block) {
            const size_t begin = static_cast<size_t>(block) * kBlockValues;
            mix_rows(in, from.stride, weights.high(y), weights.low(y), weights.taps(), begin,
                     std::min(values, begin + kBlockValues), out + static_cast<size_t>(y) * values);
        }
    });
}

}  // namespace

void resize(const Exec& exec, const PixelView& from, int width, int height, Filter filter, int left, int top,
            int window_width, int window_height, uint8_t* out) {
    if (width != from.width && height < from.height && from.height > int64_t{100} * from.width) {
        // Pillow resizes what is very high from top to bottom first.
        Image low = make_image(from.width, window_height);
        resize(exec, from, from.width, height, filter, 0, top, from.width, window_height, low.pixels.data());
        resize(exec, view(low), width, window_height, filter, left, 0, window_width, window_height, out);
        return;
    }
    const size_t row = 3 * static_cast<size_t>(window_width);
    // A direction whose size stays is not touched.
    PixelView middle{from.data + 3 * static_cast<size_t>(left), window_width, from.height, from.stride};
    int first_row = 0;
    Buffer<uint8_t> narrow;
    if (height != from.height) {
        const Weights weights(from.height, height, filter, top, window_height, exec.stop);
        if (width != from.width) {
            first_row = weights.first(0);
            const int rows = weights.end() - first_row;
            narrow = Buffer<uint8_t>(static_cast<size_t>(rows) * row);
            resize_horizontally(exec, from, first_row, rows,
                                Weights(from.width, width, filter, left, window_width, exec.stop), window_width,
                                narrow.data());
            middle = {narrow.data(), window_width, rows, row};
        }
        resize_vertically(exec, middle, first_row, weights, window_height, out);
    } else if (width != from.width) {
        resize_horizontally(exec, from, top, window_height,
                            Weights(from.width, width, filter, left, window_width, exec.stop), window_width, out);
    } else {
        for (int y = 0; y < window_height; ++y) {
            if (exec.stop) exec.stop->check();
            std::memcpy(out + static_cast<size_t>(y) * row, middle.data + static_cast<size_t>(top + y) * from.stride,
                        row);
        }
    }
}

}  // namespace mm

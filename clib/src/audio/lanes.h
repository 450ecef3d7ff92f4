// Four floats in one register: SSE2 and NEON have it everywhere. Operations are those of the elements (IEEE 754, no
// contraction), so results have the same bits on every processor.
#pragma once

#include <cstring>

namespace mm {

using F32x4 = float __attribute__((vector_size(16)));

inline F32x4 load4(const float* p) {  // p need not be aligned
    F32x4 v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline void store4(float* p, F32x4 v) {
    std::memcpy(p, &v, sizeof v);
}
inline F32x4 splat4(float x) {
    return F32x4{x, x, x, x};
}

}  // namespace mm

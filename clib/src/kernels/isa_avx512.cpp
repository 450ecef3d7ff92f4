#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own avx512fintrin.h, bug 105593
#pragma GCC diagnostic ignored "-Wuninitialized"        // the same, with sanitizers
#endif
#define MM_ISA_AVX512 1
#define MM_KERNEL_TABLE kernels_avx512
#define MM_KERNEL_NAME "avx512"
#include "kernels/kernels_impl.h"

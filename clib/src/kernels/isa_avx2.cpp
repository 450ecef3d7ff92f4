#define MM_ISA_AVX2 1
#define MM_KERNEL_TABLE kernels_avx2
#define MM_KERNEL_NAME "avx2"
#include "kernels/kernels_impl.h"

#define MM_ISA_NEON 1
#define MM_KERNEL_TABLE kernels_neon
#define MM_KERNEL_NAME "neon"
#include "kernels/kernels_impl.h"

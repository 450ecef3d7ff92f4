#define MM_ISA_SCALAR 1
#define MM_KERNEL_TABLE kernels_scalar
#define MM_KERNEL_NAME "scalar"
#include "kernels/kernels_impl.h"

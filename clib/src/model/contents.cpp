#include "model/contents.h"

#include "runtime/error.h"
#include "runtime/text.h"

namespace mm {
namespace {

constexpr uint64_t kMaxDim = 0x7fffffff;  // engine sizes are ints

}  // namespace

void set_tensor_size(Tensor& tensor, uint64_t available, const std::string& file, const std::string& name) {
    // available / (product so far) bounds each dimension in turn, so no product overflows: an element has at least
    // half a byte.
    const uint64_t most = available * 2;
    uint64_t elements = 1;
    for (const uint64_t dim : tensor.dims) {
        if (dim == 0 || dim > kMaxDim)
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s has a dimension of %llu", file.c_str(), printable(name).c_str(),
                 static_cast<unsigned long long>(dim));
        if (dim > most / elements)
            fail(MM_ERROR_BAD_MODEL,
                 "%s: the tensor %s of %llu x %llu x %llu x %llu elements does not fit into the %llu bytes that are "
                 "left; the file is cut short or damaged",
                 file.c_str(), printable(name).c_str(), static_cast<unsigned long long>(tensor.dims[0]),
                 static_cast<unsigned long long>(tensor.dims[1]), static_cast<unsigned long long>(tensor.dims[2]),
                 static_cast<unsigned long long>(tensor.dims[3]), static_cast<unsigned long long>(available));
        elements *= dim;
    }
    const uint64_t block = block_elements(tensor.type);
    if (tensor.dims[0] % block != 0)
        fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s has rows of %llu elements, not whole %s blocks of %llu",
             file.c_str(), printable(name).c_str(), static_cast<unsigned long long>(tensor.dims[0]),
             weight_type_name(tensor.type), static_cast<unsigned long long>(block));
    const uint64_t blocks = elements / block;
    if (blocks > available / block_bytes(tensor.type))
        fail(MM_ERROR_BAD_MODEL,
             "%s: the tensor %s needs %llu blocks of %zu bytes, %llu bytes are left; the file is cut short or damaged",
             file.c_str(), printable(name).c_str(), static_cast<unsigned long long>(blocks), block_bytes(tensor.type),
             static_cast<unsigned long long>(available));
    tensor.bytes = static_cast<size_t>(blocks * block_bytes(tensor.type));
}

}  // namespace mm

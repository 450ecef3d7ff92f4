# IBM Z, which is big-endian.
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(MM_TRIPLET s390x-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-s390x-static -cpu qemu -L /usr/s390x-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/debian_cross.cmake)

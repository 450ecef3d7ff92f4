# 32-bit ARM: ARMv7 with VFPv3, which has no fused multiply-add; no NEON, which would flush subnormals to zero.
set(CMAKE_SYSTEM_PROCESSOR arm)
set(MM_TRIPLET arm-linux-gnueabihf)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-arm-static -cpu cortex-a8 -L /usr/arm-linux-gnueabihf)
include(${CMAKE_CURRENT_LIST_DIR}/debian_cross.cmake)

# RISC-V: RV64GC.
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(MM_TRIPLET riscv64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-riscv64-static -cpu rv64 -L /usr/riscv64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/debian_cross.cmake)

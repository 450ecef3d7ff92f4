# libjpeg-turbo's decoder. Its own CMakeLists.txt refuses to be part of another build, so what it would do is done here:
# two generated headers, the sources that decompression needs, and the vector code of the processor.
mm_fetch(libjpeg-turbo MM_JPEG_DIR)
set(MM_JPEG_TARGETS mm_jpeg)
set(MM_JPEG_BUILD ${CMAKE_CURRENT_BINARY_DIR}/libjpeg-turbo)

set(jpeg_c jaricom jcomapi jdapimin jdarith jdhuff jdinput jdlhuff jdmarker jdmaster jdphuff jerror jmemmgr jmemnobs
    jpeg_nbits)
# Compiled for samples of 8, 12 and 16 bits; the decoder refers to all of them, and chooses by the file.
foreach(name jdapistd jdcolor jddiffct jdlossls jdmainct jdpostct jdsample jutils)
  list(APPEND jpeg_c wrapper/${name}-8 wrapper/${name}-12 wrapper/${name}-16)
endforeach()
foreach(name jdcoefct jddctmgr jdmerge jidctflt jidctfst jidctint jidctred jquant1 jquant2)
  list(APPEND jpeg_c wrapper/${name}-8 wrapper/${name}-12)
endforeach()
list(TRANSFORM jpeg_c REPLACE "(.+)" "${MM_JPEG_DIR}/src/\\1.c")

# Vector code: same bits, several times the speed. On x86 it needs NASM, and the build goes on without.
set(WITH_SIMD 0)
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" jpeg_arch)
set(jpeg_simd ${MM_JPEG_DIR}/simd)
if(jpeg_arch MATCHES "^(x86_64|amd64)$")
  include(CheckLanguage)
  check_language(ASM_NASM)
  if(CMAKE_ASM_NASM_COMPILER)
    enable_language(ASM_NASM)
    set(WITH_SIMD 1)
    file(GLOB jpeg_asm ${jpeg_simd}/x86_64/*-sse2.asm ${jpeg_simd}/x86_64/*-sse.asm ${jpeg_simd}/x86_64/*-avx2.asm
         ${jpeg_simd}/x86_64/jsimdcpu.asm)
    list(FILTER jpeg_asm EXCLUDE REGEX "/j(ccolext|cgryext|dcolext|dmrgext)-")  # included by others
    list(APPEND jpeg_c ${jpeg_simd}/x86_64/jsimd.c)
    add_library(mm_jpeg_asm OBJECT ${jpeg_asm})
    target_compile_definitions(mm_jpeg_asm PRIVATE ELF PIC __x86_64__)
    target_include_directories(mm_jpeg_asm PRIVATE ${jpeg_simd}/nasm/ ${jpeg_simd}/x86_64/)
    list(APPEND MM_JPEG_TARGETS mm_jpeg_asm)
  else()
    message(WARNING "NASM is missing (Debian, Ubuntu: apt-get install nasm): JPEG files will be decoded slowly")
  endif()
elseif(jpeg_arch MATCHES "^(aarch64|arm64)$")
  set(WITH_SIMD 1)
  foreach(name jccolor jcgray jcphuff jcsample jdcolor jdmerge jdsample jfdctfst jfdctint jidctfst jidctint jidctred
               jquanti aarch64/jchuff)
    list(APPEND jpeg_c ${jpeg_simd}/arm/${name}-neon.c)
  endforeach()
  list(APPEND jpeg_c ${jpeg_simd}/arm/aarch64/jsimd.c)
  configure_file(${jpeg_simd}/arm/neon-compat.h.in ${MM_JPEG_BUILD}/neon-compat.h)
endif()

# As the defaults of the library, and hence of Pillow's: libjpeg 6b's interface, arithmetic decoding.
set(JPEG_LIB_VERSION 62)
set(VERSION 3.1.2)
set(LIBJPEG_TURBO_VERSION_NUMBER 3001002)
set(D_ARITH_CODING_SUPPORTED 1)
set(HIDDEN "__attribute__((visibility(\"hidden\")))")
set(INLINE "inline __attribute__((always_inline))")
set(THREAD_LOCAL __thread)
set(SIZE_T ${CMAKE_SIZEOF_VOID_P})
set(HAVE_BUILTIN_CTZL 1)
foreach(name jconfig jconfigint jversion)
  configure_file(${MM_JPEG_DIR}/src/${name}.h.in ${MM_JPEG_BUILD}/${name}.h)
endforeach()

add_library(mm_jpeg OBJECT ${jpeg_c})
# NO_GETENV: no variable of the host's changes how it works. -fexceptions: our error handler throws through it.
target_compile_definitions(mm_jpeg PRIVATE NO_GETENV NO_PUTENV $<$<BOOL:${WITH_SIMD}>:NEON_INTRINSICS>)
target_compile_options(mm_jpeg PRIVATE -fexceptions -w)
target_link_libraries(mm_jpeg PRIVATE mm_sanitize)
target_include_directories(mm_jpeg PRIVATE ${MM_JPEG_DIR}/src ${MM_JPEG_BUILD}
                           SYSTEM INTERFACE ${MM_JPEG_DIR}/src ${MM_JPEG_BUILD})

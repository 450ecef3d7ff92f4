# Third-party sources that are linked into the library: pinned in lock.json, unmodified, static, hidden, without our
# warning flags.
find_package(Python3 COMPONENTS Interpreter REQUIRED)

# Sets `variable` to the folder with the sources of a lock entry, fetching them if need be.
function(mm_fetch name variable)
  execute_process(COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/third_party/fetch.py ${name}
                  OUTPUT_VARIABLE folder ERROR_VARIABLE message RESULT_VARIABLE status
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_STRIP_TRAILING_WHITESPACE)
  if(status)
    message(FATAL_ERROR "${message}")
  endif()
  set(${variable} ${folder} PARENT_SCOPE)
endfunction()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS third_party/lock.json)

# zlib: only what compress2, inflate and crc32 need. NO_GZIP leaves out the gzip wrapper.
mm_fetch(zlib MM_ZLIB_DIR)
add_library(mm_zlib OBJECT ${MM_ZLIB_DIR}/adler32.c ${MM_ZLIB_DIR}/compress.c ${MM_ZLIB_DIR}/crc32.c
            ${MM_ZLIB_DIR}/deflate.c ${MM_ZLIB_DIR}/inffast.c ${MM_ZLIB_DIR}/inflate.c ${MM_ZLIB_DIR}/inftrees.c
            ${MM_ZLIB_DIR}/trees.c ${MM_ZLIB_DIR}/zutil.c)
target_compile_definitions(mm_zlib PRIVATE NO_GZIP INTERFACE ZLIB_CONST)
target_link_libraries(mm_zlib PRIVATE mm_sanitize)
target_include_directories(mm_zlib SYSTEM INTERFACE ${MM_ZLIB_DIR})

include(third_party/libjpeg_turbo.cmake)

# libmultimodal.a: one object, in which only mm_* is global, so that it hides what the shared library hides. libstdc++ and
# the unwinder are linked into it and hidden too: a C compiler links the archive, and a C++ host keeps its own runtime.
set(MM_CXX_RUNTIME "")
set(MM_TARGET "")
if(CMAKE_CXX_COMPILER_TARGET)
  set(MM_TARGET --target=${CMAKE_CXX_COMPILER_TARGET})
endif()
foreach(archive libstdc++.a libgcc_eh.a libgcc.a)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${MM_TARGET} -print-file-name=${archive} OUTPUT_VARIABLE path
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT IS_ABSOLUTE "${path}")
    message(FATAL_ERROR "${CMAKE_CXX_COMPILER} has no static ${archive}, which libmultimodal.a carries; "
                        "install it (Debian: apt-get install g++; Fedora: dnf install libstdc++-static)")
  endif()
  list(APPEND MM_CXX_RUNTIME ${path})
endforeach()

set(MM_ONE_OBJECT ${CMAKE_CURRENT_BINARY_DIR}/multimodal.o)
set(MM_ARCHIVE ${CMAKE_CURRENT_BINARY_DIR}/libmultimodal.a)
# --force-group-allocation dissolves the groups of inline functions: otherwise a host's linker would drop ours in favour of
# its own, although ours are local. GNU objcopy keeps unique symbols (libstdc++'s statics) global unless they are made weak
# in a step before.
add_custom_command(
  OUTPUT ${MM_ARCHIVE}
  COMMAND ${CMAKE_CXX_COMPILER} ${MM_TARGET} -r -nostdlib -Wl,--force-group-allocation -o ${MM_ONE_OBJECT} ${MM_ALL_OBJECTS}
          -Wl,--start-group ${MM_CXX_RUNTIME} -Wl,--end-group
  COMMAND ${CMAKE_OBJCOPY} --wildcard "--weaken-symbol=_Z*" ${MM_ONE_OBJECT}
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard "--keep-global-symbol=mm_*" ${MM_ONE_OBJECT}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${MM_ARCHIVE}
  COMMAND ${CMAKE_AR} rcsD ${MM_ARCHIVE} ${MM_ONE_OBJECT}
  DEPENDS ${MM_ALL_TARGETS} ${MM_ALL_OBJECTS}
  COMMENT "Linking libmultimodal.a" COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(multimodal_static ALL DEPENDS ${MM_ARCHIVE})
install(FILES ${MM_ARCHIVE} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT static)

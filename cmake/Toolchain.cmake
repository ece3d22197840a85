# Compiler, linker and warnings; the same for every room.
find_program(CCACHE ccache)
if(CCACHE)
  # PCH needs the sloppiness; ccache's own documentation names these three. Paths are relative to the tree's root, so that
  # a tree at another place, as tools/dev/previous.sh makes one, compiles only what is different there.
  set(ccache_settings CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
                      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env ${ccache_settings} ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# With -fno-plt all addresses are bound at the start anyway; so they can be read-only from then on.
add_link_options(-Wl,-z,relro,-z,now)

add_compile_options(-Wall -Wextra -Werror -Wno-error=deprecated-declarations
  -pthread -fpch-preprocess -fno-plt
  # GCC 12 reports false positives of these inside Boost and libstdc++ at -O2.
  -Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
  -Wno-dangling-pointer -Wno-missing-field-initializers -Wno-mismatched-new-delete -Wno-subobject-linkage)
if(BOXOFFICE_SANITIZE STREQUAL "thread")
  # It does not model the fences that Asio has around its handlers, and sees the mutexes beside them.
  add_compile_options(-Wno-tsan)
endif()
if(BOXOFFICE_SANITIZE)
  add_compile_options(-fsanitize=${BOXOFFICE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BOXOFFICE_SANITIZE})
endif()

# A room is one folder: its .cc files are one library, its *_test.cc one test program, its *_bench.cc one
# benchmark, its main.cc one executable, its schema/sqlite/*.sql and schema/postgres/*.sql an embedded list of
# migrations each. Nothing is listed by hand, so a file that exists is built and a test that exists is run.

# boxoffice_batches(LIST NAME): puts batches (cmake/batches.py) in the place of a list's files, if BOXOFFICE_BATCH says so.
function(boxoffice_batches list name)
  if(BOXOFFICE_BATCH GREATER 1 AND ${list})
    execute_process(
      COMMAND python3 ${CMAKE_SOURCE_DIR}/cmake/batches.py ${BOXOFFICE_BATCH} ${CMAKE_SOURCE_DIR}
              ${CMAKE_CURRENT_BINARY_DIR}/${name} ${${list}}
      OUTPUT_VARIABLE batches COMMAND_ERROR_IS_FATAL ANY)
    set(${list} ${batches} PARENT_SCOPE)
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/batches.py)
  endif()
endfunction()

# boxoffice_room(NAME [DEPS target …] [TEST_DEPS target …] [EXECUTABLE name])
function(boxoffice_room name)
  cmake_parse_arguments(ROOM "" "EXECUTABLE" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc ${CMAKE_CURRENT_SOURCE_DIR}/saga/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(benches ${sources})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_bench|/main)\\.cc$")
  boxoffice_batches(sources ${name})

  foreach(dialect sqlite postgres)
    file(GLOB migrations CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/schema/${dialect}/*.sql)
    if(migrations)
      set(generated ${CMAKE_CURRENT_BINARY_DIR}/${name}_${dialect}_schema.cc)
      add_custom_command(OUTPUT ${generated}
        COMMAND ${CMAKE_COMMAND} -DNAME=${name}_${dialect} "-DFILES=${migrations}" -DOUT=${generated}
                -P ${CMAKE_SOURCE_DIR}/cmake/EmbedSchema.cmake
        DEPENDS ${migrations} ${CMAKE_SOURCE_DIR}/cmake/EmbedSchema.cmake VERBATIM)
      set_source_files_properties(${generated} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)  # next to nothing to parse
      list(APPEND sources ${generated})
    endif()
  endforeach()

  if(sources)
    add_library(boxoffice_${name} STATIC ${sources})
    target_include_directories(boxoffice_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(boxoffice_${name} PUBLIC boxoffice_thirdparty ${ROOM_DEPS})
    boxoffice_use_pch(boxoffice_${name})
    set(own boxoffice_${name})
  else()
    add_library(boxoffice_${name} INTERFACE)
    target_include_directories(boxoffice_${name} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(boxoffice_${name} INTERFACE boxoffice_thirdparty ${ROOM_DEPS})
  endif()

  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/main.cc)
    add_executable(${ROOM_EXECUTABLE} main.cc)
    target_link_libraries(${ROOM_EXECUTABLE} PRIVATE boxoffice_${name})
    if(NOT BOXOFFICE_SANITIZE)  # the sanitizers bring an allocator of their own
      target_link_libraries(${ROOM_EXECUTABLE} PRIVATE PkgConfig::JEMALLOC)
    endif()
    boxoffice_use_pch(${ROOM_EXECUTABLE})
  endif()
  if(tests AND BOXOFFICE_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE boxoffice_${name} ${ROOM_TEST_DEPS} GTest::gmock GTest::gtest_main)
    boxoffice_use_test_pch(${name}_test)
    add_test(NAME ${name} COMMAND ${name}_test)
    set(labels unit)
    boxoffice_links_grpc(${name}_test links_grpc)
    if(NOT links_grpc)
      list(APPEND labels tsan)
      add_dependencies(tsan_tests ${name}_test)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS "${labels}")
  endif()
  if(benches)
    add_executable(${name}_bench EXCLUDE_FROM_ALL ${benches})
    target_link_libraries(${name}_bench PRIVATE boxoffice_${name} ${ROOM_TEST_DEPS} benchmark::benchmark_main)
  endif()
endfunction()

# What ThreadSanitizer is run over. gRPC comes uninstrumented, and whatever links it reports races that are none.
add_custom_target(tsan_tests)
function(boxoffice_links_grpc target out)
  set(${out} FALSE PARENT_SCOPE)
  set(seen)
  set(open ${target})
  while(open)
    list(POP_FRONT open next)
    if(next IN_LIST seen)
      continue()
    endif()
    list(APPEND seen ${next})
    if(next MATCHES "^(gRPC::.*|boxoffice_proto)$")  # boxoffice_proto itself comes after the rooms
      set(${out} TRUE PARENT_SCOPE)
      return()
    endif()
    if(TARGET ${next})
      foreach(property LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
        get_target_property(libraries ${next} ${property})
        if(libraries)
          list(APPEND open ${libraries})
        endif()
      endforeach()
    elseif(next MATCHES "^boxoffice_" AND NOT next MATCHES "^boxoffice_(boost|servers)$")  # neither links gRPC
      message(FATAL_ERROR "${target} links ${next}, which is added after it: put the lower room first")
    endif()
  endwhile()
endfunction()

# The headers that cost seconds and never change are precompiled: once for the rooms below gRPC, once for those that link
# it, once for the tests.
function(boxoffice_use_pch target)
  if(BOXOFFICE_PCH)
    boxoffice_links_grpc(${target} links_grpc)
    if(links_grpc)
      target_precompile_headers(${target} REUSE_FROM boxoffice_pch_rpc)
    else()
      target_precompile_headers(${target} REUSE_FROM boxoffice_pch)
    endif()
  endif()
endfunction()

# A test's own code is not optimised: it is built more often than it runs long, and what it tests is.
function(boxoffice_use_test_pch target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O0>)
  if(BOXOFFICE_PCH)
    target_precompile_headers(${target} REUSE_FROM boxoffice_pch_test)
  endif()
endfunction()

# A room is one folder: its .cc files are one library, its *_test.cc one test program, its *_bench.cc one
# benchmark, its main.cc one executable, its schema/*.sql one embedded list of migrations. Nothing is listed by
# hand, so a file that exists is built and a test that exists is run.

# boxoffice_room(NAME [DEPS target …] [TEST_DEPS target …] [EXECUTABLE name])
function(boxoffice_room name)
  cmake_parse_arguments(ROOM "" "EXECUTABLE" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(benches ${sources})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_bench|/main)\\.cc$")

  file(GLOB migrations CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/schema/*.sql)
  if(migrations)
    set(generated ${CMAKE_CURRENT_BINARY_DIR}/${name}_schema.cc)
    add_custom_command(OUTPUT ${generated}
      COMMAND ${CMAKE_COMMAND} -DNAME=${name} "-DFILES=${migrations}" -DOUT=${generated} -P ${CMAKE_SOURCE_DIR}/cmake/EmbedSchema.cmake
      DEPENDS ${migrations} ${CMAKE_SOURCE_DIR}/cmake/EmbedSchema.cmake VERBATIM)
    list(APPEND sources ${generated})
  endif()

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
    target_link_libraries(${ROOM_EXECUTABLE} PRIVATE boxoffice_${name} PkgConfig::JEMALLOC)
    boxoffice_use_pch(${ROOM_EXECUTABLE})
  endif()
  if(tests AND BOXOFFICE_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE boxoffice_${name} ${ROOM_TEST_DEPS} GTest::gmock GTest::gtest_main)
    boxoffice_use_pch(${name}_test)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS unit)
  endif()
  if(benches)
    add_executable(${name}_bench EXCLUDE_FROM_ALL ${benches})
    target_link_libraries(${name}_bench PRIVATE boxoffice_${name} ${ROOM_TEST_DEPS} benchmark::benchmark_main)
  endif()
endfunction()

# One precompiled header for the whole tree: the headers that cost seconds and never change.
function(boxoffice_use_pch target)
  if(BOXOFFICE_PCH)
    target_precompile_headers(${target} REUSE_FROM boxoffice_pch)
  endif()
endfunction()

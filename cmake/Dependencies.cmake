# Every third-party library, by name, from Debian's packages. Nothing is fetched.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
# Its -D_FILE_OFFSET_BITS=64 changes nothing on a 64-bit system, but would forbid the precompiled header.
set_target_properties(PkgConfig::HIREDIS PROPERTIES INTERFACE_COMPILE_OPTIONS "" INTERFACE_INCLUDE_DIRECTORIES "")
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
# It comes without a description of itself; the archive, so that nothing more has to be installed where it runs.
find_library(CSV_ARCHIVE libcsv.a REQUIRED)
find_path(CSV_INCLUDE csv.h REQUIRED)
add_library(boxoffice_csv INTERFACE)
target_include_directories(boxoffice_csv SYSTEM INTERFACE ${CSV_INCLUDE})
target_link_libraries(boxoffice_csv INTERFACE ${CSV_ARCHIVE})
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)

# Asio, Beast and Boost.JSON are compiled once, in src/platform/boost.
find_path(BOOST_INCLUDE boost/json.hpp REQUIRED)
add_library(boxoffice_boost_definitions INTERFACE)
# Frames of coroutines straight from jemalloc: Asio would keep two in each thread, which suit few, and ask for the others
# aligned.
target_compile_definitions(boxoffice_boost_definitions INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE BOOST_ASIO_SEPARATE_COMPILATION
  BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING
  BOOST_JSON_NO_LIB BOOST_BEAST_SEPARATE_COMPILATION)

add_library(boxoffice_thirdparty INTERFACE)
target_compile_definitions(boxoffice_thirdparty INTERFACE SPDLOG_FMT_EXTERNAL SPDLOG_COMPILED_LIB)
target_link_libraries(boxoffice_thirdparty INTERFACE
  boxoffice_boost_definitions boxoffice_boost fmt::fmt spdlog::spdlog Threads::Threads)

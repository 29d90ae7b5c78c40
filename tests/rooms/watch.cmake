plimsoll_unit_test(kernel LINK plimsoll_kernel)
plimsoll_unit_test(watch LINK plimsoll_watch)
target_include_directories(unit_watch PRIVATE unit/watch)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
find_package(ZLIB REQUIRED)
plimsoll_unit_test(exporters LINK plimsoll_exporters plimsoll_watch prometheus-cpp::core ZLIB::ZLIB)
target_include_directories(unit_exporters PRIVATE unit/exporters)
plimsoll_fuzz_target(control_files plimsoll_kernel plimsoll_watch)
plimsoll_bench(sample plimsoll_watch)
plimsoll_bench(scrape plimsoll_exporters prometheus-cpp::core)

# Run inside the VM by tests/vm/watch: it needs cpu and memory controllers.
add_executable(vm_watch vm/watch_test.cpp)
target_link_libraries(vm_watch PRIVATE plimsoll_watch plimsoll_options GTest::gtest GTest::gtest_main)

add_test(NAME promtool_scrape COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/vm/watch_promtool
  ${CMAKE_CURRENT_SOURCE_DIR}/unit/exporters/golden/scrape-6.1.txt
  ${CMAKE_CURRENT_SOURCE_DIR}/unit/exporters/golden/scrape-6.12.txt)

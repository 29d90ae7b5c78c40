plimsoll_unit_test(kernel LINK plimsoll_kernel)
plimsoll_unit_test(watch THREADS LINK plimsoll_watch)
target_include_directories(unit_watch PRIVATE unit/watch)
# From a kernel's files to the text of a scrape.
plimsoll_unit_test(scrape THREADS LINK plimsoll_exporters plimsoll_watch)
target_include_directories(unit_scrape PRIVATE unit/scrape)
plimsoll_fuzz_target(control_files plimsoll_kernel plimsoll_watch)
plimsoll_bench(sample plimsoll_watch)

# Run inside the VM by tests/vm/watch: it needs cpu and memory controllers.
add_executable(vm_watch vm/watch_test.cpp)
target_link_libraries(vm_watch PRIVATE plimsoll_watch plimsoll_options GTest::gtest GTest::gtest_main)

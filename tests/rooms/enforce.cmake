plimsoll_unit_test(enforce THREADS LINK plimsoll_enforce)
# On a real kernel, in the virtual machine.
add_executable(vm_enforce vm/enforce_test.cpp)
target_link_libraries(vm_enforce PRIVATE plimsoll_enforce plimsoll_options GTest::gtest GTest::gtest_main)

plimsoll_unit_test(enforce THREADS LINK plimsoll_enforce)
# On a real kernel, in the virtual machine.
file(GLOB vm_enforce_sources CONFIGURE_DEPENDS vm/enforce_*test.cpp)
add_executable(vm_enforce ${vm_enforce_sources})
target_link_libraries(vm_enforce PRIVATE plimsoll_enforce plimsoll_policies plimsoll_options GTest::gtest GTest::gtest_main)

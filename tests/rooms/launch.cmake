find_package(nlohmann_json REQUIRED)
plimsoll_unit_test(oci LINK plimsoll_oci nlohmann_json::nlohmann_json)
plimsoll_unit_test(launch LINK plimsoll_launch)
plimsoll_unit_test(shim LINK plimsoll_shim)

# On real kernels, in the virtual machine: build/dev/bin/vm_launch.
add_executable(vm_launch_probe vm/launch_probe.cpp)
target_link_libraries(vm_launch_probe PRIVATE plimsoll_options)
if(NOT PLIMSOLL_SANITIZE)
  target_link_options(vm_launch_probe PRIVATE -static)
endif()
file(GLOB vm_launch_sources CONFIGURE_DEPENDS vm/launch_*test.cpp)
add_executable(vm_launch ${vm_launch_sources})
target_link_libraries(vm_launch PRIVATE plimsoll_oci plimsoll_shim plimsoll_options GTest::gtest GTest::gtest_main)
target_compile_definitions(vm_launch PRIVATE PLIMSOLL_RUNTIME="$<TARGET_FILE:plimsoll-runtime>"
  PLIMSOLL_PROBE="$<TARGET_FILE:vm_launch_probe>")
add_dependencies(vm_launch plimsoll-runtime vm_launch_probe)

plimsoll_fuzz_target(oci_config plimsoll_launch)

add_executable(launch_bare bench/launch_bare.c)
target_compile_options(launch_bare PRIVATE -O2)
target_link_options(launch_bare PRIVATE -static)
plimsoll_bench(launch plimsoll_oci)
target_compile_definitions(bench_launch PRIVATE PLIMSOLL_RUNTIME="$<TARGET_FILE:plimsoll-runtime>"
  PLIMSOLL_BARE="$<TARGET_FILE:launch_bare>")
add_dependencies(bench_launch plimsoll-runtime launch_bare)

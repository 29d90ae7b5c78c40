plimsoll_unit_test(bpf LINK plimsoll_bpf)
# Run in the guest: tests/vm/vm tests/vm/run-suite PRESET vm_bpf.
file(GLOB bpf_tests CONFIGURE_DEPENDS vm/bpf_*test.cpp)
add_executable(vm_bpf ${bpf_tests})
target_link_libraries(vm_bpf PRIVATE plimsoll_bpf plimsoll_options ${LIBBPF} GTest::gtest GTest::gtest_main)
plimsoll_bench(probes plimsoll_bpf)
target_link_libraries(bench_probes PRIVATE ${LIBBPF})

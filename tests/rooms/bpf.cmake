plimsoll_unit_test(bpf LINK plimsoll_bpf)

# Objects of the tests' own.
file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/skeletons)
function(plimsoll_test_probe target name folder)
  plimsoll_probe(${name} ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/skeletons/${name}.skel.h)
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/skeletons)
  target_link_libraries(${target} PRIVATE ${LIBBPF})
endfunction()

# Run in the guest: tests/vm/vm tests/vm/run-suite PRESET vm_bpf.
file(GLOB bpf_tests CONFIGURE_DEPENDS vm/bpf_*test.cpp)
add_executable(vm_bpf ${bpf_tests})
target_link_libraries(vm_bpf PRIVATE plimsoll_bpf plimsoll_kernel plimsoll_options GTest::gtest GTest::gtest_main)
plimsoll_test_probe(vm_bpf helpers vm)

plimsoll_bench(probes plimsoll_bpf plimsoll_kernel)
plimsoll_bench(readings plimsoll_bpf plimsoll_kernel)
plimsoll_test_probe(bench_probes nothing bench)

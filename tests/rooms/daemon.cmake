find_package(nlohmann_json REQUIRED)
plimsoll_unit_test(daemon THREADS LINK plimsoll_daemon nlohmann_json::nlohmann_json)

# Run in the guest only: tests/vm/vm tests/vm/run-suite PRESET vm_agent.
add_executable(vm_agent vm/agent_test.cpp vm/agent_rules_test.cpp vm/agent_actions_test.cpp vm/agent_sizing_test.cpp vm/agent_probes_test.cpp vm/agent_oom_test.cpp
  vm/agent_notify_test.cpp vm/guest_agent.cpp)
target_link_libraries(vm_agent PRIVATE plimsoll_api nlohmann_json::nlohmann_json GTest::gmock GTest::gtest GTest::gtest_main)
target_compile_definitions(vm_agent PRIVATE PLIMSOLL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
add_dependencies(vm_agent plimsoll plimsoll-runtime)

# The policies of the library, each beside the trouble it is for.
file(GLOB scenarios CONFIGURE_DEPENDS vm/scenario_*_test.cpp)
add_executable(vm_scenario ${scenarios} vm/guest_agent.cpp)
target_link_libraries(vm_scenario PRIVATE plimsoll_api nlohmann_json::nlohmann_json GTest::gtest GTest::gtest_main)
target_compile_definitions(vm_scenario PRIVATE PLIMSOLL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
add_dependencies(vm_scenario plimsoll plimsoll-runtime)

plimsoll_bench(agent plimsoll_daemon)
target_compile_definitions(bench_agent PRIVATE PLIMSOLL_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
  PLIMSOLL_FIXTURES="${CMAKE_CURRENT_SOURCE_DIR}/unit/fixtures")
add_dependencies(bench_agent plimsoll-runtime)

plimsoll_bench(reaction plimsoll_daemon nlohmann_json::nlohmann_json)
add_dependencies(bench_reaction plimsoll-runtime)

plimsoll_bench(peers plimsoll_base)
target_compile_definitions(bench_peers PRIVATE PLIMSOLL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
add_dependencies(bench_peers plimsoll)

find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
plimsoll_bench(history plimsoll_daemon PkgConfig::ZSTD)

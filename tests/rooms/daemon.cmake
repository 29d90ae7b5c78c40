find_package(nlohmann_json REQUIRED)
plimsoll_unit_test(daemon THREADS LINK plimsoll_daemon nlohmann_json::nlohmann_json)

# Run in the guest only: tests/vm/vm tests/vm/run-suite PRESET vm_agent.
add_executable(vm_agent vm/agent_test.cpp vm/guest_agent.cpp)
target_link_libraries(vm_agent PRIVATE plimsoll_api nlohmann_json::nlohmann_json GTest::gtest GTest::gtest_main)
add_dependencies(vm_agent plimsoll plimsoll-runtime)

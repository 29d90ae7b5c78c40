find_package(LibArchive REQUIRED)
find_package(nlohmann_json REQUIRED)
plimsoll_unit_test(image THREADS LINK plimsoll_image LibArchive::LibArchive)
plimsoll_unit_test(container THREADS LINK plimsoll_container plimsoll_log nlohmann_json::nlohmann_json)

# Runs in the guest only: tests/vm/vm tests/vm/run-suite vm_container.
add_executable(vm_container vm/container_test.cpp)
target_link_libraries(vm_container PRIVATE plimsoll_container nlohmann_json::nlohmann_json GTest::gtest GTest::gtest_main)

# Docker's own command line as the agent's client, in the guest: tests/vm/run-suite PRESET vm_docker.
file(GLOB vm_docker_sources CONFIGURE_DEPENDS vm/docker_*test.cpp)
add_executable(vm_docker vm/docker_fixture.cpp vm/guest_agent.cpp ${vm_docker_sources})
target_link_libraries(vm_docker PRIVATE plimsoll_api nlohmann_json::nlohmann_json plimsoll_options GTest::gmock GTest::gtest_main)
add_dependencies(vm_docker plimsoll plimsoll-runtime)

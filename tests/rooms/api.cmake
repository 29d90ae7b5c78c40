find_package(nlohmann_json REQUIRED)
plimsoll_unit_test(api THREADS LINK plimsoll_api nlohmann_json::nlohmann_json)
plimsoll_fuzz_target(http_request plimsoll_api nlohmann_json::nlohmann_json)

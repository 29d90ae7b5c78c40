find_package(nlohmann_json REQUIRED)
plimsoll_unit_test(notify THREADS LINK plimsoll_notify nlohmann_json::nlohmann_json)

find_package(LibArchive REQUIRED)
find_package(nlohmann_json REQUIRED)
plimsoll_unit_test(image LINK plimsoll_image LibArchive::LibArchive)
plimsoll_unit_test(container LINK plimsoll_container plimsoll_log nlohmann_json::nlohmann_json)

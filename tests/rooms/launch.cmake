find_package(nlohmann_json REQUIRED)
plimsoll_unit_test(oci LINK plimsoll_oci nlohmann_json::nlohmann_json)
plimsoll_unit_test(launch LINK plimsoll_launch)
plimsoll_unit_test(shim LINK plimsoll_shim)

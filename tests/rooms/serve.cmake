find_package(LibArchive REQUIRED)
plimsoll_unit_test(image LINK plimsoll_image LibArchive::LibArchive)

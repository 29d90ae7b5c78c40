find_package(prometheus-cpp CONFIG REQUIRED)
plimsoll_unit_test(exporters THREADS LINK plimsoll_exporters prometheus-cpp::core)
plimsoll_bench(scrape plimsoll_exporters prometheus-cpp::core)

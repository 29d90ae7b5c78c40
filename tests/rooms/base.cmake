plimsoll_unit_test(base THREADS LINK plimsoll_base plimsoll_log)
plimsoll_unit_test(model LINK plimsoll_model)

plimsoll_unit_test(base LINK plimsoll_base plimsoll_log)

plimsoll_unit_test(history THREADS LINK plimsoll_history)

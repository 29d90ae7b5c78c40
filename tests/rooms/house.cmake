plimsoll_unit_test(house)

plimsoll_unit_test(api LINK plimsoll_api)

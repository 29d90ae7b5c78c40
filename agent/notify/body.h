// A notification as a target wants to have it. Pure.
#pragma once

#include <string>

#include "agent/model/notify_target.h"
#include "agent/notify/notification.h"
#include "agent/notify/transport.h"

namespace plimsoll::notify {

// Of one try. `index` is of urls_of(target); `now` says until when an alert is believed without being told
// again.
Request request_for(const model::NotifyTarget& target, std::size_t index, const Notification& notification,
                    const std::string& host, WallTime now);

// How long an alert is believed: Alertmanager's own default.
inline constexpr Nanoseconds kBelieved = std::chrono::minutes(5);

}  // namespace plimsoll::notify

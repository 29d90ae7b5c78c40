#include "agent/watch/classify.h"

#include <gtest/gtest.h>

#include <ostream>

namespace plimsoll::watch {
namespace {

using model::Runtime;

const std::string kLongId = "4f1c0a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a";
const std::string kUid = "0f8e1c2d-1111-2222-3333-444455556666";
const std::string kUidInUnit = "0f8e1c2d_1111_2222_3333_444455556666";

struct Case {
  std::string path;
  std::optional<Match> match;
};
// Test names hold the path, not the bytes of the object, which differ from run to run.
void PrintTo(const Case& one, std::ostream* out) { *out << one.path; }

class Classify : public ::testing::TestWithParam<Case> {};
TEST_P(Classify, Path) { EXPECT_EQ(classify(GetParam().path), GetParam().match) << GetParam().path; }

INSTANTIATE_TEST_SUITE_P(
    Containers, Classify,
    ::testing::Values(
        Case{"/plimsoll/" + kLongId, Match{Runtime::kPlimsoll, kLongId, ""}},
        Case{"/docker/" + kLongId, Match{Runtime::kDocker, kLongId, ""}},
        Case{"/system.slice/docker-" + kLongId + ".scope", Match{Runtime::kDocker, kLongId, ""}},
        Case{"/machine.slice/libpod-" + kLongId + ".scope", Match{Runtime::kPodman, kLongId, ""}},
        Case{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kLongId + ".scope",
             Match{Runtime::kPodman, kLongId, ""}},
        Case{"/libpod_parent/libpod-" + kLongId, Match{Runtime::kPodman, kLongId, ""}},
        Case{"/libpod_parent/" + kLongId + "/libpod-" + kLongId, Match{Runtime::kPodman, kLongId, ""}},
        Case{"/system.slice/web.service/libpod-payload-" + kLongId, Match{Runtime::kPodman, kLongId, ""}},
        Case{"/kubepods/burstable/pod" + kUid + "/" + kLongId, Match{Runtime::kContainerd, kLongId, kUid}},
        Case{"/kubepods/pod" + kUid + "/" + kLongId, Match{Runtime::kContainerd, kLongId, kUid}},
        Case{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kUidInUnit +
                 ".slice/cri-containerd-" + kLongId + ".scope",
             Match{Runtime::kContainerd, kLongId, kUid}},
        Case{"/kubepods.slice/kubepods-pod" + kUidInUnit + ".slice/crio-" + kLongId + ".scope",
             Match{Runtime::kCrio, kLongId, kUid}},
        Case{"/kubepods/besteffort/pod" + kUid + "/crio-" + kLongId, Match{Runtime::kCrio, kLongId, kUid}},
        Case{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + kUidInUnit +
                 ".slice/docker-" + kLongId + ".scope",
             Match{Runtime::kDocker, kLongId, kUid}},
        Case{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + kUidInUnit +
                 ".slice/cri-containerd-" + kLongId + ".scope",
             Match{Runtime::kContainerd, kLongId, kUid}},
        Case{"/default/" + kLongId, Match{Runtime::kContainerd, kLongId, ""}},
        Case{"/k8s.io/" + kLongId, Match{Runtime::kContainerd, kLongId, ""}},
        Case{"/system.slice/nerdctl-" + kLongId + ".scope", Match{Runtime::kContainerd, kLongId, ""}}));

INSTANTIATE_TEST_SUITE_P(
    Services, Classify,
    ::testing::Values(Case{"/system.slice/cron.service", Match{Runtime::kSystemd, "cron.service", ""}},
                      Case{"/system.slice/system-getty.slice/getty@tty1.service",
                           Match{Runtime::kSystemd, "getty@tty1.service", ""}},
                      Case{"/user.slice/user-1000.slice/user@1000.service",
                           Match{Runtime::kSystemd, "user@1000.service", ""}},
                      Case{"/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service",
                           Match{Runtime::kSystemd, "dbus.service", ""}}));

INSTANTIATE_TEST_SUITE_P(
    Neither, Classify,
    ::testing::Values(Case{"", std::nullopt}, Case{"/", std::nullopt}, Case{"/plimsoll", std::nullopt},
                      Case{"/plimsoll/short", std::nullopt},
                      Case{"/plimsoll/" + kLongId + "/nested", std::nullopt},
                      Case{"/plimsoll/" + kLongId + "/docker/" + kLongId, std::nullopt},
                      Case{"/plimsoll/" + kLongId + "/system.slice/cron.service", std::nullopt},
                      Case{"/docker/" + kLongId.substr(1), std::nullopt},
                      Case{"/system.slice/docker-" + kLongId, std::nullopt},
                      Case{"/system.slice", std::nullopt}, Case{"/init.scope", std::nullopt},
                      Case{"/system.slice/libpod-conmon-" + kLongId + ".scope", std::nullopt},
                      Case{"/machine.slice/crio-conmon-" + kLongId + ".scope", std::nullopt},
                      Case{"/kubepods.slice/kubepods-pod" + kUidInUnit + ".slice", std::nullopt},
                      Case{"/kubepods/pod" + kUid, std::nullopt},
                      Case{"/system.slice/a.service/b.service", std::nullopt},
                      Case{"/user.slice/user-1000.slice/session-1.scope", std::nullopt}));

}  // namespace
}  // namespace plimsoll::watch

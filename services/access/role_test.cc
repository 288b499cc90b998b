#include "services/access/role.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(Role, NamesGoThereAndBack) {
  for (const Role role :
       {Role::kCoordinator, Role::kWatcher, Role::kExecutor, Role::kPortal, Role::kViewer,
        Role::kUploader, Role::kProgram, Role::kOperator, Role::kAdmin}) {
    const auto parsed = ParseRole(RoleName(role));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, role);
  }
  EXPECT_EQ(RoleName(Role::kAnybody), "anybody");
}

TEST(Role, WhatIsNoneIsToldWhatThereIs) {
  for (const char* name : {"", "anybody", "Admin", "admin ", "root"}) {
    EXPECT_EQ(ParseRole(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(ParseRole("root").status().message(),
            "\"root\" is no role that can be given; there are coordinator, watcher, executor, "
            "portal, viewer, uploader, program, operator, admin");
}

}  // namespace
}  // namespace closewrite

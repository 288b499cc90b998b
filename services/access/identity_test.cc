#include "services/access/identity.h"

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

TEST(Identity, GoesThereAndBack) {
  const struct {
    const char* uri;
    Identity identity;
  } cases[] = {
      {"closewrite://coordinator/vm-a", {Role::kCoordinator, "vm-a", {}}},
      {"closewrite://watcher/vm-b?volume=unenriched", {Role::kWatcher, "vm-b", {"unenriched"}}},
      {"closewrite://watcher/vm-b?volume=b&volume=a", {Role::kWatcher, "vm-b", {"b", "a"}}},
      {"closewrite://watcher/vm-b?volume=*", {Role::kWatcher, "vm-b", {"*"}}},
      {"closewrite://executor/vm-c", {Role::kExecutor, "vm-c", {}}},
      {"closewrite://executor/vm-c?label=internet&label=r",
       {Role::kExecutor, "vm-c", {"internet", "r"}}},
      {"closewrite://executor/vm-c?label=*", {Role::kExecutor, "vm-c", {"*"}}},
      {"closewrite://portal/vm-a", {Role::kPortal, "vm-a", {}}},
      {"closewrite://viewer/w", {Role::kViewer, "w", {}}},
      {"closewrite://uploader/a_b", {Role::kUploader, "a_b", {}}},
      {"closewrite://program/r-scripts", {Role::kProgram, "r-scripts", {}}},
      {"closewrite://operator/jane.doe@example.org", {Role::kOperator, "jane.doe@example.org", {}}},
      {"closewrite://admin/0", {Role::kAdmin, "0", {}}},
  };
  for (const auto& each : cases) {
    const auto parsed = ParseIdentity(each.uri);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, each.identity) << each.uri;
    EXPECT_EQ(IdentityUri(each.identity), each.uri);
    EXPECT_TRUE(CheckIdentity(each.identity).ok());
  }
}

TEST(Identity, RefusalsSayWhatIsRight) {
  const struct {
    const char* uri;
    const char* why;
  } cases[] = {
      {"", "does not begin with closewrite://"},
      {"spiffe://example.org/watcher", "does not begin with closewrite://"},
      {"CLOSEWRITE://admin/jane", "does not begin with closewrite://"},
      {"closewrite:/admin/jane", "does not begin with closewrite://"},
      {"closewrite://", "\"\" is no role that can be given; there are coordinator, "},
      {"closewrite://boss/jane", "\"boss\" is no role"},
      {"closewrite://Admin/jane", "\"Admin\" is no role"},
      {"closewrite://anybody/jane", "\"anybody\" is no role"},
      {"closewrite://jane@admin/jane", "\"jane@admin\" is no role"},
      {"closewrite://admin:7400/jane", "\"admin:7400\" is no role"},
      {"closewrite://admin", "has no name"},
      {"closewrite://admin?volume=v", "has no name"},
      {"closewrite://admin/", "admin name \"\" is not allowed; use 1 to 63 of a-z A-Z"},
      {"closewrite://admin//jane", "\"/jane\" is not allowed"},
      {"closewrite://admin/jane/", "\"jane/\" is not allowed"},
      {"closewrite://admin/jane#x", "\"jane#x\" is not allowed"},
      {"closewrite://admin/ja%6ee", "\"ja%6ee\" is not allowed"},
      {"closewrite://admin/ja ne", "\"ja ne\" is not allowed"},
      {"closewrite://admin/@jane", "\"@jane\" is not allowed"},
      {"closewrite://admin/jane\n", "\"jane\\n\" is not allowed"},
      {"closewrite://coordinator/", "coordinator has no name; use 1 to 63"},
      {"closewrite://coordinator/a@b", "coordinator name \"a@b\" is not allowed"},
      {"closewrite://watcher/../up?volume=v", "watcher name \"../up\" is not allowed"},
      {"closewrite://watcher/vm-b", "needs the volumes that it may be home of"},
      {"closewrite://watcher/vm-b?", "\"\" says nothing of the role watcher; write volume=NAME"},
      {"closewrite://watcher/vm-b?volume=", "volume has no name"},
      {"closewrite://watcher/vm-b?volume", "\"volume\" says nothing of the role watcher"},
      {"closewrite://watcher/vm-b?label=x", "\"label=x\" says nothing of the role watcher"},
      {"closewrite://watcher/vm-b?volume=a&", "\"\" says nothing of the role watcher"},
      {"closewrite://watcher/vm-b?volume=a&volume=a", "volume \"a\" is there twice"},
      {"closewrite://watcher/vm-b?volume=*&volume=a", "must be the only one"},
      {"closewrite://watcher/vm-b?volume=a*", "volume name \"a*\" is not allowed"},
      {"closewrite://watcher/vm-b?volume=a?volume=b", "\"a?volume=b\" is not allowed"},
      {"closewrite://executor/vm-c?volume=v", "write label=NAME"},
      {"closewrite://executor/vm-c?label=a;label=b", "\"a;label=b\" is not allowed"},
      {"closewrite://operator/jane?volume=v", "leave out \"?volume=v\""},
      {"closewrite://operator/jane?", "leave out \"?\""},
  };
  for (const auto& each : cases) {
    const auto parsed = ParseIdentity(each.uri);
    ASSERT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << each.uri;
    EXPECT_TRUE(absl::StrContains(parsed.status().message(), each.why)) << parsed.status();
    EXPECT_TRUE(absl::StrContains(parsed.status().message(), "it is closewrite://ROLE/NAME"));
  }
}

TEST(Identity, HasLimits) {
  EXPECT_TRUE(ParseIdentity(StrCat("closewrite://admin/", std::string(63, 'a'))).ok());
  EXPECT_FALSE(ParseIdentity(StrCat("closewrite://admin/", std::string(64, 'a'))).ok());
  EXPECT_FALSE(ParseIdentity(std::string("closewrite://admin/a\0b", 22)).ok());
  std::string uri = "closewrite://watcher/vm-b?volume=v0";
  for (size_t i = 1; i < kIdentityGrantsMax; ++i) StrAppend(&uri, "&volume=v", i);
  const auto full = ParseIdentity(uri);
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->grants.size(), kIdentityGrantsMax);
  EXPECT_TRUE(absl::StrContains(ParseIdentity(StrCat(uri, "&volume=x")).status().message(),
                                "more than 64 volumes"));
  EXPECT_TRUE(absl::StrContains(
      ParseIdentity(StrCat("closewrite://admin/", std::string(kIdentityUriBytesMax, 'a')))
          .status()
          .message(),
      "is longer than 8192 bytes"));
}

// The longest that can be issued can be read again.
TEST(Identity, WhatIsAllowedFits) {
  Identity identity{.role = Role::kWatcher, .name = std::string(63, 'h')};
  for (size_t i = 0; i < kIdentityGrantsMax; ++i) {
    identity.grants.push_back(StrCat(10 + i, std::string(61, 'v')));
  }
  ASSERT_TRUE(CheckIdentity(identity).ok());
  const auto parsed = ParseIdentity(IdentityUri(identity));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, identity);
}

TEST(Identity, WhatWasPutTogetherIsChecked) {
  EXPECT_FALSE(CheckIdentity({}).ok());
  EXPECT_FALSE(CheckIdentity({Role::kAnybody, "jane", {}}).ok());
  EXPECT_FALSE(CheckIdentity({Role::kViewer, "jane", {"v"}}).ok());
  EXPECT_FALSE(CheckIdentity({Role::kWatcher, "vm-b", {}}).ok());
  EXPECT_FALSE(CheckIdentity({Role::kWatcher, "vm-b", {"a&volume=b"}}).ok());
  EXPECT_FALSE(
      CheckIdentity({Role::kWatcher, "vm-b", std::vector<std::string>(65, std::string("v"))}).ok());
}

TEST(Identity, IsOneOfSeveralUris) {
  const auto one =
      IdentityOfUris({"spiffe://example.org/x", "closewrite://viewer/w", "https://example.org"});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->role, Role::kViewer);
  EXPECT_TRUE(
      absl::StrContains(IdentityOfUris({}).status().message(), "the certificate has no role"));
  EXPECT_TRUE(absl::StrContains(
      IdentityOfUris({"closewrite://viewer/w", "closewrite://admin/w"}).status().message(),
      "has two roles"));
  // What is nearly one of ours is no matter of taste.
  EXPECT_FALSE(IdentityOfUris({"closewrite://viewer/w", "CloseWrite:admin/w"}).ok());
  EXPECT_FALSE(IdentityOfUris({"closewrite:viewer/w"}).ok());
}

}  // namespace
}  // namespace closewrite

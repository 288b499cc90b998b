#include "services/cli/error_text.h"

#include "gtest/gtest.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

TEST(ErrorText, IsOneLine) {
  EXPECT_EQ(ErrorText(absl::NotFoundError("no job has the id 7")),
            "closewrite: no job has the id 7\n");
  EXPECT_EQ(ErrorText(absl::NotFoundError("a\nb")), "closewrite: a\\x0ab\n");
  EXPECT_EQ(ErrorText(absl::InternalError("")), "closewrite: INTERNAL\n");
}

TEST(ErrorText, AddsWhatOnlyTheDetailsSay) {
  absl::Status status = absl::InvalidArgumentError("the definition is wrong");
  status = WithField(status, "pipelines[0].run.command", "is empty; name a program");
  status = WithField(status, "pipelines[0].on.volume", "is missing");
  EXPECT_EQ(ErrorText(status),
            "closewrite: the definition is wrong\n"
            "  pipelines[0].run.command: is empty; name a program\n"
            "  pipelines[0].on.volume: is missing\n");
}

TEST(ErrorText, SaysNothingTwice) {
  const absl::Status status =
      WithField(absl::InvalidArgumentError("files[0].path is empty"), "files[0].path", "is empty");
  EXPECT_EQ(ErrorText(status), "closewrite: files[0].path is empty\n");
}

TEST(ErrorText, SuggestsTheNearestName) {
  const absl::Status missing = absl::NotFoundError("no pipeline enrihc");
  EXPECT_EQ(ErrorText(WithReason(missing, "NO_PIPELINE", {{"nearest", "enrich"}})),
            "closewrite: no pipeline enrihc\n  did you mean enrich?\n");
  const absl::Status said = absl::NotFoundError("no pipeline enrihc; did you mean \"enrich\"?");
  EXPECT_EQ(ErrorText(WithReason(said, "NO_PIPELINE", {{"nearest", "enrich"}})),
            "closewrite: no pipeline enrihc; did you mean \"enrich\"?\n");
}

TEST(ErrorText, AnInterruptNeedsNoWords) {
  EXPECT_EQ(ErrorText(absl::CancelledError("interrupted")), "");
}

}  // namespace
}  // namespace closewrite::cli

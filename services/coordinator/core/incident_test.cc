#include "services/coordinator/core/incident.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795344900);  // 2026-11-22 10:55:00 UTC

TroubleFor TroubleOf(const std::string& owner, const std::string& message) {
  return {.trouble = {{owner, AlertRule::kFailed, ""}, message},
          .to = {.emails = {"ops@example.org"}, .webhook = ""},
          .remind_every = absl::Hours(1)};
}

TEST(UpdateIncidentsTest, OneMessageFromTheBeginningToTheEnd) {
  std::vector<IncidentChange> changes = UpdateIncidents({}, {TroubleOf("a", "first")}, kNow);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].step, IncidentStep::kOpened);
  EXPECT_EQ(changes[0].incident.opened_at, kNow);
  EXPECT_EQ(changes[0].incident.to.emails, std::vector<std::string>{"ops@example.org"});
  const Incident open = changes[0].incident;
  // Other words are no other incident.
  EXPECT_TRUE(
      UpdateIncidents({open}, {TroubleOf("a", "second")}, kNow + absl::Minutes(59)).empty());
  changes = UpdateIncidents({open}, {}, kNow + absl::Minutes(59));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].step, IncidentStep::kCleared);
  EXPECT_EQ(changes[0].incident.cleared_at, kNow + absl::Minutes(59));
}

TEST(UpdateIncidentsTest, RemindersComeOnceInTheirTime) {
  const Incident open = UpdateIncidents({}, {TroubleOf("a", "first")}, kNow)[0].incident;
  std::vector<IncidentChange> changes =
      UpdateIncidents({open}, {TroubleOf("a", "second")}, kNow + absl::Hours(1));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].step, IncidentStep::kReminded);
  const Incident reminded = changes[0].incident;
  EXPECT_EQ(reminded.reminders, 1);
  EXPECT_EQ(reminded.message, "second");
  EXPECT_EQ(reminded.opened_at, kNow);
  EXPECT_TRUE(
      UpdateIncidents({reminded}, {TroubleOf("a", "x")}, kNow + absl::Minutes(119)).empty());
  EXPECT_EQ(UpdateIncidents({reminded}, {TroubleOf("a", "x")}, kNow + absl::Hours(2)).size(), 1u);
}

// A coordinator that has just started does not know yet who will come: it called an end what went
// on, and told of it anew a moment later.
TEST(UpdateIncidentsTest, NothingBeginsOrEndsInDoubt) {
  TroubleFor doubt = TroubleOf("a", "first");
  const Incident open = UpdateIncidents({}, {doubt}, kNow)[0].incident;
  doubt.trouble.in_doubt = true;
  EXPECT_TRUE(UpdateIncidents({}, {doubt}, kNow).empty());
  EXPECT_TRUE(UpdateIncidents({open}, {doubt}, kNow + absl::Hours(9)).empty());
}

TEST(UpdateIncidentsTest, WhoeverWasToldIsToldOfTheEnd) {
  const Incident open = UpdateIncidents({}, {TroubleOf("a", "first")}, kNow)[0].incident;
  const auto changes = UpdateIncidents({open}, {TroubleOf("b", "another")}, kNow);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].step, IncidentStep::kCleared);
  EXPECT_EQ(changes[0].incident.to.emails, std::vector<std::string>{"ops@example.org"});
  EXPECT_EQ(changes[1].step, IncidentStep::kOpened);
  EXPECT_EQ(changes[1].incident.key.owner, "b");
}

TEST(IncidentTextTest, SaysWhatIsWrongAndWhatToDo) {
  IncidentChange change = UpdateIncidents({}, {TroubleOf("a", "all is lost")}, kNow)[0];
  EXPECT_EQ(IncidentSubject(change), "[closewrite] pipeline a: failed jobs");
  EXPECT_EQ(IncidentText(change),
            "all is lost\n\n"
            "To look closer: closewrite jobs --pipeline a --state failed; closewrite explain JOB; "
            "closewrite redrive JOB\n\n"
            "You will be reminded every 1h, and told when it is over.\n");
  change = UpdateIncidents({change.incident}, {}, kNow + absl::Minutes(2))[0];
  EXPECT_EQ(IncidentSubject(change), "[closewrite] all clear: pipeline a: failed jobs");
  EXPECT_EQ(IncidentText(change),
            "This is over:\n\n  all is lost\n\nIt began at 2026-11-22 10:55:00 UTC and lasted "
            "2m.\n");
  change.step = IncidentStep::kReminded;
  change.incident.key = {"task/load", AlertRule::kExecutorLost, "vm-c-1"};
  EXPECT_EQ(IncidentSubject(change), "[closewrite] still: task load: executor lost vm-c-1");
}

}  // namespace
}  // namespace closewrite

#include "services/cli/lock/lock_text.h"

#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// What has the claim, without where.
std::string WhoText(const v1::LockClaim& claim) {
  if (claim.session_id().empty()) {
    return StrCat("job ", claim.job_id(), claim.pipeline().empty() ? "" : " of ", claim.pipeline());
  }
  return claim.program().program().empty() ? "a program" : claim.program().program();
}

std::string WhereText(const v1::LockProgram& program) {
  return StrCat(program.host(), program.pid() == 0 ? "" : StrCat(":", program.pid()));
}

class Rows {
 public:
  explicit Rows(Invocation& invocation) : invocation_(invocation), table_(Columns()) {}

  void Add(const v1::Lock& lock) {
    for (const v1::LockClaim& claim : lock.holders()) AddCells(lock, claim, "holds");
    if (lock.holders().empty()) AddCells(lock, v1::LockClaim(), "free");
    if (!invocation_.wide()) return;
    int place = 0;
    for (const v1::LockClaim& claim : lock.waiters()) {
      AddCells(lock, claim, StrCat("waits, ", ++place, "."));
    }
  }

  Table&& Take() { return std::move(table_); }

 private:
  std::vector<Column> Columns() const {
    std::vector<Column> columns = {{"LOCK"},  {"HELD", true}, {"WAITING", true},
                                   {"STATE"}, {"SINCE"},      {"ON"}};
    if (invocation_.wide()) {
      for (const Column& column :
           std::vector<Column>{{"USER"}, {"TOKEN", true}, {"PRIORITY", true}, {"SESSION"}}) {
        columns.push_back(column);
      }
    }
    columns.push_back({"BY"});
    return columns;
  }

  void AddCells(const v1::Lock& lock, const v1::LockClaim& claim, const std::string& state) {
    const bool some = state != "free";
    const bool holds = claim.token() != 0;
    std::vector<Cell> cells = {
        {lock.name()},
        {StrCat(lock.holders_size(), "/", lock.capacity())},
        {StrCat(lock.waiting())},
        {state, holds  ? Color::kGreen
                : some ? Color::kYellow
                       : Color::kNone},
        {invocation_.When(holds ? claim.has_held_since() : claim.has_asked_at(),
                          holds ? claim.held_since() : claim.asked_at())},
        {WhereText(claim.program())}};
    if (invocation_.wide()) {
      cells.emplace_back(claim.program().user());
      cells.emplace_back(holds ? StrCat(claim.token()) : "");
      cells.emplace_back(some ? StrCat(claim.priority()) : "");
      cells.emplace_back(claim.session_id());
    }
    cells.emplace_back(some ? WhoText(claim) : "");
    table_.Add(std::move(cells));
  }

  Invocation& invocation_;
  Table table_;
};

}  // namespace

std::string ClaimText(const v1::LockClaim& claim) {
  const v1::LockProgram& program = claim.program();
  std::string text = WhoText(claim);
  if (!program.host().empty()) StrAppend(&text, " on ", program.host());
  std::string more = program.pid() == 0 ? "" : StrCat("pid ", program.pid());
  if (!program.user().empty()) StrAppend(&more, more.empty() ? "" : ", ", program.user());
  return more.empty() ? text : StrCat(text, " (", more, ")");
}

std::string LockText(const v1::Lock& lock) {
  std::string text = lock.holders().empty() ? "free" : "held by ";
  for (const v1::LockClaim& claim : lock.holders()) {
    StrAppend(&text, &claim == &lock.holders(0) ? "" : ", and by ", ClaimText(claim), ", token ",
              claim.token());
  }
  if (lock.waiting() > 0) {
    StrAppend(&text, "; ", lock.waiting(), lock.waiting() == 1 ? " waits" : " wait");
  }
  return text;
}

Table LockTable(Invocation& invocation, const std::vector<v1::Lock>& locks) {
  Rows rows(invocation);
  for (const v1::Lock& lock : locks) rows.Add(lock);
  return rows.Take();
}

}  // namespace closewrite::cli

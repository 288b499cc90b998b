#include "services/cli/records.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

std::vector<Column> Headings(const std::vector<std::string>& names) {
  std::vector<Column> columns;
  columns.reserve(names.size());
  for (const std::string& name : names) columns.push_back({.heading = name});
  return columns;
}

}  // namespace

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  return StrCat("\"", absl::StrReplaceAll(ToAbsl(text), {{"\"", "\"\""}}), "\"");
}

Records::Records(Invocation& invocation, std::vector<std::string> columns)
    : invocation_(invocation), table_(Headings(columns)) {
  if (invocation_.format() != Format::kCsv) return;
  for (std::string& column : columns) absl::AsciiStrToLower(&column);
  PrintCsv(columns);
}

std::string Records::When(bool is_set, const google::protobuf::Timestamp& time) const {
  if (invocation_.format() != Format::kCsv) return invocation_.When(is_set, time);
  return is_set ? Rfc3339(ToTime(time)) : "";
}

void Records::Add(const google::protobuf::Message& message, const std::vector<std::string>& cells) {
  if (invocation_.json()) return invocation_.PrintJson(ToJson(message));
  if (invocation_.format() == Format::kCsv) return PrintCsv(cells);
  std::vector<Cell> row;
  row.reserve(cells.size());
  for (const std::string& cell : cells) row.emplace_back(cell);
  table_.Add(std::move(row));
}

void Records::Print() {
  const Format format = invocation_.format();
  if (format == Format::kTable || format == Format::kWide) {
    table_.Print(invocation_.out(), invocation_.style());
  }
}

void Records::PrintCsv(const std::vector<std::string>& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    invocation_.out() << (i == 0 ? "" : ",") << CsvField(cells[i]);
  }
  invocation_.out() << "\n";
}

}  // namespace closewrite::cli

// Lists that programs in many languages read: a table, JSON, or CSV.
#ifndef SERVICES_CLI_RECORDS_H_
#define SERVICES_CLI_RECORDS_H_

#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/message.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// As RFC 4180 has a field, but for the end of a line, which is a newline alone.
std::string CsvField(std::string_view text);

// Prints JSON and CSV as it comes, and a table at the end. CSV has the names of the columns first,
// in lower case.
class Records {
 public:
  Records(Invocation& invocation, std::vector<std::string> columns);

  // A time for a cell: as tables have it, and in CSV always RFC 3339.
  std::string When(bool is_set, const google::protobuf::Timestamp& time) const;
  void Add(const google::protobuf::Message& message, const std::vector<std::string>& cells);
  void Print();

 private:
  void PrintCsv(const std::vector<std::string>& cells);

  Invocation& invocation_;
  Table table_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_RECORDS_H_

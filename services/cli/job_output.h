// Jobs on stdout, in each format.
#ifndef SERVICES_CLI_JOB_OUTPUT_H_
#define SERVICES_CLI_JOB_OUTPUT_H_

#include <string>
#include <vector>

#include "closewrite/v1/job.pb.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// SUCCEEDED, FAILED or CANCELLED: nothing happens to it unless somebody asks.
bool IsFinal(const v1::Job& job);

// "running", coloured by how it should make one feel.
Cell StateCell(const v1::Job& job);

// Why it waits, or why it ended as it did; "" when there is nothing to say.
std::string WhyText(const v1::Job& job);

// "41 42 43".
std::string JobIdsText(const std::vector<int64_t>& job_ids);

// Rows of a table that are collected so that its columns fit.
inline constexpr size_t kTableRowsMax = 1000;

// Prints jobs as -o says: a table, one object a line, or ids alone. All but a table is printed at
// once. Used by one thread.
class JobPrinter {
 public:
  // `live`: a table whose rows come one by one for as long as somebody watches.
  JobPrinter(Invocation& invocation, Format fallback, bool live = false);

  void Add(const v1::Job& job);
  // Prints what was collected, and the headings of a table if they were not yet printed.
  void Flush();

 private:
  Invocation& invocation_;
  const Format format_;
  Table table_;
  size_t rows_ = 0;  // in the table, not printed yet
};

// The same for all of them.
void PrintJobs(Invocation& invocation, const std::vector<v1::Job>& jobs, Format fallback);

// Prints one job with its attempts.
void PrintJob(Invocation& invocation, const v1::GetJobResponse& story);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_JOB_OUTPUT_H_

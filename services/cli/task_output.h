// Tasks and their runs on stdout, in each format.
#ifndef SERVICES_CLI_TASK_OUTPUT_H_
#define SERVICES_CLI_TASK_OUTPUT_H_

#include <string>
#include <vector>

#include "services/cli/invocation.h"

namespace closewrite::cli {

bool RunsNow(const v1::TaskStatus& task);

// Its period or crontab line; "" for one that runs for ever or by hand.
std::string PeriodText(const v1::Task& task);

void PrintTasks(Invocation& invocation, const std::vector<v1::TaskStatus>& tasks);

// One, with its definition, for people.
void PrintTask(Invocation& invocation, const v1::TaskStatus& task);

// As jobs, where -o says so.
void PrintRuns(Invocation& invocation, const std::vector<v1::Job>& runs);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TASK_OUTPUT_H_

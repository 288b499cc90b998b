#include "services/cli/all_commands.h"

#include "services/cli/alert_commands.h"
#include "services/cli/audit_command.h"
#include "services/cli/certs/certs_commands.h"
#include "services/cli/certs/token_command.h"
#include "services/cli/completion_command.h"
#include "services/cli/event_commands.h"
#include "services/cli/fleet_commands.h"
#include "services/cli/jobs_commands.h"
#include "services/cli/lock/lock_commands.h"
#include "services/cli/lock/rate_commands.h"
#include "services/cli/monitor_commands.h"
#include "services/cli/pipeline_commands.h"
#include "services/cli/progress_commands.h"
#include "services/cli/settings_commands.h"
#include "services/cli/story_commands.h"
#include "services/cli/submit_commands.h"
#include "services/cli/task_commands.h"

namespace closewrite::cli {

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (const auto& group :
       {PipelineCommands(), TaskCommands(), SubmitCommands(), JobsCommands(), StoryCommands(),
        EventCommands(), FleetCommands(), LockCommands(), RateCommands(), ProgressCommands(),
        MonitorCommands(), AlertCommands(), std::vector<Command>{AuditCommand()}, CertsCommands(),
        TokenCommands(), SettingsCommands(), CompletionCommands()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

}  // namespace closewrite::cli

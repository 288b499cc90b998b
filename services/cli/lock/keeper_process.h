// The process that keeps a command from outliving its lock.
#ifndef SERVICES_CLI_LOCK_KEEPER_PROCESS_H_
#define SERVICES_CLI_LOCK_KEEPER_PROCESS_H_

namespace closewrite::cli {

// Takes orders from `socket`, see keeper_protocol.h, starts `command` when it is told to, and
// returns when nothing is left of it, or when it is not to be started any more. For a process that
// has just been forked and has no threads; what it has open, the command has too.
void RunKeeper(int socket, char** command);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_KEEPER_PROCESS_H_

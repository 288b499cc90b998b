// What is in the memory of a service stays there.
#ifndef SERVICES_CONFIG_CORE_DUMP_H_
#define SERVICES_CONFIG_CORE_DUMP_H_

namespace closewrite {

// From now on this process leaves no core file, and other processes of its user, who are not root,
// can't look into it: neither by ptrace(2) nor at its environment, memory and open files below
// /proc. Programs that it executes are as they always are. For the first line of a service's main,
// before it knows a secret.
void ForbidCoreDumps();

}  // namespace closewrite

#endif  // SERVICES_CONFIG_CORE_DUMP_H_

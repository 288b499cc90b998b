// What execve(2) means by ENOENT: the program is not there, or what it asks for is not.
#ifndef SERVICES_EXECUTOR_MISSING_PROGRAM_H_
#define SERVICES_EXECUTOR_MISSING_PROGRAM_H_

#include <string>

namespace closewrite::executor {

// Where a command was to be started.
struct ProgramPlace {
  std::string host;       // its name
  std::string path;       // PATH of the command; "": not known
  std::string directory;  // its working directory, as an absolute path; "": not known
};

// The file that is run by this name, as execvp(3) finds it; "" when there is none.
std::string FindProgram(const std::string& program, const ProgramPlace& place);

// One sentence for people: what is missing, where, and what to do. Looks at the program as it is
// now.
std::string DescribeMissingProgram(const std::string& program, const ProgramPlace& place);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_MISSING_PROGRAM_H_

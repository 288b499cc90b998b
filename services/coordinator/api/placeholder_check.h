// Words in braces that nobody fills in: a command would get them as they stand.
#ifndef SERVICES_COORDINATOR_API_PLACEHOLDER_CHECK_H_
#define SERVICES_COORDINATOR_API_PLACEHOLDER_CHECK_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "closewrite/v1/pipeline.pb.h"
#include "services/coordinator/api/violations.h"

namespace closewrite {

// Refuses what looks like a placeholder in `run.command` and is none, and any in a path, where none
// is filled in. `prefix` stands before the names of fields. For definitions that are asked for:
// what was stored by a version that did not look stays good.
//
// Left alone are the shell's `${name}`, `{{word}}`, braces with anything but one word in them, such
// as `{print $1}` and `{ print }`, and words that stand behind a letter, a digit or one of `@\)]}`
// (`\p{alpha}`, `$h{key}`, `stash@{u}`) and are near to no placeholder.
void CheckPlaceholders(const v1::Run& run, std::string_view prefix, Violations* violations);

// Placeholders in `run.env`, where none is filled in: a sentence each. A value may be meant so.
std::vector<std::string> PlaceholdersInEnvironment(const std::map<std::string, std::string>& env);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_PLACEHOLDER_CHECK_H_

// Which commit this program was built from.
#ifndef SERVICES_VERSION_COMMIT_H_
#define SERVICES_VERSION_COMMIT_H_

#include <string_view>

namespace closewrite {

// Its first 12 digits, with a + when files were changed since; `unknown` when it was not built in a
// git repository.
std::string_view Commit();

}  // namespace closewrite

#endif  // SERVICES_VERSION_COMMIT_H_

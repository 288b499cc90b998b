// Whether a file is what its name says, by its content.
#ifndef SERVICES_PORTAL_FILE_KIND_H_
#define SERVICES_PORTAL_FILE_KIND_H_

#include <string>
#include <string_view>

namespace closewrite::portal {

// `head`: its first bytes, 4096 where there are so many. "" when the content may be what the end of
// the name says, or that end says nothing; otherwise what is wrong, in a sentence.
std::string WrongKind(std::string_view name, std::string_view head);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_FILE_KIND_H_

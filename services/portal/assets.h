// Files that pages need, which travel inside the program.
#ifndef SERVICES_PORTAL_ASSETS_H_
#define SERVICES_PORTAL_ASSETS_H_

#include <string>
#include <string_view>

namespace closewrite::portal {

struct Asset {
  std::string_view type;
  std::string_view body;
};

// By its name, such as `portal.css`; nullptr: there is none.
const Asset* FindAsset(std::string_view name);
// `/assets/portal.css?v=…`: another one for another content, so that browsers may keep it.
std::string AssetPath(std::string_view name);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_ASSETS_H_

// Text of others in a page.
#ifndef SERVICES_PAGE_HTML_TEXT_H_
#define SERVICES_PAGE_HTML_TEXT_H_

#include <string>
#include <string_view>

namespace closewrite {

// Any bytes, so that they stand for nothing but themselves in HTML and in SVG, between tags and in
// quoted attributes: & < > " ' are escaped; control characters and bytes that are not UTF-8 become
// `\xNN`; what turns the direction of writing becomes `\u202e`.
std::string HtmlText(std::string_view text);

}  // namespace closewrite

#endif  // SERVICES_PAGE_HTML_TEXT_H_

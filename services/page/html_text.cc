#include "services/page/html_text.h"

#include "absl/strings/str_replace.h"
#include "services/text/text_width.h"

namespace closewrite {

std::string HtmlText(std::string_view text) {
  return absl::StrReplaceAll(Printable(text), {{"&", "&amp;"},
                                               {"<", "&lt;"},
                                               {">", "&gt;"},
                                               {"\"", "&quot;"},
                                               {"'", "&#39;"},
                                               // UAX #9: embeddings, overrides and isolates.
                                               {"\u202a", "\\u202a"},
                                               {"\u202b", "\\u202b"},
                                               {"\u202c", "\\u202c"},
                                               {"\u202d", "\\u202d"},
                                               {"\u202e", "\\u202e"},
                                               {"\u2066", "\\u2066"},
                                               {"\u2067", "\\u2067"},
                                               {"\u2068", "\\u2068"},
                                               {"\u2069", "\\u2069"}});
}

}  // namespace closewrite

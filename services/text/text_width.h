// How much room text takes, and what of it can be shown.
#ifndef SERVICES_TEXT_TEXT_WIDTH_H_
#define SERVICES_TEXT_TEXT_WIDTH_H_

#include <string>
#include <string_view>
#include <vector>

namespace closewrite {

// Columns that a terminal needs for UTF-8 text. Emoji that are joined, coloured or chosen by
// variation selectors count as one, as newer terminals show them.
int TextWidth(std::string_view text);

// The longest prefix of `text` that fits into `width` columns, ending in an ellipsis when it was
// cut; never within what is shown as one character.
std::string Shorten(std::string_view text, int width);

// `text` in lines of at most `width` columns, broken at blanks; a word that is longer has its line,
// and is cut.
std::vector<std::string> Wrap(std::string_view text, int width);

// `text` without what could command a terminal: control characters (C0, DEL, C1) and bytes that are
// not UTF-8 become `\xNN`. For text of other machines, which may quote the name of a file.
std::string Printable(std::string_view text);

}  // namespace closewrite

#endif  // SERVICES_TEXT_TEXT_WIDTH_H_

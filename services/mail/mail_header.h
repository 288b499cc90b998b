// Header fields of mail (RFC 5322), which are ASCII and have short lines whatever they say.
#ifndef SERVICES_MAIL_MAIL_HEADER_H_
#define SERVICES_MAIL_MAIL_HEADER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace closewrite {

// Whether `text` may stand in a header field: anything but CR, LF and NUL, which would end it.
bool IsHeaderText(std::string_view text);
// Whether `name` is the name of a header field.
bool IsHeaderName(std::string_view name);

// All of these give `Name: value` without a line's end behind it. What they are given must have
// been checked by the above.
//
// The value as people will read it: words of plain ASCII as they are, folded at spaces, anything
// else as encoded words (RFC 2047) of UTF-8.
std::string MailTextHeader(std::string_view name, std::string_view value);
// Of addresses that are IsMailAddress, one a line.
std::string MailAddressHeader(std::string_view name, const std::vector<std::string>& addresses);
// In UTC.
std::string MailDateHeader(absl::Time date);
// Says that a part is an attachment, and what its file is called (RFC 2231).
std::string MailAttachmentHeader(std::string_view file_name);

// UTF-8 whatever it is: bytes that make none become U+FFFD.
std::string ToUtf8(std::string_view text);

}  // namespace closewrite

#endif  // SERVICES_MAIL_MAIL_HEADER_H_

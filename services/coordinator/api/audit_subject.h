// What a call was about, for people.
#ifndef SERVICES_COORDINATOR_API_AUDIT_SUBJECT_H_
#define SERVICES_COORDINATOR_API_AUDIT_SUBJECT_H_

#include <cstddef>
#include <string>

#include "google/protobuf/message.h"

namespace closewrite {

// Stated in closewrite/v1/audit.proto.
inline constexpr size_t kSubjectBytesMax = 1000;
// Of one text in it.
inline constexpr size_t kSubjectTextBytesMax = 200;
// Of a repeated field so many are named.
inline constexpr int kSubjectNamedMax = 10;

// What a request names: `job_ids 41, 42; reason a wrong file`. Its own fields, of the messages in
// it the `name` alone, or how many there are. So no value of an environment, no command and no
// definition gets in; what may be secret by itself, such as a key or the address of a webhook, is
// left out by name. Valid UTF-8 without control characters.
std::string AuditSubject(const google::protobuf::Message& request);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_AUDIT_SUBJECT_H_

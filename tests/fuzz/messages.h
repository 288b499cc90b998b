// What must hold of each message that goes out, whatever has come in before.
#ifndef TESTS_FUZZ_MESSAGES_H_
#define TESTS_FUZZ_MESSAGES_H_

#include <google/protobuf/message.h>

#include <string_view>

namespace closewrite {

// Whoever gets it can read it, and print it as JSON: its texts are UTF-8, its times are times.
void RequireReadable(const google::protobuf::Message& message, std::string_view what);

// The library says on stderr what it refuses, which here is most of what comes.
void QuietProtobuf();

}  // namespace closewrite

#endif  // TESTS_FUZZ_MESSAGES_H_

#include "services/config/enum_name.h"

#include <string>
#include <vector>

#include "closewrite/v1/file.pb.h"
#include "closewrite/v1/pipeline.pb.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(EnumNameTest, ShortNames) {
  EXPECT_EQ(ShortNames(*v1::When_descriptor())[0], "close_write");
  EXPECT_EQ(ShortNames(*v1::OnNewVersion_descriptor()),
            (std::vector<std::string>{"queue", "supersede", "ignore"}));
}

TEST(EnumNameTest, ShortNamesParseBack) {
  const auto* type = v1::EventKind_descriptor();
  for (int i = 1; i < type->value_count(); ++i) {
    const auto value = ParseEnum(*type, ShortName(*type->value(i)));
    ASSERT_TRUE(value.ok()) << value.status();
    EXPECT_EQ(*value, type->value(i));
  }
}

TEST(EnumNameTest, OtherSpellings) {
  for (const char* text : {"moved_to", "MOVED_TO", "Moved_To", "EVENT_KIND_MOVED_TO", "2"}) {
    const auto value = ParseEnum(*v1::EventKind_descriptor(), text);
    ASSERT_TRUE(value.ok()) << value.status();
    EXPECT_EQ((*value)->number(), v1::EVENT_KIND_MOVED_TO);
  }
}

TEST(EnumNameTest, SuggestsWhatTheEnumHas) {
  const struct {
    std::string word, suggestion;
  } kCases[] = {
      {"IN_CREATED",
       "\"create\"? (the kernel's name is IN_CREATE, which comes before the data is there; "
       "close_write waits for it)"},
      {"IN_MOVED_TO", "\"moved_to\"?"},
      {"renamed", "\"moved_to\"? (the kernel's name is IN_MOVED_TO)"},
      {"removed", "\"delete\"? (the kernel's name is IN_DELETE)"},
      {"close", "\"close_write\"? (the kernel's name is IN_CLOSE_WRITE)"},
      {"moved_form", "\"moved_from\"?"},
      {"nonsense", "known are close_write, moved_to, create, delete, moved_from, attrib"},
      {"unspecified", "known are close_write"},
      {"", "known are close_write"},
      {"99", "known are close_write"},
  };
  for (const auto& c : kCases) {
    const auto value = ParseEnum(*v1::EventKind_descriptor(), c.word);
    ASSERT_FALSE(value.ok());
    EXPECT_NE(std::string(value.status().message()).find(c.suggestion), std::string::npos)
        << value.status();
  }
}

}  // namespace
}  // namespace closewrite

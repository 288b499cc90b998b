// A folder for a test's files.
#ifndef SERVICES_COORDINATOR_STORE_TEST_FOLDER_H_
#define SERVICES_COORDINATOR_STORE_TEST_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"

namespace closewrite {

// Made anew, and removed at the end with what is in it.
class TestFolder {
 public:
  TestFolder() {
    std::string name = absl::StrCat(testing::TempDir(), "store_XXXXXX");
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string file() const { return absl::StrCat(path_, "/c.db"); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_TEST_FOLDER_H_

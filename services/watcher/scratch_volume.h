// A folder for tests, with the ways in which files come into one.
#ifndef SERVICES_WATCHER_SCRATCH_VOLUME_H_
#define SERVICES_WATCHER_SCRATCH_VOLUME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "services/volume/file_system.h"

namespace closewrite::watcher {

// A directory that goes with the object. Paths are relative to it. Failures end the test's process.
class ScratchVolume {
 public:
  ScratchVolume();
  ~ScratchVolume();

  const std::string& path() const { return path_; }
  std::string Absolute(std::string_view path) const;

  // Creates or truncates, writes, closes.
  void Write(std::string_view path, std::string_view content) const;
  void Append(std::string_view path, std::string_view content) const;
  // Opens for writing and leaves it open.
  Fd OpenForWriting(std::string_view path, std::string_view content) const;
  void MakeDirectory(std::string_view path) const;  // with its parents
  void Rename(std::string_view from, std::string_view to) const;
  void Link(std::string_view from, std::string_view to) const;
  void Remove(std::string_view path) const;  // with all that is in it
  void SetMtime(std::string_view path, int64_t seconds) const;

  bool Exists(std::string_view path) const;
  std::string Read(std::string_view path) const;  // "" when it is not there
  int64_t MtimeNs(std::string_view path) const;

 private:
  std::string path_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_SCRATCH_VOLUME_H_

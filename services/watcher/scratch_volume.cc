#include "services/watcher/scratch_volume.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

void Demand(bool ok, const char* what) {
  if (ok) return;
  perror(what);
  abort();
}

void WriteAll(int fd, std::string_view content) {
  Demand(write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()),
         "write");
}

}  // namespace

ScratchVolume::ScratchVolume() {
  const char* base = getenv("TEST_TMPDIR");
  std::string name = StrCat(base == nullptr ? "/tmp" : base, "/volume-XXXXXX");
  Demand(mkdtemp(name.data()) != nullptr, "mkdtemp");
  path_ = name;
}

ScratchVolume::~ScratchVolume() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchVolume::Absolute(std::string_view path) const {
  return StrCat(path_, "/", path);
}

void ScratchVolume::Write(std::string_view path, std::string_view content) const {
  const Fd fd(open(Absolute(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  Demand(fd.ok(), "open");
  WriteAll(fd.get(), content);
}

void ScratchVolume::Append(std::string_view path, std::string_view content) const {
  const Fd fd(open(Absolute(path).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  Demand(fd.ok(), "open");
  WriteAll(fd.get(), content);
}

Fd ScratchVolume::OpenForWriting(std::string_view path, std::string_view content) const {
  Fd fd(open(Absolute(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  Demand(fd.ok(), "open");
  WriteAll(fd.get(), content);
  return fd;
}

void ScratchVolume::MakeDirectory(std::string_view path) const {
  std::filesystem::create_directories(Absolute(path));
}

void ScratchVolume::Rename(std::string_view from, std::string_view to) const {
  Demand(rename(Absolute(from).c_str(), Absolute(to).c_str()) == 0, "rename");
}

void ScratchVolume::Link(std::string_view from, std::string_view to) const {
  Demand(link(Absolute(from).c_str(), Absolute(to).c_str()) == 0, "link");
}

void ScratchVolume::Remove(std::string_view path) const {
  std::filesystem::remove_all(Absolute(path));
}

void ScratchVolume::SetMtime(std::string_view path, int64_t seconds) const {
  // Both times, as most tools do. With the access time left out the kernel says IN_MODIFY instead
  // of IN_ATTRIB (include/linux/fsnotify.h, fsnotify_dentry).
  timespec times[2] = {{seconds, 0}, {seconds, 0}};
  Demand(utimensat(AT_FDCWD, Absolute(path).c_str(), times, 0) == 0, "utimensat");
}

bool ScratchVolume::Exists(std::string_view path) const {
  struct stat st;
  return lstat(Absolute(path).c_str(), &st) == 0;
}

std::string ScratchVolume::Read(std::string_view path) const {
  std::ifstream in(Absolute(path), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

int64_t ScratchVolume::MtimeNs(std::string_view path) const {
  struct stat st;
  Demand(lstat(Absolute(path).c_str(), &st) == 0, "lstat");
  return closewrite::MtimeNs(st);
}

}  // namespace closewrite::watcher

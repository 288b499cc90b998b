// Uploads on their way: files in the staging directories of mounted volumes.
#ifndef SERVICES_PORTAL_STAGING_AREA_H_
#define SERVICES_PORTAL_STAGING_AREA_H_

#include <openssl/evp.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/volume/file_system.h"

namespace closewrite::portal {

// Uploads that are held open; of the others the file tells all.
inline constexpr size_t kStagedOpenMax = 512;
inline constexpr absl::Duration kStagedIdleMax = absl::Minutes(5);
// From the beginning of a file, kept to tell what kind it is.
inline constexpr size_t kStagedHeadBytes = 4096;

// One upload's file, hashed as it grows. Used by one thread at a time.
class StagedUpload {
 public:
  // Opens or makes `.closewrite/staging/0/<number>/content` below `root`, an absolute path. What is
  // there already, from before the portal was started, is read and hashed. NOT_FOUND: the volume is
  // not what is mounted there.
  static absl::StatusOr<std::unique_ptr<StagedUpload>> Open(const std::string& root,
                                                            int64_t number);

  int64_t size() const { return size_; }
  const std::string& head() const { return head_; }  // the first bytes

  // RESOURCE_EXHAUSTED: the disk is full; what was written before stays.
  absl::Status Append(const char* data, size_t size);
  // Everything is to last from now on. Returns the SHA-256.
  absl::StatusOr<std::string> Seal();

 private:
  using Hash = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

  StagedUpload() : hash_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {}
  absl::Status HashWhatIsThere();

  Fd root_;
  Fd file_;
  std::string directory_;
  int64_t size_ = 0;
  std::string head_;
  Hash hash_;
};

// Thread-safe.
class StagingArea {
 public:
  // An upload that nobody else writes to, until it is let go.
  class Lease {
   public:
    Lease(StagingArea* area, int64_t number, StagedUpload* upload)
        : area_(area), number_(number), upload_(upload) {}
    Lease(Lease&& other) noexcept
        : area_(other.area_), number_(other.number_), upload_(other.upload_) {
      other.area_ = nullptr;
    }
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (area_ != nullptr) area_->Release(number_);
    }
    StagedUpload* operator->() const { return upload_; }

   private:
    StagingArea* area_;
    int64_t number_;
    StagedUpload* upload_;
  };

  // ABORTED: somebody writes to it. RESOURCE_EXHAUSTED: too many are open.
  absl::StatusOr<Lease> Take(const std::string& root, int64_t number, absl::Time now);
  // It is done with.
  void Forget(int64_t number);

 private:
  struct Entry {
    std::unique_ptr<StagedUpload> upload;
    bool taken = true;
    bool forgotten = false;
    absl::Time used_at;
  };
  void Release(int64_t number);

  absl::Mutex mutex_;
  std::map<int64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_STAGING_AREA_H_

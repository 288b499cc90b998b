#include "services/http/http_client.h"

#include <curl/curl.h>

#include <algorithm>

#include "services/http/curl_library.h"

namespace closewrite {
namespace {

size_t TakeBody(const char* data, size_t size, size_t count, void* answer) {
  std::string& body = static_cast<HttpAnswer*>(answer)->body;
  const size_t bytes = size * count;
  body.append(data,
              std::min(bytes, kHttpAnswerBytesMax - std::min(kHttpAnswerBytesMax, body.size())));
  return bytes;
}

int AskWhetherToStop(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(stop))() ? 1 : 0;
}

long Milliseconds(absl::Duration duration) {  // NOLINT(google-runtime-int): libcurl's type
  return static_cast<long>(absl::ToInt64Milliseconds(duration));
}

}  // namespace

std::string HttpAnswer::Shown() const {
  return "HTTP " + std::to_string(code) + " " + body.substr(0, kHttpShownBytesMax);
}

struct HttpClient::Handle {
  CURL* curl = InitializeCurl() ? curl_easy_init() : nullptr;
  char error[CURL_ERROR_SIZE] = {};
  ~Handle() { curl_easy_cleanup(curl); }
};

HttpClient::HttpClient() : handle_(std::make_unique<Handle>()) {}

HttpClient::~HttpClient() = default;

absl::StatusOr<HttpAnswer> HttpClient::Send(const HttpRequest& request,
                                            const std::function<bool()>& stop) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return absl::InternalError("libcurl can't be initialized");
  curl_easy_reset(curl);  // keeps connections
  HttpAnswer answer;
  curl_slist* headers = nullptr;
  for (const std::string& header : request.headers) {
    headers = curl_slist_append(headers, header.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  if (!request.body.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (!request.username.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));  // NOLINT
    curl_easy_setopt(curl, CURLOPT_USERNAME, request.username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request.password.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(request.connect_timeout));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, Milliseconds(request.timeout));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, handle_->error);
  if (stop != nullptr) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, AskWhetherToStop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &stop);
  }
  handle_->error[0] = '\0';
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  if (code == CURLE_ABORTED_BY_CALLBACK) return absl::CancelledError("stopped");
  if (code != CURLE_OK) {
    return absl::UnavailableError(handle_->error[0] == '\0' ? curl_easy_strerror(code)
                                                            : handle_->error);
  }
  long http_code = 0;  // NOLINT(google-runtime-int): libcurl's type
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http_code);
  answer.code = static_cast<int>(http_code);
  return answer;
}

}  // namespace closewrite

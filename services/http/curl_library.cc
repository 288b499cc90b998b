#include "services/http/curl_library.h"

#include <curl/curl.h>

namespace closewrite {

// https://curl.se/libcurl/c/curl_global_init.html: once, before any other thread may use it; a
// static is initialized by one thread.
bool InitializeCurl() {
  static const bool initialized = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return initialized;
}

}  // namespace closewrite

// What all users of libcurl in one process share.
#ifndef SERVICES_HTTP_CURL_LIBRARY_H_
#define SERVICES_HTTP_CURL_LIBRARY_H_

namespace closewrite {

// To be called before anything else of libcurl's; the first call initializes it. False when that
// failed. Thread-safe.
bool InitializeCurl();

}  // namespace closewrite

#endif  // SERVICES_HTTP_CURL_LIBRARY_H_

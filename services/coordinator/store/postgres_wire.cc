#include "services/coordinator/store/postgres_wire.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// Types of a stock PostgreSQL (src/include/catalog/pg_type.dat).
constexpr uint32_t kBytea = 17;
constexpr uint32_t kInt8 = 20;
constexpr uint32_t kUuid = 2950;

constexpr int64_t kPastNs = std::numeric_limits<int64_t>::min();
constexpr int64_t kFutureNs = std::numeric_limits<int64_t>::max();

template <size_t kBytes>
std::array<char, kBytes> BigEndian(uint64_t value) {
  std::array<char, kBytes> bytes;
  for (size_t i = 0; i < kBytes; ++i) {
    bytes[i] = static_cast<char>((value >> (8 * (kBytes - 1 - i))) & 0xff);
  }
  return bytes;
}

template <size_t kBytes>
std::string_view View(const std::array<char, kBytes>& bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

PostgresHash HashOf(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  PostgresHash hash;
  std::memcpy(hash.bytes.data(), digest, hash.bytes.size());
  return hash;
}

PostgresHash HashOf(std::string_view first, std::string_view second) {
  return HashOf(StrCat(first, std::string_view("\0", 1), second));
}

int64_t ToPostgresTime(absl::Time time) {
  if (time == absl::InfinitePast()) return kPastNs;
  if (time == absl::InfiniteFuture()) return kFutureNs;
  return absl::ToUnixNanos(time);
}

absl::Time FromPostgresTime(int64_t ns) {
  if (ns == kPastNs) return absl::InfinitePast();
  if (ns == kFutureNs) return absl::InfiniteFuture();
  return absl::FromUnixNanos(ns);
}

void PostgresArray::Append(uint32_t type, std::string_view value) {
  type_ = type;
  ++count_;
  data_.append(View(BigEndian<4>(value.size())));
  data_.append(value);
}

void PostgresArray::Int(int64_t value) {
  Append(kInt8, View(BigEndian<8>(static_cast<uint64_t>(value))));
}

void PostgresArray::Bytes(std::string_view value) { Append(kBytea, value); }

void PostgresArray::Hash(const PostgresHash& hash) { Append(kUuid, View(hash.bytes)); }

std::string PostgresArray::Take() {
  // Dimensions, "has NULLs", type of the elements, then length and lower bound of the dimension:
  // array_send in src/backend/utils/adt/arrayfuncs.c. The type of an empty array must be right too,
  // and is not known here: PostgresParams sends none.
  std::string bytes;
  bytes.reserve(20 + data_.size());
  bytes.append(View(BigEndian<4>(1)));
  bytes.append(View(BigEndian<4>(0)));
  bytes.append(View(BigEndian<4>(type_)));
  bytes.append(View(BigEndian<4>(count_)));
  bytes.append(View(BigEndian<4>(1)));
  bytes.append(data_);
  *this = PostgresArray();
  return bytes;
}

PostgresRows& PostgresRows::Row() {
  next_ = 0;
  ++rows_;
  return *this;
}

PostgresArray& PostgresRows::Next() {
  if (next_ == columns_.size()) columns_.emplace_back();
  return columns_[next_++];
}

PostgresRows& PostgresRows::Int(int64_t value) {
  Next().Int(value);
  return *this;
}

PostgresRows& PostgresRows::Bytes(std::string_view value) {
  Next().Bytes(value);
  return *this;
}

PostgresRows& PostgresRows::Hash(const PostgresHash& hash) {
  Next().Hash(hash);
  return *this;
}

PostgresParams& PostgresParams::Int(int64_t value) {
  values_.emplace_back(View(BigEndian<8>(static_cast<uint64_t>(value))));
  return *this;
}

PostgresParams& PostgresParams::Bytes(std::string_view value) {
  values_.emplace_back(value);
  return *this;
}

PostgresParams& PostgresParams::Hash(const PostgresHash& hash) {
  values_.emplace_back(View(hash.bytes));
  return *this;
}

PostgresParams& PostgresParams::Array(PostgresArray array) {
  values_.push_back(array.Take());
  return *this;
}

PostgresParams& PostgresParams::Rows(PostgresRows rows) {
  for (PostgresArray& column : rows.columns_) values_.push_back(column.Take());
  return *this;
}

int64_t PostgresResult::touched() const {
  int64_t touched = 0;
  // The interface gives the number as text, "" where there is none.
  return absl::SimpleAtoi(PQcmdTuples(result_.get()), &touched) ? touched : 0;
}

std::string_view PostgresRow::Next() {
  const int column = column_++;
  return {PQgetvalue(result_, row_, column),
          static_cast<size_t>(PQgetlength(result_, row_, column))};
}

int64_t PostgresRow::Int() {
  const std::string_view bytes = Next();
  if (bytes.empty() || bytes.size() > 8) return 0;
  uint64_t value = 0;
  for (const char byte : bytes) value = (value << 8) | static_cast<unsigned char>(byte);
  // Narrower integers bring their sign along.
  const int unused = 64 - 8 * static_cast<int>(bytes.size());
  return static_cast<int64_t>(value << unused) >> unused;
}

std::string PostgresRow::Bytes() { return std::string(Next()); }

PostgresHash PostgresRow::Hash() {
  const std::string_view bytes = Next();
  PostgresHash hash;
  std::copy_n(bytes.begin(), std::min(bytes.size(), hash.bytes.size()), hash.bytes.begin());
  return hash;
}

}  // namespace closewrite

// PostgreSQL's binary formats: parameters, arrays of columns, rows of a result. Everything travels
// as binary, so that no byte of a name has to be escaped.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_WIRE_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_WIRE_H_

#include <postgresql/libpq-fe.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace closewrite {

// The first 128 bits of a SHA-256: stands in indexes for names and keys that may be longer than an
// index takes (2,704 bytes).
struct PostgresHash {
  std::array<char, 16> bytes = {};
  auto operator<=>(const PostgresHash&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const PostgresHash& hash) {
    return H::combine(std::move(h), hash.bytes);
  }
};
PostgresHash HashOf(std::string_view bytes);
// Of two names that hold no NUL.
PostgresHash HashOf(std::string_view first, std::string_view second);

// Times as they lie in columns: whole nanoseconds since 1970; the smallest and the largest number
// stand for the infinite past and future.
int64_t ToPostgresTime(absl::Time time);
absl::Time FromPostgresTime(int64_t ns);

// One column of many rows, as an array parameter. Every value is of the kind of the first one.
class PostgresArray {
 public:
  void Int(int64_t value);              // bigint[]
  void Bytes(std::string_view value);   // bytea[]
  void Hash(const PostgresHash& hash);  // uuid[]
  // The array in binary form. It is empty afterwards.
  std::string Take();

 private:
  void Append(uint32_t type, std::string_view value);

  std::string data_;
  uint32_t type_ = 0;
  uint32_t count_ = 0;
};

// Many rows as one array a column: `SELECT ... FROM unnest($1::bigint[], $2::bytea[])`. Values are
// given row by row, in the order of the columns. Not thread-safe.
class PostgresRows {
 public:
  PostgresRows& Int(int64_t value);
  PostgresRows& Bytes(std::string_view value);
  PostgresRows& Hash(const PostgresHash& hash);
  PostgresRows& Time(absl::Time time) { return Int(ToPostgresTime(time)); }
  // Begins the next row; to be called before the first value of each.
  PostgresRows& Row();

  int64_t rows() const { return rows_; }
  bool empty() const { return rows_ == 0; }

 private:
  friend class PostgresParams;
  PostgresArray& Next();

  std::vector<PostgresArray> columns_;
  size_t next_ = 0;
  int64_t rows_ = 0;
};

// The parameters of a statement, in order.
class PostgresParams {
 public:
  PostgresParams& Int(int64_t value);
  PostgresParams& Bytes(std::string_view value);
  PostgresParams& Text(std::string_view value) { return Bytes(value); }
  PostgresParams& Hash(const PostgresHash& hash);
  PostgresParams& Time(absl::Time time) { return Int(ToPostgresTime(time)); }
  PostgresParams& Array(PostgresArray array);
  // One array a column.
  PostgresParams& Rows(PostgresRows rows);

  const std::vector<std::string>& values() const { return values_; }

 private:
  std::vector<std::string> values_;
};

// The rows that a statement gave.
class PostgresResult {
 public:
  PostgresResult() = default;
  explicit PostgresResult(PGresult* result) : result_(result, &PQclear) {}

  int rows() const { return PQntuples(result_.get()); }
  // What was done, and how many rows it touched.
  std::string_view command() const { return PQcmdStatus(result_.get()); }
  int64_t touched() const;
  const PGresult* get() const { return result_.get(); }

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_{nullptr, &PQclear};
};

// Reads the columns of one row in order. `result` must outlive it. Integers of any width are read
// as 64 bits; a NULL is 0 or "".
class PostgresRow {
 public:
  PostgresRow(const PostgresResult& result, int row) : result_(result.get()), row_(row) {}

  bool IsNull() const { return PQgetisnull(result_, row_, column_) != 0; }
  int64_t Int();
  std::string Bytes();
  PostgresHash Hash();
  absl::Time Time() { return FromPostgresTime(Int()); }

 private:
  std::string_view Next();

  const PGresult* const result_;
  const int row_;
  int column_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_WIRE_H_

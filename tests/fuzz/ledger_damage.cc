#include "tests/fuzz/ledger_damage.h"

#include <sqlite3.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "services/log/str_cat.h"
#include "services/watcher/ledger.h"
#include "tests/fuzz/require.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr int kEditsMax = 12;
constexpr size_t kAddedBytesMax = 64;

std::string Read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void Write(const std::string& file, const std::string& bytes) {
  if (bytes.empty()) return;
  std::ofstream(file, std::ios::binary) << bytes;
}

LedgerFiles ReadFiles(const std::string& directory) {
  return {Read(directory + "/ledger.db"), Read(directory + "/ledger.db-wal")};
}

std::unique_ptr<Ledger> MustOpen(const std::string& directory) {
  auto ledger = Ledger::Open(directory, kMadeUnderBoot);
  Require(ledger.ok(), "a whole ledger opens", ledger.status().ToString());
  return *std::move(ledger);
}

FileRecord Row(std::string path, int64_t size, ChangeKind kind = ChangeKind::kCloseWrite) {
  FileRecord record;
  record.path = std::move(path);
  record.version = {static_cast<uint64_t>(size), size, 1'700'000'000'000'000'000};
  record.kind = kind;
  record.evidence = ChangeEvidence::kClosed;
  record.observed_unix_ns = 1'700'000'000'000'000'000;
  return record;
}

void Fill(Ledger* ledger, int round) {
  const auto volume = ledger->FindVolume("v"), other = ledger->FindVolume("w");
  Require(volume.ok() && other.ok(), "volumes are found");
  std::vector<FileRecord> rows;
  for (int i = 0; i < 20; ++i) rows.push_back(Row(StrCat("d", i % 3, "/e/f", i), round * 100 + i));
  rows.push_back(Row("root", round));
  rows.push_back(Row(StrCat("d0/gone", round), round, ChangeKind::kDelete));
  const std::vector<PublishedFile> published = {{"d0/result", 7}, {"d1/result", 8}};
  const bool filled = ledger->SetMarker(volume->key, "0123456789abcdef").ok() &&
                      ledger->BeginPublishing(3, round, "v", published).ok() &&
                      ledger->Record(volume->key, rows).ok() &&
                      ledger->Record(other->key, rows).ok() &&
                      ledger->Acknowledge(ledger->sequence() - 9).ok();
  Require(filled, "a whole ledger takes rows");
}

LedgerFiles Make(int rounds, bool killed) {
  std::string directory = (std::filesystem::temp_directory_path() / "ledger-XXXXXX").string();
  Require(mkdtemp(directory.data()) != nullptr, "a folder can be made");
  for (int round = 0; round < rounds; ++round) Fill(MustOpen(directory).get(), round);
  std::unique_ptr<Ledger> ledger = MustOpen(directory);
  if (killed) {
    Fill(ledger.get(), rounds);
  } else {
    ledger.reset();
  }
  LedgerFiles files = ReadFiles(directory);
  ledger.reset();
  std::filesystem::remove_all(directory);
  return files;
}

// Most of a page is free space: what matters lies at its start and at its end.
size_t Place(FuzzedDataProvider* input, size_t size) {
  const size_t pages = (size + kPageBytes - 1) / kPageBytes;
  const size_t page = input->ConsumeIntegralInRange<size_t>(0, pages - 1) * kPageBytes;
  size_t in_page = 0;
  switch (input->ConsumeIntegralInRange(0, 3)) {
    case 0:
      in_page = input->ConsumeIntegralInRange<size_t>(0, 127);
      break;
    case 1:
    case 2:
      in_page = kPageBytes - input->ConsumeIntegralInRange<size_t>(1, 600);
      break;
    default:
      in_page = input->ConsumeIntegralInRange<size_t>(0, kPageBytes - 1);
  }
  return std::min(page + in_page, size - 1);
}

void Edit(FuzzedDataProvider* input, std::string* bytes) {
  if (bytes->empty()) return;
  const size_t at = Place(input, bytes->size());
  switch (input->ConsumeIntegralInRange(0, 6)) {
    case 0:
      (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << input->ConsumeIntegralInRange(0, 7)));
      break;
    case 1:
    case 2: {
      const std::string other = input->ConsumeRandomLengthString(kAddedBytesMax);
      bytes->replace(at, std::min(other.size(), bytes->size() - at), other);
      break;
    }
    case 3:
      bytes->resize(at);
      break;
    case 4: {  // a page, or a part of one, that was written to the wrong place
      const size_t from = Place(input, bytes->size());
      const size_t length = std::min({input->ConsumeIntegralInRange<size_t>(1, kPageBytes),
                                      bytes->size() - from, bytes->size() - at});
      const std::string piece = bytes->substr(from, length);
      bytes->replace(at, length, piece);
      break;
    }
    case 5: {  // a block that never reached the disk
      const size_t length = input->ConsumeIntegralInRange<size_t>(1, kPageBytes);
      std::fill_n(bytes->begin() + static_cast<ptrdiff_t>(at), std::min(length, bytes->size() - at),
                  '\0');
      break;
    }
    default:
      bytes->append(input->ConsumeRandomLengthString(kAddedBytesMax));
  }
}

constexpr const char* kRowEdits[] = {
    "UPDATE pending SET sequence = ?1 WHERE sequence = (SELECT max(sequence) FROM pending)",
    "UPDATE pending SET sequence = ?1 WHERE sequence = (SELECT min(sequence) FROM pending)",
    "UPDATE pending SET directory = ?1 % 9",
    "UPDATE pending SET volume = ?1",
    "UPDATE pending SET name = ?2 WHERE sequence % 3 = 0",
    "UPDATE pending SET gone = ?1 WHERE sequence % 2 = 0",
    "DELETE FROM pending WHERE sequence % 3 = ?1 % 3",
    "UPDATE OR REPLACE files SET sequence = ?1 WHERE inode % 3 = 0",
    "UPDATE OR REPLACE files SET name = ?2 WHERE inode % 5 = 0",
    "UPDATE files SET kind = ?1, evidence = ?1, source = ?1",
    "UPDATE files SET size = ?2 WHERE inode % 2 = 0",
    "UPDATE OR REPLACE files SET directory = ?1 WHERE inode % 7 = 0",
    "DELETE FROM files WHERE inode % 4 = ?1 % 4",
    "UPDATE OR REPLACE directories SET path = ?2 WHERE key % 3 = ?1 % 3",
    "UPDATE OR REPLACE directories SET volume = ?1",
    "UPDATE OR REPLACE directories SET key = ?1 WHERE key = (SELECT max(key) FROM directories)",
    "DELETE FROM directories WHERE key % 3 = ?1 % 3",
    "UPDATE OR REPLACE volumes SET key = ?1 WHERE key = 1",
    "UPDATE OR REPLACE volumes SET name = ?2 WHERE key = 1",
    "DELETE FROM volumes",
    "UPDATE OR REPLACE lineage SET key = ?1 WHERE key = (SELECT max(key) FROM lineage)",
    "UPDATE lineage SET inode = ?1, job = ?1",
    "DELETE FROM meta WHERE key = CAST('id' AS BLOB)",
    "UPDATE meta SET value = ?2 WHERE key = CAST('id' AS BLOB)",
    "UPDATE meta SET value = ?2 WHERE key = CAST('acknowledged' AS BLOB)",
    "INSERT OR REPLACE INTO meta VALUES (CAST('acknowledged' AS BLOB), CAST(?1 AS TEXT))",
    "INSERT OR REPLACE INTO meta VALUES (CAST('sequence_floor' AS BLOB), CAST(?1 AS TEXT))",
    "UPDATE meta SET value = ?2 WHERE key = CAST('clean' AS BLOB)",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = 1",
    "DROP TABLE lineage",
    "ALTER TABLE files RENAME COLUMN size TO sizf",
};

int64_t Number(FuzzedDataProvider* input) {
  switch (input->ConsumeIntegralInRange(0, 3)) {
    case 0:
      return input->PickValueInArray<int64_t>({INT64_MAX, INT64_MIN, -1, 0, INT64_MAX - 1});
    case 1:
      return input->ConsumeIntegralInRange<int64_t>(-4, 40);
    default:
      return input->ConsumeIntegral<int64_t>();
  }
}

}  // namespace

const LedgerFiles& LedgerFiles::Closed() {
  static const auto* const files = new LedgerFiles(Make(2, false));
  return *files;
}

const LedgerFiles& LedgerFiles::Killed() {
  static const auto* const files = new LedgerFiles(Make(1, true));
  return *files;
}

const LedgerFiles& LedgerFiles::New() {
  static const auto* const files = new LedgerFiles(Make(0, false));
  return *files;
}

void LedgerFiles::WriteTo(const std::string& directory) const {
  Write(directory + "/ledger.db", database);
  Write(directory + "/ledger.db-wal", log);
}

void DamageBytes(FuzzedDataProvider* input, LedgerFiles* files) {
  for (int i = input->ConsumeIntegralInRange(0, kEditsMax); i > 0; --i) {
    const bool is_log = input->ConsumeIntegralInRange(0, 3) == 0;
    Edit(input, is_log ? &files->log : &files->database);
  }
}

void DamageRows(FuzzedDataProvider* input, const std::string& directory) {
  const int edits = input->ConsumeIntegralInRange(0, 3);
  if (edits == 0) return;
  sqlite3* database = nullptr;
  const std::string file = directory + "/ledger.db";
  bool good = sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK;
  good = good && sqlite3_exec(database,
                              "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = OFF;",
                              nullptr, nullptr, nullptr) == SQLITE_OK;
  for (int i = 0; good && i < edits; ++i) {
    const size_t edit = input->ConsumeIntegralInRange<size_t>(0, std::size(kRowEdits) - 1);
    const int64_t number = Number(input);
    const std::string bytes = input->ConsumeRandomLengthString(kAddedBytesMax);
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database, kRowEdits[edit], -1, &statement, nullptr) != SQLITE_OK) {
      continue;
    }
    sqlite3_bind_int64(statement, 1, number);
    sqlite3_bind_blob64(statement, 2, bytes.data(), bytes.size(), SQLITE_STATIC);
    sqlite3_step(statement);
    sqlite3_finalize(statement);
  }
  sqlite3_close(database);
}

}  // namespace closewrite::watcher

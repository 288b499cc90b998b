#include "services/portal/file_kind.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

enum class Kind { kAny, kText, kZip, kOffice, kOle, kPdf, kPng, kJpeg, kGif, kGzip, kParquet };

struct Ending {
  std::string_view end;
  Kind kind;
};

constexpr std::array kEndings = {
    Ending{"csv", Kind::kText},        Ending{"tsv", Kind::kText},    Ending{"txt", Kind::kText},
    Ending{"json", Kind::kText},       Ending{"ndjson", Kind::kText}, Ending{"xml", Kind::kText},
    Ending{"yaml", Kind::kText},       Ending{"yml", Kind::kText},    Ending{"md", Kind::kText},
    Ending{"zip", Kind::kZip},         Ending{"xlsx", Kind::kOffice}, Ending{"xlsm", Kind::kOffice},
    Ending{"docx", Kind::kOffice},     Ending{"pptx", Kind::kOffice}, Ending{"ods", Kind::kOffice},
    Ending{"odt", Kind::kOffice},      Ending{"xls", Kind::kOle},     Ending{"doc", Kind::kOle},
    Ending{"pdf", Kind::kPdf},         Ending{"png", Kind::kPng},     Ending{"jpg", Kind::kJpeg},
    Ending{"jpeg", Kind::kJpeg},       Ending{"gif", Kind::kGif},     Ending{"gz", Kind::kGzip},
    Ending{"parquet", Kind::kParquet},
};

// Of a zip file's first entry (APPNOTE.TXT, 4.3.7).
constexpr size_t kZipHeaderBytes = 30;
constexpr size_t kZipNameLengthAt = 26;

bool Begins(std::string_view head, std::string_view with) { return head.starts_with(with); }

// UTF-16 has zero bytes, and says so at its beginning.
bool IsText(std::string_view head) {
  if (Begins(head, "\xFF\xFE") || Begins(head, "\xFE\xFF")) return true;
  return std::none_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1A &&
           c != 0x1B;
  });
}

bool IsZip(std::string_view head) {
  return Begins(head, "PK\x03\x04") || Begins(head, "PK\x05\x06");
}

// Office files are zip files whose first entry is one of a few.
bool IsOffice(std::string_view head) {
  if (!Begins(head, "PK\x03\x04") || head.size() < kZipHeaderBytes) return false;
  const size_t length =
      static_cast<uint8_t>(head[kZipNameLengthAt]) +
      (static_cast<size_t>(static_cast<uint8_t>(head[kZipNameLengthAt + 1])) << 8);
  const std::string_view name = head.substr(kZipHeaderBytes, length);
  for (const std::string_view first : {"[Content_Types].xml", "_rels/", "docProps/", "xl/", "word/",
                                       "ppt/", "customXml/", "mimetype", "META-INF/"}) {
    if (Begins(name, first)) return true;
  }
  return false;
}

bool IsKind(Kind kind, std::string_view head) {
  using std::string_view_literals::operator""sv;
  switch (kind) {
    case Kind::kAny:
      return true;
    case Kind::kText:
      return IsText(head);
    case Kind::kZip:
      return IsZip(head);
    case Kind::kOffice:
      return IsOffice(head);
    case Kind::kOle:
      return Begins(head, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv);
    case Kind::kPdf:
      return Begins(head, "%PDF-");
    case Kind::kPng:
      return Begins(head, "\x89PNG\r\n\x1A\n"sv);
    case Kind::kJpeg:
      return Begins(head, "\xFF\xD8\xFF"sv);
    case Kind::kGif:
      return Begins(head, "GIF8");
    case Kind::kGzip:
      return Begins(head, "\x1F\x8B"sv);
    case Kind::kParquet:
      return Begins(head, "PAR1");
  }
  return true;
}

}  // namespace

std::string WrongKind(std::string_view name, std::string_view head) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return "";
  const std::string end = absl::AsciiStrToLower(ToAbsl(name.substr(dot + 1)));
  for (const Ending& each : kEndings) {
    if (each.end != end) continue;
    if (head.empty() && each.kind != Kind::kText) return StrCat(Quote(name), " is empty");
    if (IsKind(each.kind, head)) return "";
    return StrCat(Quote(name), " is called .", end,
                  ", but its content is something else: save it as a real ", end,
                  " file, or give it the ending that it should have");
  }
  return "";
}

}  // namespace closewrite::portal

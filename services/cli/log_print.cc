#include "services/cli/log_print.h"

#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "services/cli/json.h"
#include "services/cli/log_lines.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

Json LineJson(const LogLine& line, int64_t token) {
  Json json = Json::object();
  json["token"] = token;
  json["time"] = line.time.has_value() ? Json(Rfc3339(*line.time)) : Json(nullptr);
  json["stream"] = EnumName(*v1::LogStream_descriptor(), line.stream);
  if (IsUtf8(line.text)) {
    json["text"] = line.text;
  } else {
    json["text"] = Display(line.text);
    json["text_base64"] = absl::Base64Escape(line.text);
  }
  if (!line.whole) json["whole"] = false;
  return json;
}

void PrintWithTime(const LogLine& line, std::ostream& to) {
  static const std::string* const unknown =
      new std::string(Rfc3339Local(absl::UnixEpoch(), absl::LocalTimeZone()).size(), '-');
  to << (line.time.has_value() ? Rfc3339Local(*line.time, absl::LocalTimeZone()) : *unknown) << " "
     << line.text << "\n";
}

// Bytes to stdout, notes to stderr.
bool PrintApart(Invocation& invocation, const v1::ReadLogResponse& piece) {
  for (const v1::LogPart& part : piece.parts()) {
    if (part.stream() != v1::LOG_STREAM_NOTE) {
      invocation.out() << BytesOf(part);
      continue;
    }
    std::string_view note = BytesOf(part);
    if (!note.empty() && note.back() == '\n') note.remove_suffix(1);
    invocation.Note(note);
  }
  invocation.out() << std::flush;
  return invocation.out().good();
}

}  // namespace

void DeclareLogFlags(CLI::App& app, const std::string& follow, const std::string& token,
                     LogFlags* flags) {
  app.add_flag("-f,--follow", flags->follow, follow);
  app.add_option("--token", flags->token, token);
  app.add_option("--tail", flags->tail, "Only the last so many lines; 0: all");
  app.add_flag("--stdout", flags->standard_output,
               "Only what the command wrote to its stdout; notes go to stderr");
  app.add_flag("--stderr", flags->standard_error, "Only what it wrote to its stderr");
  app.add_flag("--timestamps", flags->timestamps,
               "Each line with the local time at which it began");
}

absl::StatusOr<LogOptions> MakeLogOptions(Invocation& invocation, const LogFlags& flags) {
  if (invocation.format_given() && !invocation.json()) {
    return UsageError("logs are bytes; of -o only json goes with them");
  }
  if (flags.tail < 0) return UsageError("--tail: use 0 for the whole log, or a positive number");
  LogOptions log{
      .token = flags.token.value_or(0), .tail_lines = flags.tail, .follow = flags.follow};
  if (flags.standard_output) log.streams.push_back(v1::LOG_STREAM_STDOUT);
  if (flags.standard_error) log.streams.push_back(v1::LOG_STREAM_STDERR);
  return log;
}

absl::Status PrintLog(Invocation& invocation, LogOptions options, bool timestamps) {
  const bool apart = !options.streams.empty();
  if (apart) options.streams.push_back(v1::LOG_STREAM_NOTE);
  options.parts = apart || timestamps || invocation.json();
  options.tells_silence = true;
  if (!options.parts) return CopyLog(invocation, options, invocation.out());
  if (!timestamps && !invocation.json()) {
    return FollowLog(invocation, options, [&](const v1::ReadLogResponse& piece) {
      return PrintApart(invocation, piece);
    });
  }
  int64_t token = 0;
  LogLines lines([&](const LogLine& line) {
    if (invocation.json()) {
      invocation.PrintJson(LineJson(line, token));
    } else if (apart && line.stream == v1::LOG_STREAM_NOTE) {
      invocation.Note(line.text);
    } else {
      PrintWithTime(line, invocation.out());
    }
    return invocation.out().good();
  });
  const absl::Status status = FollowLog(invocation, options, [&](const v1::ReadLogResponse& piece) {
    bool goes_on = piece.token() == token || lines.End();
    token = piece.token();
    for (const v1::LogPart& part : piece.parts()) goes_on = goes_on && lines.Add(part);
    invocation.out() << std::flush;
    return goes_on;
  });
  lines.End();
  invocation.out() << std::flush;
  return status;
}

}  // namespace closewrite::cli

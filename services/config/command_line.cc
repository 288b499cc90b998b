#include "services/config/command_line.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/text_format.h"
#include "services/config/config.h"
#include "services/config/url.h"
#include "services/log/str_cat.h"
#include "services/version/commit.h"
#include "services/version/version.h"

namespace closewrite {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// A field that one word can set.
bool IsScalar(const FieldDescriptor* field) {
  if (field->is_repeated()) return false;
  return field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
         field->message_type()->full_name() == "google.protobuf.Duration";
}

// For secrets, in what is printed.
constexpr char kHidden[] = "***";

// Hides what nobody should read over somebody's shoulder, or in a log: fields of these names, and
// passwords in addresses.
void HideSecrets(google::protobuf::Message* message) {
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      HideSecrets(reflection.MutableMessage(message, field));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const bool secret =
          field->name() == "password" || field->name() == "token" || field->name() == "webhook";
      const std::string value = reflection.GetString(*message, field);
      reflection.SetString(message, field, secret ? kHidden : WithoutPassword(value));
    }
  }
}

std::string OneLine(std::string text) { return absl::StrReplaceAll(text, {{"\n", " "}}); }

// Reads one configuration and remembers where each field came from.
class Reader {
 public:
  Reader(std::string program, google::protobuf::Message* config)
      : program_(std::move(program)), config_(*config) {}

  std::optional<int> Run(int argc, char** argv, const std::vector<CommandLineOption>& options) {
    CLI::App app{"Closewrite: finished files become jobs elsewhere.", program_};
    std::string file;
    bool check = false;
    std::map<std::string, std::string> flags;
    // The last one counts: an image's entry point has one, and whoever runs it may say another.
    app.add_option("--config", file, "configuration file (YAML)")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.add_flag("--check-config", check, "print the configuration and where it came from");
    app.set_version_flag("--version", StrCat(program_, " ", kVersion, " (commit ", Commit(), ")"));
    AddFlags(app, flags);
    for (const CommandLineOption& option : options) {
      app.add_option(option.flag, *option.value, option.help);
    }
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app.exit(error);
      return RefuseConfiguration(program_, StrCat(error.what(), "; see --help"));
    }
    if (absl::Status read = Read(file, flags); !read.ok()) {
      return RefuseConfiguration(program_, std::string(read.message()));
    }
    if (!check) return std::nullopt;
    Print();
    return kExitOk;
  }

 private:
  void AddFlags(CLI::App& app, std::map<std::string, std::string>& flags) {
    const Descriptor* descriptor = config_.GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      if (!IsScalar(field)) continue;
      const std::string flag = "--" + absl::StrReplaceAll(field->name(), {{"_", "-"}});
      app.add_option(flag, flags[field->name()],
                     absl::StrCat("overrides `", field->name(), "` of the file"));
    }
  }

  absl::Status Read(const std::string& file, const std::map<std::string, std::string>& flags) {
    if (!file.empty()) {
      if (absl::Status s = LoadYaml(file, &config_); !s.ok()) return s;
      std::vector<const FieldDescriptor*> set;
      config_.GetReflection()->ListFields(config_, &set);
      for (const FieldDescriptor* field : set) origin_[field->name()] = file;
    }
    for (const auto& [name, unused] : flags) {
      const std::string variable = "CLOSEWRITE_" + absl::AsciiStrToUpper(name);
      const char* value = getenv(variable.c_str());
      if (value == nullptr || *value == '\0') continue;
      // Values that come out of files, as Kubernetes' Secrets do, end with a newline.
      const absl::string_view line = absl::StripSuffix(value, "\n");
      absl::Status status = SetField(variable, name, std::string(line), &config_);
      if (!status.ok()) return status;
      origin_[name] = variable;
    }
    for (const auto& [name, value] : flags) {
      if (value.empty()) continue;
      const std::string flag = "--" + absl::StrReplaceAll(name, {{"_", "-"}});
      if (absl::Status s = SetField(flag, name, value, &config_); !s.ok()) return s;
      origin_[name] = flag;
    }
    return absl::OkStatus();
  }

  void Print() {
    HideSecrets(&config_);
    google::protobuf::TextFormat::Printer printer;
    printer.SetSingleLineMode(true);
    const Descriptor* descriptor = config_.GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      auto origin = origin_.find(field->name());
      if (origin == origin_.end()) {
        std::cout << field->name() << ": (default)\n";
        continue;
      }
      const int count =
          field->is_repeated() ? config_.GetReflection()->FieldSize(config_, field) : 1;
      for (int j = 0; j < count; ++j) {
        std::string text;
        printer.PrintFieldValueToString(config_, field, field->is_repeated() ? j : -1, &text);
        std::cout << field->name() << ": " << text << "  # from " << origin->second << "\n";
      }
    }
  }

  const std::string program_;
  google::protobuf::Message& config_;
  std::map<std::string, std::string> origin_;
};

}  // namespace

std::optional<int> ReadCommandLine(int argc, char** argv, const std::string& program,
                                   google::protobuf::Message* config,
                                   const std::vector<CommandLineOption>& options) {
  // Debian's Abseil is built with its assertions, and so keeps a graph of all mutexes of a process
  // (absl/synchronization/mutex.cc, synch_deadlock_detection). That is for tests: here it costs
  // time at each lock, and would end the program where it only might have waited for ever.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return Reader(program, config).Run(argc, argv, options);
}

int RefuseConfiguration(const std::string& program, const std::string& message) {
  std::cerr << program << ": " << OneLine(message) << std::endl;
  return kExitUsage;
}

}  // namespace closewrite

#include "services/cli/man_page.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "services/cli/command_parser.h"
#include "services/cli/help.h"
#include "services/log/str_cat.h"
#include "services/version/version.h"

namespace closewrite::cli {
namespace {

// When the texts were gone over.
constexpr std::string_view kDate = "2026-11-26";

// What typesetters would make nicer, such as - and ', has to stay what a shell understands.
std::string Escaped(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text), {{"\\", "\\e"},
                                            {"-", "\\-"},
                                            {"'", "\\(aq"},
                                            {"`", "\\(ga"},
                                            {"^", "\\(ha"},
                                            {"~", "\\(ti"},
                                            {"\"", "\\(dq"}});
}

// A line of text that is no request, whatever it begins with.
std::string Line(std::string_view text) {
  const std::string escaped = Escaped(text);
  return StrCat(!escaped.empty() && escaped.front() == '.' ? "\\&" : "", escaped, "\n");
}

std::string Bold(std::string_view text) { return StrCat("\\fB", Escaped(text), "\\fR"); }
std::string Italic(std::string_view text) { return StrCat("\\fI", Escaped(text), "\\fR"); }

std::string Term(const std::string& tag, std::string_view text) {
  return StrCat(".TP\n", tag, "\n", Line(text));
}

std::string Literal(std::string_view lines) {
  std::string text = ".PP\n.RS 4\n.nf\n";
  for (const absl::string_view line : absl::StrSplit(ToAbsl(lines), '\n', absl::SkipEmpty())) {
    text += Line(ToStd(line));
  }
  return StrCat(text, ".fi\n.RE\n");
}

// `-n, --limit INT`, or the argument's name.
std::string OptionTag(const CLI::Option& option) {
  if (option.get_positional()) return Italic(option.get_name(true));
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back(Bold("-" + name));
  for (const std::string& name : option.get_lnames()) names.push_back(Bold("--" + name));
  const std::string type = option.get_items_expected_max() == 0 ? "" : option.get_type_name();
  return StrCat(absl::StrJoin(names, ", "), type.empty() ? "" : " ", Italic(type));
}

std::string CommandText(const Command& command) {
  CLI::App globals_app;
  GlobalOptions globals;
  DeclareGlobals(globals_app, &globals);
  const std::string common = globals_app.get_options().back()->get_group();
  CLI::App app;
  Declare(command, &globals, app);
  std::string text = StrCat(".SS ", Bold(command.name), command.arguments.empty() ? "" : " ",
                            Escaped(command.arguments), "\n", Line(command.summary));
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() == common || option->check_lname("help")) continue;
    text += Term(OptionTag(*option), option->get_description());
  }
  if (!command.examples.empty()) text += Literal(command.examples);
  return text;
}

std::string GlobalsText() {
  CLI::App app;
  app.set_help_flag();
  GlobalOptions globals;
  DeclareGlobals(app, &globals);
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    text += Term(OptionTag(*option), option->get_description());
  }
  StrAppend(&text, Term(StrCat(Bold("-h"), ", ", Bold("--help")), "Print help."),
            Term(Bold("--version"), "Print the version of this program."));
  return text;
}

// Without its first line, which is a heading.
std::string Topic(std::string_view topic) {
  const std::string text = TopicText(topic);
  return TopicRoff(std::string_view(text).substr(text.find('\n') + 1));
}

// How far a line is indented.
size_t Indentation(absl::string_view line) { return line.find_first_not_of(' '); }

// Where the text behind the term of `  TERM   text` begins; npos for another line.
size_t TextColumn(absl::string_view line) {
  const size_t begin = Indentation(line);
  if (begin == 0 || begin == absl::string_view::npos) return absl::string_view::npos;
  const size_t gap = line.find("  ", begin);
  return gap == absl::string_view::npos ? gap : line.find_first_not_of(' ', gap);
}

}  // namespace

std::string TopicRoff(std::string_view text) {
  std::string roff;
  std::string literal;     // indented lines that wait for their end
  size_t text_column = 0;  // of the list that the lines belong to; 0: of none
  bool paragraph = false;  // the next line of prose begins one
  const auto end_literal = [&] {
    if (!literal.empty()) roff += Literal(literal);
    literal.clear();
  };
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    const size_t begin = Indentation(line);
    if (begin == absl::string_view::npos) {
      end_literal();
      paragraph = !roff.empty();
      text_column = 0;
      continue;
    }
    const size_t column = TextColumn(line);
    if (begin > 0 && literal.empty() && text_column != 0 && begin >= text_column) {
      roff += Line(ToStd(line.substr(begin)));
    } else if (column != absl::string_view::npos && literal.empty()) {
      const absl::string_view term = absl::StripAsciiWhitespace(line.substr(0, column));
      roff += Term(Bold(ToStd(term)), ToStd(line.substr(column)));
      text_column = column;
    } else if (begin > 0) {
      StrAppend(&literal, line, "\n");
    } else {
      end_literal();
      StrAppend(&roff, paragraph ? ".PP\n" : "", Line(ToStd(line)));
      paragraph = false;
      text_column = 0;
    }
  }
  end_literal();
  return roff;
}

std::string ManPage(const std::vector<Command>& commands) {
  std::string text =
      StrCat(".\\\" Made by closewrite itself; see services/cli/man_page.h.\n", ".TH CLOSEWRITE 1 ",
             kDate, " \"closewrite ", kVersion, "\" \"User Commands\"\n", ".SH NAME\n",
             "closewrite \\- finished files become jobs on other machines, ",
             "and each result comes once\n");
  StrAppend(&text, ".SH SYNOPSIS\n", Bold("closewrite"), " [", Italic("OPTION"), "...] ",
            Italic("COMMAND"), " [", Italic("ARGUMENT"), "...]\n", ".SH DESCRIPTION\n",
            Line("A watcher sees that a file is finished, a coordinator makes a durable job of it, "
                 "an executor on another machine runs the job, and the result is published into a "
                 "shared folder, once."),
            Line("This program asks the coordinator."), ".PP\n",
            Line("Data goes to standard output, everything else to standard error."),
            ".SH OPTIONS\n", Line("They may stand before and after the command."), GlobalsText(),
            ".SH COMMANDS\n");
  for (const Command& command : commands) text += CommandText(command);
  StrAppend(&text, ".SH EXIT STATUS\n", Topic("exit-codes"), ".SH ENVIRONMENT\n",
            Topic("environment"), ".SH FILES\n", Topic("contexts"), ".SH JSON\n", Topic("json"));
  return text;
}

}  // namespace closewrite::cli

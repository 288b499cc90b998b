#include "services/cli/completion_command.h"

#include <memory>
#include <string>
#include <string_view>

#include "services/config/nearest.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// bash ends words at = and : too (COMP_WORDBREAKS), and wants only the part after them.
constexpr std::string_view kBash = R"(# closewrite in bash: source <(closewrite completion bash)
_closewrite() {
  local i word last='' cut line file
  local -a words=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((${#words[@]} > 0)) &&
      [[ $word =~ ^[:=]+$ || ($last =~ ^[:=]+$ && $word != -*) ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    last=$word
  done
  word=${words[-1]-}
  [[ $last =~ ^[:=]+$ ]] && last=''
  cut=${word%"$last"}
  COMPREPLY=()
  while IFS=$'\t' read -r line _; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r file; do
        COMPREPLY+=("$file")
      done < <(compgen -f -- "${word#"$cut"}")
    else
      COMPREPLY+=("${line#"$cut"}")
    fi
  done < <(closewrite __complete -- "${words[@]}" 2>/dev/null)
}
complete -F _closewrite closewrite
)";

constexpr std::string_view kZsh = R"(#compdef closewrite
# closewrite in zsh: source <(closewrite completion zsh), after compinit
_closewrite() {
  local line tab=$'\t' files=''
  local -a candidates
  for line in "${(@f)$(closewrite __complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      files=yes
    elif [[ $line == *$tab* ]]; then
      candidates+=("${${line%%$tab*}//:/\\:}:${line#*$tab}")
    elif [[ -n $line ]]; then
      candidates+=("${line//:/\\:}")
    fi
  done
  (( $#candidates )) && _describe -V closewrite candidates
  [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _closewrite ]]; then
  _closewrite "$@"
else
  compdef _closewrite closewrite
fi
)";

constexpr std::string_view kFish = R"(# closewrite in fish: closewrite completion fish | source
function __closewrite_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (closewrite __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c closewrite -f -k -a '(__closewrite_complete)'
)";

absl::StatusOr<int> PrintScript(Invocation& invocation, const std::string& shell) {
  if (shell == "bash") {
    invocation.out() << kBash;
  } else if (shell == "zsh") {
    invocation.out() << kZsh;
  } else if (shell == "fish") {
    invocation.out() << kFish;
  } else {
    return UsageError(StrCat("completion ", shell, ": no such shell; ",
                             SuggestNearest(shell, {"bash", "zsh", "fish"})));
  }
  return kExitOk;
}

}  // namespace

std::vector<Command> CompletionCommands() {
  Command command{"completion", "bash|zsh|fish",
                  "Print a script that makes the shell complete words of this command line."};
  command.examples =
      "source <(closewrite completion bash)        # in ~/.bashrc\n"
      "source <(closewrite completion zsh)         # in ~/.zshrc, after compinit\n"
      "closewrite completion fish > ~/.config/fish/completions/closewrite.fish\n";
  command.local = true;
  command.declare = [](CLI::App& app) -> Action {
    auto shell = std::make_shared<std::string>();
    app.add_option("SHELL", *shell, "bash, zsh or fish")->required();
    return [shell](Invocation& invocation) { return PrintScript(invocation, *shell); };
  };
  return {command};
}

}  // namespace closewrite::cli

"""Black-box storms on the watcher: floods of files, kills, and restarts over an unchanged tree."""

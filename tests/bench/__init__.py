"""Speed of the watcher beside the kernel's own and its peers; see README.md."""

"""What one writer knows of the directories and files that it has made.

Only the writer itself changes them, so that its model is the truth and its choices, which are made
from the model and a seed alone, can be repeated.
"""


class Content:
    """What an inode is to the writer. One with several names is not written to any more: a write
    by one name is no event for the others, which is a limit of inotify that is documented."""

    def __init__(self):
        self.links = 1
        self.open = 0


class Folder:
    """A directory. `fixed`: it stays where it is."""

    def __init__(self, parent, name, fixed=False):
        self.parent = parent
        self.name = name
        self.fixed = fixed
        self.folders = {}  # name: Folder
        self.files = {}  # name: Content
        self.symlinks = set()  # those that have taken a file's name
        self.left = []  # names that were used once, to be used again
        self.was_in = None  # its parent before it was detached
        if parent is not None:
            parent.folders[name] = self

    def path(self):
        """Its path, which begins with the one that the outermost folder has for a name."""
        names = []
        folder = self
        while folder is not None:
            names.append(folder.name)
            folder = folder.parent
        return b"/".join(reversed(names))

    def below(self, other):
        """Whether it is `other` or lies in it."""
        folder = self
        while folder is not None:
            if folder is other:
                return True
            folder = folder.parent
        return False

    def walk(self):
        """Itself and all folders in it."""
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            yield folder
            waiting.extend(folder.folders.values())

    def has(self, name):
        """Whether this name is taken."""
        return name in self.files or name in self.folders or name in self.symlinks

    def detach(self):
        """Takes it out of its parent."""
        del self.parent.folders[self.name]
        self.parent.left.append(self.name)
        self.was_in = self.parent
        self.parent = None

    def attach(self, parent, name):
        """Puts it under a name in another folder."""
        self.parent = parent
        self.name = name
        parent.folders[name] = self

    def drop_file(self, name):
        """Forgets one name of a file."""
        self.files.pop(name).links -= 1
        self.left.append(name)

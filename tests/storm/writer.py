#!/usr/bin/python3
"""One writer of a storm: makes, fills, moves, changes and removes files and directories.

  tests/storm/writer.py --number N --seed S --steps N --files N --volume DIR --outside DIR
                        --log FILE

Its steps follow from number and seed alone. It makes as many steps as the lines of its standard
input say, and the rest when that ends.
"""

import argparse
import ctypes
import os
import random
import shutil
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.realpath(os.path.join(os.path.dirname(__file__), "..")))

from storm import model  # pylint: disable=wrong-import-position

STEPS_A_TREE = 8  # One step in so many makes a new tree, which is then filled.
COMMON_FOLDERS = 8  # Directories that all writers use.
_TREE_DEPTH_MAX = 4
_DEPTH_MAX = 12
_OPEN_FILES_MAX = 4
_OUTSIDE_TREES_MAX = 8
_TRIES_MAX = 20
_FILES_A_CHANGE_MAX = 5
_RENAME_EXCHANGE = 2  # renameat2(2)
_AT_FDCWD = -100
_LIBC = ctypes.CDLL(None, use_errno=True)
_ODD = b"odd \xff\n$(x)"


class Writer:
    """All that a writer does. Every method named `_do_…` is one kind of step."""

    def __init__(self, options):
        self._random = random.Random(f"{options.seed}/{options.number}")
        self._mark = b"w%d" % options.number
        self._counter = 0
        self._files_a_folder = max(1, options.files * STEPS_A_TREE * 2 // (
            options.steps * (_TREE_DEPTH_MAX + 1)))
        self._volume = model.Folder(None, os.fsencode(options.volume), fixed=True)
        self._outside = model.Folder(None, os.fsencode(options.outside), fixed=True)
        self._open = []  # (file descriptor, Content)
        self._log = open(options.log, "wb")  # pylint: disable=consider-using-with
        common = model.Folder(self._volume, b"common", fixed=True)
        self._common = [model.Folder(common, b"%d" % number, fixed=True)
                        for number in range(COMMON_FOLDERS)]
        self._own = model.Folder(self._volume, self._mark, fixed=True)
        self._places = [self._own, *self._common]  # Folders; some may be gone meanwhile.
        self._steps = self._kinds()
        os.mkdir(self._own.path())

    def _kinds(self):
        weights = {
            self._do_move_folder: 6, self._do_move_out: 3, self._do_move_in: 4,
            self._do_build_outside: 2, self._do_remove_tree: 2, self._do_exchange: 2,
            self._do_overwrite: 6, self._do_append: 6, self._do_replace: 8, self._do_link: 4,
            self._do_rename: 6, self._do_remove: 5, self._do_remake: 4, self._do_times: 3,
            self._do_ignored: 2, self._do_open_slow: 4, self._do_write_slow: 4,
            self._do_close_slow: 4, self._do_symlink: 1, self._do_swap_kind: 2,
            self._do_file_out: 2, self._do_refill: 3}
        return [kind for kind, weight in weights.items() for _ in range(weight)]

    def step(self, number):
        """One step."""
        if number % STEPS_A_TREE == 0:
            return self._make_tree(self._pick_folder(), self._files_a_folder)
        return self._random.choice(self._steps)()

    def finish(self):
        """Closes what is still open."""
        while self._open:
            self._do_close_slow()
        self._log.close()

    def _note(self, what, *paths):
        self._log.write(b"%d %s %s\n" % (
            time.time_ns(), what, b" ".join(repr(path)[1:].encode() for path in paths)))

    # Choices.

    def _alive(self, folder):
        return folder.below(self._volume)

    def _pick_folder(self):
        while True:
            index = self._random.randrange(len(self._places))
            folder = self._places[index]
            if self._alive(folder):
                return folder
            self._places[index] = self._places[-1]
            self._places.pop()

    def _pick_movable(self):
        for _ in range(_TRIES_MAX):
            folder = self._pick_folder()
            if not folder.fixed:
                return folder
        return None

    def _pick_file(self, accept=lambda content: True):
        """(folder, name, content), or None."""
        for _ in range(_TRIES_MAX):
            folder = self._pick_folder()
            if not folder.files:
                continue
            name = self._random.choice(list(folder.files))
            if accept(folder.files[name]):
                return folder, name, folder.files[name]
        return None

    def _new_name(self, folder, prefix):
        """A name that nothing has; often one that something had."""
        if folder.left and self._random.random() < 0.4:
            name = self._random.choice(folder.left)
            if not folder.has(name):
                return name
        self._counter += 1
        odd = _ODD if self._counter % 50 == 0 else b""
        return b"%s%s%d%s" % (prefix, self._mark, self._counter, odd)

    def _data(self):
        return b"x" * self._random.choice((0, 1, 10, 100, 100, 100, 5000))

    # Trees.

    def _make_tree(self, parent, files_a_folder):
        depth = parent.path().count(b"/") - self._volume.path().count(b"/")
        if depth > _DEPTH_MAX:
            parent = self._own
        chain = [parent]
        for _ in range(self._random.randint(1, _TREE_DEPTH_MAX)):
            chain.append(model.Folder(chain[-1], self._new_name(chain[-1], b"d")))
        self._note(b"tree", chain[-1].path())
        fill_late = self._random.random() < 0.5
        if fill_late:
            os.makedirs(chain[-1].path())
        for folder in chain[1:]:
            if not fill_late:
                os.mkdir(folder.path())
            self._fill(folder, self._random.randint(1, 2 * files_a_folder))
        self._places += chain[1:]
        return chain[1]

    def _fill(self, folder, count):
        path = folder.path() + b"/"
        for _ in range(count):
            name = self._new_name(folder, b"f")
            self._write(path + name, os.O_CREAT | os.O_EXCL)
            folder.files[name] = model.Content()

    def _write(self, path, flags):
        fd = os.open(path, os.O_WRONLY | flags, 0o644)
        os.write(fd, self._data())
        os.close(fd)

    def _do_refill(self):
        self._fill(self._pick_folder(), self._random.randint(1, 10))

    def _rename_folder(self, folder, parent, name):
        before = folder.path()
        folder.detach()
        folder.attach(parent, name)
        self._note(b"move", before, folder.path())
        os.rename(before, folder.path())

    def _do_move_folder(self):
        folder = self._pick_movable()
        parent = self._pick_folder()
        if folder is None or parent.below(folder):
            return
        if parent.path().count(b"/") > self._volume.path().count(b"/") + _DEPTH_MAX:
            return
        self._rename_folder(folder, parent, self._new_name(parent, b"d"))
        if self._random.random() < 0.3:
            self._fill(folder, 3)  # at once, in its new place

    def _do_move_out(self):
        folder = self._pick_movable()
        if folder is None:
            return
        if len(self._outside.folders) >= _OUTSIDE_TREES_MAX:
            return
        self._rename_folder(folder, self._outside, self._new_name(self._outside, b"o"))

    def _do_move_in(self):
        if not self._outside.folders:
            return
        folder = self._outside.folders[self._random.choice(list(self._outside.folders))]
        parent = self._pick_folder()
        self._rename_folder(folder, parent, self._new_name(parent, b"d"))
        self._places += list(folder.walk())

    def _do_build_outside(self):
        if len(self._outside.folders) >= _OUTSIDE_TREES_MAX:
            return
        folder = model.Folder(self._outside, self._new_name(self._outside, b"o"))
        os.mkdir(folder.path())
        self._fill(folder, self._random.randint(1, 10))
        inner = model.Folder(folder, b"inner")
        os.mkdir(inner.path())
        self._fill(inner, 3)
        self._do_move_in()

    def _do_remove_tree(self):
        folder = self._pick_movable()
        if folder is None or sum(len(each.files) for each in folder.walk()) > 500:
            return
        self._remove_tree(folder)
        if self._random.random() < 0.5 and self._alive(folder.was_in):
            # The same name comes back at once, as a copy that replaces another.
            again = model.Folder(folder.was_in, folder.name)
            os.mkdir(again.path())
            self._fill(again, 3)
            self._places.append(again)

    def _remove_tree(self, folder):
        path = folder.path()
        self._note(b"remove-tree", path)
        shutil.rmtree(path)
        for each in folder.walk():
            for content in each.files.values():
                content.links -= 1
            each.files.clear()
        folder.detach()

    def _do_exchange(self):
        one, other = self._pick_movable(), self._pick_movable()
        if one is None or other is None or one.below(other) or other.below(one):
            return
        paths = one.path(), other.path()
        self._note(b"exchange", *paths)
        if _LIBC.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")
        places = (one.parent, one.name), (other.parent, other.name)
        one.detach()
        other.detach()
        one.attach(*places[1])
        other.attach(*places[0])

    # Files.

    def _several(self, change, accept=lambda content: content.links == 1):
        for _ in range(self._random.randint(1, _FILES_A_CHANGE_MAX)):
            picked = self._pick_file(accept)
            if picked is None:
                return
            folder, name, content = picked
            change(folder, name, content, folder.path() + b"/" + name)

    def _do_overwrite(self):
        self._several(lambda folder, name, content, path: self._change(b"overwrite", path,
                                                                       os.O_TRUNC))

    def _do_append(self):
        self._several(lambda folder, name, content, path: self._change(b"append", path,
                                                                       os.O_APPEND))

    def _change(self, what, path, flags):
        self._note(what, path)
        self._write(path, flags)

    def _do_replace(self):
        def replace(folder, name, content, path):
            # Not all temporary names are ignored.
            end = self._random.choice((b".part", b".tmp", b"", b"~"))
            temporary = folder.path() + b"/t" + name[:100] + end
            self._note(b"replace", temporary, path)
            self._write(temporary, os.O_CREAT | os.O_EXCL)
            if self._random.random() < 0.3:
                os.utime(temporary, ns=(1_000_000_000, self._random.randrange(10**18)))
            os.rename(temporary, path)
            content.links -= 1
            folder.files[name] = model.Content()
        self._several(replace, lambda content: True)

    def _do_link(self):
        def link(folder, name, content, path):
            target = self._pick_folder()
            new = self._new_name(target, b"h")
            self._note(b"link", path, target.path() + b"/" + new)
            os.link(path, target.path() + b"/" + new)
            target.files[new] = content
            content.links += 1
        self._several(link, lambda content: content.open == 0)

    def _do_rename(self):
        def rename(folder, name, content, path):
            target = self._pick_folder()
            new = self._new_name(target, b"r")
            if target.files and self._random.random() < 0.3:
                new = self._random.choice(list(target.files))
            if target.files.get(new) is content:
                return
            self._note(b"rename", path, target.path() + b"/" + new)
            os.rename(path, target.path() + b"/" + new)
            if new in target.files:
                target.drop_file(new)
            content.links += 1
            folder.drop_file(name)
            target.files[new] = content
        self._several(rename, lambda content: True)

    def _do_remove(self):
        def remove(folder, name, content, path):
            self._note(b"remove", path)
            os.unlink(path)
            folder.drop_file(name)
        self._several(remove, lambda content: True)

    def _do_remake(self):
        def remake(folder, name, content, path):
            self._note(b"remake", path)
            os.unlink(path)
            self._write(path, os.O_CREAT | os.O_EXCL)
            content.links -= 1
            folder.files[name] = model.Content()
        self._several(remake, lambda content: True)

    def _do_times(self):
        def times(folder, name, content, path):
            self._note(b"times", path)
            os.utime(path, ns=(1_000_000_000, self._random.randrange(10**18)))
            os.chmod(path, self._random.choice((0o600, 0o644)))
        self._several(times)

    def _do_ignored(self):
        def ignored(folder, name, content, path):
            self._note(b"to-ignored", path)
            os.rename(path, path + b"~")
            folder.drop_file(name)
        self._several(ignored)

    def _do_file_out(self):
        def out(folder, name, content, path):
            self._counter += 1
            away = self._outside.path() + b"/file%d" % self._counter
            self._note(b"file-out", path, away)
            os.rename(path, away)
            folder.drop_file(name)
            if self._random.random() < 0.5:
                target = self._pick_folder()
                new = self._new_name(target, b"i")
                self._note(b"file-in", away, target.path() + b"/" + new)
                os.rename(away, target.path() + b"/" + new)
                content.links += 1
                target.files[new] = content
        self._several(out)

    def _do_swap_kind(self):
        picked = self._pick_file()
        if picked is None:
            return
        folder, name, _ = picked
        path = folder.path() + b"/" + name
        self._note(b"file-to-folder", path)
        os.unlink(path)
        folder.drop_file(name)
        made = model.Folder(folder, name)
        os.mkdir(path)
        self._fill(made, 3)
        self._places.append(made)
        if self._random.random() < 0.5:
            self._remove_tree(made)
            self._note(b"folder-to-file", path)
            self._write(path, os.O_CREAT | os.O_EXCL)
            folder.files[name] = model.Content()

    def _do_symlink(self):
        folder = self._pick_folder()
        self._counter += 1
        path = folder.path() + b"/s%s%d" % (self._mark, self._counter)
        self._note(b"symlink", path)
        os.symlink(self._pick_folder().path(), path)
        picked = self._pick_file()
        if picked is not None and self._random.random() < 0.5:
            folder, name, _ = picked
            self._note(b"symlink-over", path, folder.path() + b"/" + name)
            os.rename(path, folder.path() + b"/" + name)
            folder.files.pop(name).links -= 1
            folder.symlinks.add(name)

    # Files that stay open while other things happen.

    def _do_open_slow(self):
        if len(self._open) >= _OPEN_FILES_MAX:
            return
        folder = self._pick_folder()
        name = self._new_name(folder, b"l")
        path = folder.path() + b"/" + name
        self._note(b"open", path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        content = model.Content()
        content.open = 1
        folder.files[name] = content
        self._open.append((fd, content))

    def _do_write_slow(self):
        for fd, _ in self._open:
            os.write(fd, b"more")

    def _do_close_slow(self):
        if not self._open:
            return
        fd, content = self._open.pop(self._random.randrange(len(self._open)))
        self._note(b"close", os.fsencode(os.readlink(f"/proc/self/fd/{fd}")))
        if self._random.random() < 0.7:
            os.write(fd, b"last")
        os.close(fd)
        content.open = 0


def main():
    """Writes until it is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("number", "seed", "steps", "files"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("volume", "outside", "log"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    writer = Writer(options)
    allowed = 0
    for number in range(options.steps):
        if number == allowed:
            line = sys.stdin.buffer.readline()
            allowed = allowed + int(line) if line else options.steps
        writer.step(number)
    writer.finish()


if __name__ == "__main__":
    main()

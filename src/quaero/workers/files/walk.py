"""Walking a folder in a repeatable order, leaving out what its owner leaves out. Reads names, never contents.

Of the rules, the strongest first: ``exclude_paths``, the deepest ``.gitignore``, the ones above it up to the root of
the repository, ``.git/info/exclude``, :data:`JUNK`. ``.git`` itself is always left out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from quaero.calc.ignore_rules import IgnoreRules, RuleStack, parse_ignore_file

JUNK: Final = (
    *(".hg/", ".svn/", ".bzr/", ".jj/", "CVS/"),
    *(".venv/", "__pycache__/", "*.egg-info/", ".eggs/", ".tox/", ".nox/", "site-packages/"),
    *(".mypy_cache/", ".ruff_cache/", ".pytest_cache/", ".hypothesis/", ".ipynb_checkpoints/", ".cache/"),
    *("node_modules/", "bower_components/", ".yarn/", ".pnpm-store/", ".next/", ".nuxt/", ".svelte-kit/"),
    *(".parcel-cache/", ".turbo/", ".angular/", ".gradle/", ".terraform/", ".dart_tool/", ".direnv/", ".idea/", ".vs/"),
    *("$RECYCLE.BIN/", ".Trash*/", ".DS_Store", "Thumbs.db", "desktop.ini"),
)
"""Left out unless a rule brings it back (``exclude_paths = ["!node_modules/"]``)."""

_VIRTUAL_ENVIRONMENT: Final = "pyvenv.cfg"


class FoundFile(NamedTuple):
    path: str
    """Relative to the folder walked, with slashes."""
    size: int
    mtime_ns: int


class _Folder(NamedTuple):
    """A folder still to be entered: its way from the root with a slash behind, and the rules that hold in it."""

    path: Path
    prefix: str
    rules: RuleStack


class Trouble(NamedTuple):
    """Something that could not be looked at; the walk goes on without it."""

    path: str
    reason: str


@dataclass(slots=True)
class Walk:
    """One walk over ``base`` (absolute). Iterating does it; ``troubles`` and ``ignored`` fill up meanwhile."""

    base: Path
    exclude: Sequence[str] = ()
    respect_gitignore: bool = True
    follow_links: bool = False
    wanted: Callable[[str], bool] = lambda _name: True
    """By file name: is this one of the files asked for."""
    is_cancelled: Callable[[], bool] = lambda: False
    troubles: list[Trouble] = field(default_factory=list)
    ignored: int = 0
    """Files and whole folders left out by rules."""
    _top: str = ""
    """Way from the root of the repository to ``base``, with a slash behind: rules see paths from that root."""
    _strongest: RuleStack = field(default_factory=RuleStack)
    _real_base: str = ""
    _entered: set[tuple[int, int]] = field(default_factory=set)

    def __iter__(self) -> Iterator[FoundFile]:
        root = _repository_root(self.base) if self.respect_gitignore else self.base
        self._top = "" if root == self.base else f"{self.base.relative_to(root).as_posix()}/"
        self._real_base = os.path.realpath(self.base)
        self._strongest = RuleStack().push(self._top, IgnoreRules(_relative(p, self.base) for p in self.exclude))
        weakest = RuleStack().push(self._top, IgnoreRules(JUNK))
        # A stack of our own: folders may lie deeper than Python recurses.
        open_folders = [self._entries(_Folder(self.base, self._top, self._rules_from(root, weakest)))]
        while open_folders and not self.is_cancelled():
            found = next(open_folders[-1], None)
            if found is None:
                open_folders.pop()
            elif isinstance(found, _Folder):
                open_folders.append(self._entries(found))
            else:
                yield found

    def _entries(self, here: _Folder) -> Iterator[FoundFile | _Folder]:
        folder, prefix, rules = here
        try:
            if self.follow_links and not self._enters_first(folder):
                return
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._note(prefix, _reason(error))
            return
        if self.respect_gitignore:
            rules = self._rules_of(folder, prefix, rules)
        for entry in found:
            if entry.name != ".git" and (item := self._entry(entry, prefix, rules)):
                yield item

    def _entry(self, entry: os.DirEntry[str], prefix: str, rules: RuleStack) -> FoundFile | _Folder | None:
        path = prefix + entry.name
        try:
            entry.name.encode()
            if entry.is_symlink() and not (self.follow_links and self._leads_outside(entry.path)):
                return None
            is_folder = entry.is_dir()
            if self._is_ignored(path, entry, rules, is_folder=is_folder):
                self.ignored += 1
            elif is_folder:
                return _Folder(Path(entry.path), f"{path}/", rules)
            elif self.wanted(entry.name):
                facts = entry.stat()
                if stat.S_ISREG(facts.st_mode):
                    return FoundFile(path[len(self._top) :], facts.st_size, facts.st_mtime_ns)
        except UnicodeEncodeError:
            self._note(ascii(path), "its name is not valid UTF-8")
        except OSError as error:
            self._note(path, _reason(error))
        return None

    def _is_ignored(self, path: str, entry: os.DirEntry[str], rules: RuleStack, *, is_folder: bool) -> bool:
        verdict = self._strongest.decide(path, is_folder=is_folder)
        if verdict is None:
            verdict = rules.decide(path, is_folder=is_folder)
        if verdict is None and is_folder:
            return Path(entry.path, _VIRTUAL_ENVIRONMENT).exists()
        return bool(verdict)

    def _rules_from(self, root: Path, rules: RuleStack) -> RuleStack:
        """What the folders from the root of the repository down to just above ``base`` say.

        Nothing, when they would ignore ``base`` itself: whoever names a folder wants it.
        """
        folder, prefix, stack = root, "", rules
        for part in self.base.relative_to(root).parts:
            stack = self._rules_of(folder, prefix, stack)
            folder, prefix = folder / part, f"{prefix}{part}/"
            if stack.decide(prefix.rstrip("/"), is_folder=True):
                return rules
        return stack

    def _rules_of(self, folder: Path, prefix: str, rules: RuleStack) -> RuleStack:
        """``rules`` and, on top of them, what this one folder says."""
        for file in (_info_exclude(folder / ".git"), folder / ".gitignore"):
            try:
                if file is not None and file.is_file():
                    rules = rules.push(prefix, parse_ignore_file(file.read_bytes()))
            except OSError as error:
                self._note(prefix + file.name if file else prefix, _reason(error))
        return rules

    def _leads_outside(self, link: str) -> bool:
        """Whether a link leads to where this walk does not come by itself, and not back above its start."""
        target = os.path.realpath(link)
        return not (_is_within(target, self._real_base) or _is_within(self._real_base, target))

    def _enters_first(self, folder: Path) -> bool:
        """Note a folder by its identity on disk: each is entered once, however many links lead to it."""
        facts = folder.stat()
        identity = (facts.st_dev, facts.st_ino)
        if identity in self._entered:
            return False
        self._entered.add(identity)
        return True

    def _note(self, path: str, reason: str) -> None:
        self.troubles.append(Trouble(path[len(self._top) :].rstrip("/") or ".", reason))


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _relative(pattern: str, base: Path) -> str:
    """An ``exclude_paths`` entry as a rule of ``base``: absolute paths and ``./`` start there."""
    mark, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    start = f"{base.as_posix().rstrip('/')}/"
    if body.startswith(start):
        body = f"/{body.removeprefix(start)}"
    elif body.startswith("./"):
        body = body.removeprefix(".")
    return mark + body


def _repository_root(base: Path) -> Path:
    """The folder with ``.git`` that ``base`` lies in or is; without one, ``base``."""
    return next((folder for folder in (base, *base.parents) if os.path.lexists(folder / ".git")), base)


def _info_exclude(git: Path) -> Path | None:
    """The exclude file of a repository; in a linked work tree, ``.git`` is a file that says where to look."""
    if git.is_dir():
        return git / "info" / "exclude"
    try:
        pointer = git.read_text("utf-8").strip()
        home = git.parent / pointer.removeprefix("gitdir:").strip()
        common = home / "commondir"
        shared = home / common.read_text("utf-8").strip() if common.is_file() else home
    except (OSError, UnicodeDecodeError):
        return None
    return shared / "info" / "exclude"

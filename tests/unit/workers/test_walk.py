"""Walking a folder: what is left out, where links lead, and that git agrees."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quaero.calc.ignore_rules import IgnoreRules, parse_ignore_file
from quaero.workers.files.walk import Walk


def tree(base: Path, *names: str, **files: str) -> None:
    for name in (*names, *files):
        file = base / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(files.get(name, "x"))


def ignore(base: Path, *lines: str) -> None:
    base.mkdir(parents=True, exist_ok=True)
    (base / ".gitignore").write_text("\n".join(lines) + "\n")


def walked(base: Path, **options: object) -> list[str]:
    return [f.path for f in Walk(base, **options) if not f.path.endswith(".gitignore")]  # type: ignore[arg-type]


def test_files_come_in_the_order_of_their_names_down_the_tree(tmp_path: Path) -> None:
    tree(tmp_path, "b/z.txt", "b/a.txt", "a.txt", "c.txt")

    assert walked(tmp_path) == ["a.txt", "b/a.txt", "b/z.txt", "c.txt"]


def test_rules_of_deeper_folders_win_and_can_bring_files_back(tmp_path: Path) -> None:
    ignore(tmp_path, "*.log", "build/", "/top.txt")
    ignore(tmp_path / "keep", "!*.log", "secret.log")
    tree(tmp_path, "a.log", "top.txt", "keep/top.txt", "keep/a.log", "keep/secret.log", "build/x", "keep/build/x")

    assert walked(tmp_path) == ["keep/a.log", "keep/top.txt"]


def test_a_file_cannot_be_brought_back_from_an_ignored_folder(tmp_path: Path) -> None:
    ignore(tmp_path, "out/", "!out/keep.txt", "part/*", "!part/keep.txt")
    tree(tmp_path, "out/keep.txt", "part/keep.txt", "part/other.txt")

    assert walked(tmp_path) == ["part/keep.txt"]


def test_gitignore_can_be_left_unasked(tmp_path: Path) -> None:
    ignore(tmp_path, "*.log")
    tree(tmp_path, "a.log")

    assert walked(tmp_path, respect_gitignore=False) == ["a.log"]


def test_the_exclude_file_of_the_repository_is_asked_last(tmp_path: Path) -> None:
    tree(tmp_path, "a.tmp", "b.tmp", ".git/config")
    (tmp_path / ".git/info").mkdir()
    (tmp_path / ".git/info/exclude").write_text("*.tmp\n")
    ignore(tmp_path, "!b.tmp")

    assert walked(tmp_path) == ["b.tmp"]


def test_a_linked_work_tree_finds_the_exclude_file_of_its_repository(tmp_path: Path) -> None:
    tree(tmp_path, "main/.git/worktrees/w/HEAD", "w/a.tmp", "w/b.txt")
    (tmp_path / "main/.git/info").mkdir()
    (tmp_path / "main/.git/info/exclude").write_text("*.tmp\n")
    (tmp_path / "main/.git/worktrees/w/commondir").write_text("../..\n")
    (tmp_path / "w/.git").write_text(f"gitdir: {tmp_path}/main/.git/worktrees/w\n")

    assert walked(tmp_path / "w") == ["b.txt"]


def test_rules_above_the_folder_hold_up_to_the_root_of_the_repository(tmp_path: Path) -> None:
    ignore(tmp_path, "*.txt")  # outside of the repository
    ignore(tmp_path / "repo", "*.log", "/sub/deep/x.md")
    tree(tmp_path, "repo/.git/config", "repo/sub/deep/x.md", "repo/sub/deep/a.log", "repo/sub/deep/a.txt")

    assert walked(tmp_path / "repo/sub") == ["deep/a.txt"]


def test_whoever_names_an_ignored_folder_gets_it(tmp_path: Path) -> None:
    ignore(tmp_path, "build/", "*.log")
    tree(tmp_path, ".git/config", "build/sub/a.txt", "build/sub/a.log")

    assert walked(tmp_path / "build/sub") == ["a.log", "a.txt"]


def test_junk_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    tree(tmp_path, "node_modules/a.js", "x/__pycache__/a.txt", "env/pyvenv.cfg", "env/lib.py", ".git/config", "a.txt")

    assert walked(tmp_path) == ["a.txt"]
    assert walked(tmp_path, exclude=["!node_modules/"]) == ["a.txt", "node_modules/a.js"]
    assert walked(tmp_path, exclude=["!.git/"]) == ["a.txt"]


def test_exclude_paths_take_folders_paths_globs_and_absolute_paths(tmp_path: Path) -> None:
    tree(tmp_path, "vendor/a", "x/vendor/a", "docs/private/a", "x/docs/private/a", "a.min.js", "abs/a", "dot/a", "z")
    rules = ["vendor/", "docs/private", "*.min.js", f"{tmp_path}/abs/", "./dot/"]

    assert walked(tmp_path, exclude=rules) == ["x/docs/private/a", "z"]


def test_exclude_paths_win_over_gitignore(tmp_path: Path) -> None:
    ignore(tmp_path, "a", "!b")
    tree(tmp_path, "a", "b")

    assert walked(tmp_path, exclude=["!a", "b"]) == ["a"]


def test_links_are_not_followed_unless_asked_for(tmp_path: Path) -> None:
    tree(tmp_path, "base/a.txt", "outside/b.txt", "file.txt")
    (tmp_path / "base/link").symlink_to(tmp_path / "outside")
    (tmp_path / "base/file.txt").symlink_to(tmp_path / "file.txt")

    assert walked(tmp_path / "base") == ["a.txt"]
    assert walked(tmp_path / "base", follow_links=True) == ["a.txt", "file.txt", "link/b.txt"]


def test_link_loops_end(tmp_path: Path) -> None:
    tree(tmp_path, "base/sub/a.txt", "out/b.txt")
    for name, target in {"base/sub/up": "base", "base/root": "", "base/out": "out", "out/self": "out"}.items():
        (tmp_path / name).symlink_to(tmp_path / target)
    (tmp_path / "out/back").symlink_to(tmp_path / "base")
    (tmp_path / "base/broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "base/itself").symlink_to(tmp_path / "base/itself")

    assert walked(tmp_path / "base", follow_links=True) == ["out/b.txt", "sub/a.txt"]


def test_pipes_and_sockets_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    tree(tmp_path, "a.txt")

    assert walked(tmp_path) == ["a.txt"]


def test_folders_deeper_than_python_recurses_are_walked(tmp_path: Path) -> None:
    folders = [tmp_path]
    for _ in range(1100):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    (folders[-1] / "a").write_text("x")

    found = walked(tmp_path)

    assert [len(path) for path in found] == [2201]
    (folders[-1] / "a").unlink()  # the runner's own removal is recursive
    for folder in reversed(folders[1:]):
        folder.rmdir()


def test_a_cancelled_walk_ends(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{i}/a" for i in range(5)))
    seen: list[str] = []

    for file in Walk(tmp_path, is_cancelled=lambda: len(seen) >= 2):
        seen.append(file.path)

    assert len(seen) == 2


@pytest.mark.parametrize(
    ("line", "path", "verdict"),
    [
        ("", "a", None),
        ("/", "a", None),
        ("!", "a", None),
        ("# a", "a", None),
        ("\\#a", "#a", True),
        ("\\!a", "!a", True),
        ("a ", "a", True),
        ("a\\ ", "a ", True),
        ("a\\", "a", None),
        ("[z-a]", "a", None),
        ("a[", "a[", None),
        ("[[a]", "[", True),
        ("[]a]", "]", True),
        ("[a&&b]", "&", True),
        ("x[[:digit:]]", "x7", True),
        ("x[^[:digit:]_]", "x7", None),
        ("**/a", "x/y/a", True),
        ("a/**/b", "a/b", True),
        ("a/**", "a", None),
        ("*.c", "x/y.c", True),
        ("x/*.c", "x/y/z.c", None),
        ("a", "a/b", None),  # the walker asked about the folder a before
    ],
)
def test_patterns_mean_what_git_means(line: str, path: str, verdict: bool | None) -> None:
    assert IgnoreRules([line]).decide(path, is_folder=False) is verdict


def test_ignore_files_may_have_marks_and_any_line_ends() -> None:
    rules = parse_ignore_file(b"\xef\xbb\xbf*.log\r\n\xff\xfe\r\nb\n")

    assert [rules.decide(p, is_folder=False) for p in ("a.log", "b", "c")] == [True, True, None]


NAMES = st.sampled_from(["a", "b", "ab", "a.x", "b.x", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERN_PARTS = st.sampled_from(["a", "b", "ab", "c", "*", "?", "**", "*.x", "a*", "[ab]", "[!a]", "*b"])
PATTERNS = st.builds(
    lambda bang, lead, parts, tail: f"{bang}{lead}{'/'.join(parts)}{tail}",
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(PATTERN_PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
)
IGNORE_FILES = st.dictionaries(
    st.lists(NAMES, max_size=2).map("/".join), st.lists(PATTERNS, min_size=1, max_size=4), max_size=3
)


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git, which is not installed")
@settings(max_examples=60, deadline=None)
@given(files=st.sets(PATHS, min_size=1, max_size=12), rules=IGNORE_FILES)
def test_the_walk_leaves_out_what_git_ignores(files: set[str], rules: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name).resolve()
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": name}
        subprocess.run(["git", "init", "-q", "."], cwd=base, env=environment, check=True)
        for path in sorted(files):
            if not any((base / parent).is_file() for parent in Path(path).parents) and not (base / path).is_dir():
                tree(base, path)
        for place, lines in rules.items():
            if (base / place).is_dir():
                ignore(base / place, *lines)
        # What git would add, by its own walk. check-ignore is no help: it also names files kept by a negated rule.
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--others", "--exclude-standard"],
            cwd=base, env=environment, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        by_git = {path for path in listed.split("\0") if path}

        assert {f.path for f in Walk(base)} == by_git

"""Which language or format a file is written in, by its name or its first line."""

from __future__ import annotations

import re
from typing import Final

UNKNOWN: Final = "Text"

_BY_NAME: Final = {
    name: language
    for language, names in {
        "CMake": "cmakelists.txt",
        "Dockerfile": "dockerfile containerfile",
        "Go module": "go.mod go.sum go.work",
        "Groovy": "jenkinsfile",
        "Ignore list": ".gitignore .dockerignore .npmignore .eslintignore .prettierignore .helmignore",
        "INI": ".editorconfig .flake8 .npmrc .pylintrc .gitconfig .gitmodules .gitattributes",
        "JSON": ".babelrc .eslintrc .prettierrc .jshintrc composer.lock pipfile.lock flake.lock",
        "Just": "justfile .justfile",
        "Makefile": "makefile gnumakefile",
        "Meson": "meson.build meson_options.txt",
        "Python": "sconstruct sconscript wscript",
        "Ruby": "gemfile rakefile vagrantfile podfile brewfile fastfile guardfile",
        "Shell": ".bashrc .bash_profile .profile .zshrc .zprofile .envrc",
        "Starlark": "build workspace tiltfile",
        "TOML": "pipfile cargo.lock poetry.lock uv.lock",
    }.items()
    for name in names.split()
}

_BY_EXTENSION: Final = {
    extension: language
    for language, extensions in {
        "AsciiDoc": "adoc asciidoc",
        "Assembly": "asm s",
        "Astro": "astro",
        "Batch": "bat cmd",
        "Bicep": "bicep",
        "C": "c h",
        "C#": "cs csx",
        "C++": "cc cpp cxx c++ hh hpp hxx ipp inl",
        "CMake": "cmake",
        "CSS": "css",
        "CSV": "csv",
        "Clojure": "clj cljs cljc edn",
        "CoffeeScript": "coffee",
        "Crystal": "cr",
        "Cython": "pyx pxd pxi",
        "D": "d",
        "Dart": "dart",
        "Diff": "diff patch",
        "Dockerfile": "dockerfile",
        "Elixir": "ex exs",
        "Elm": "elm",
        "Emacs Lisp": "el",
        "Environment": "env",
        "Erlang": "erl hrl",
        "F#": "fs fsi fsx",
        "Fortran": "f f90 f95 f03 for",
        "GraphQL": "graphql gql",
        "Go": "go",
        "Gradle": "gradle",
        "Groovy": "groovy",
        "HCL": "hcl tf tfvars",
        "HTML": "html htm xhtml",
        "Haskell": "hs lhs",
        "INI": "ini cfg conf cnf properties editorconfig",
        "JSON": "json jsonc json5 geojson webmanifest jsonld",
        "JSON Lines": "jsonl ndjson",
        "Java": "java",
        "JavaScript": "js mjs cjs jsx",
        "Jinja": "jinja jinja2 j2",
        "Julia": "jl",
        "Jupyter Notebook": "ipynb",
        "Just": "just",
        "Kotlin": "kt kts",
        "LaTeX": "tex sty cls bib",
        "Less": "less",
        "Lisp": "lisp lsp cl",
        "Log": "log",
        "Lua": "lua",
        "MATLAB": "mat",
        "Makefile": "mk mak make",
        "Markdown": "md markdown mdown mkd mdx",
        "Nim": "nim",
        "Nix": "nix",
        "OCaml": "ml mli",
        "Objective-C": "m mm",
        "Org": "org",
        "PHP": "php phtml",
        "Perl": "pl pm t",
        "PowerShell": "ps1 psm1 psd1",
        "Prolog": "pro",
        "Protocol Buffers": "proto",
        "Python": "py pyi pyw",
        "R": "r rmd",
        "ReStructuredText": "rst",
        "Ruby": "rb rake gemspec erb",
        "Rust": "rs",
        "SQL": "sql ddl dml pgsql plsql",
        "SVG": "svg",
        "Sass": "sass scss",
        "Scala": "scala sbt sc",
        "Scheme": "scm ss rkt",
        "Shell": "sh bash zsh fish ksh",
        "Solidity": "sol",
        "Starlark": "bzl bazel star",
        "Svelte": "svelte",
        "Swift": "swift",
        "TOML": "toml",
        "TSV": "tsv",
        "Tcl": "tcl",
        "Terraform": "tofu",
        "Text": "txt text",
        "Thrift": "thrift",
        "TypeScript": "ts tsx mts cts",
        "Typst": "typ",
        "V": "v",
        "VHDL": "vhd vhdl",
        "Verilog": "sv svh",
        "Vim script": "vim",
        "Visual Basic": "vb bas vbs",
        "Vue": "vue",
        "WebAssembly": "wat wast",
        "XML": "xml xsd xsl xslt plist csproj vbproj fsproj sln wsdl rss atom",
        "YAML": "yaml yml",
        "Zig": "zig",
    }.items()
    for extension in extensions.split()
}

_BY_INTERPRETER: Final = {
    "python": "Python",
    "pypy": "Python",
    "sh": "Shell",
    "bash": "Shell",
    "zsh": "Shell",
    "dash": "Shell",
    "fish": "Shell",
    "ksh": "Shell",
    "node": "JavaScript",
    "deno": "TypeScript",
    "bun": "TypeScript",
    "perl": "Perl",
    "ruby": "Ruby",
    "php": "PHP",
    "lua": "Lua",
    "rscript": "R",
    "awk": "AWK",
    "tclsh": "Tcl",
    "make": "Makefile",
}
_SHEBANG: Final = re.compile(r"#!\s*\S*?([A-Za-z]+)[\d.]*(?:\s|$)(?:-\S+\s+)*([A-Za-z]*)")

_NOT_CODE: Final = {
    *("AsciiDoc", "HTML", "LaTeX", "Log", "Markdown", "Org", "ReStructuredText", "Text", "Typst"),
    *("CSV", "Diff", "Environment", "Go module", "INI", "Ignore list", "JSON", "JSON Lines", "Jupyter Notebook"),
    *("SVG", "TOML", "TSV", "XML", "YAML"),
}
CODE: Final = frozenset({*_BY_NAME.values(), *_BY_EXTENSION.values(), *_BY_INTERPRETER.values()} - _NOT_CODE)
"""Languages whose words are mostly identifiers."""


def extension_of(name: str) -> str:
    """The extension of a file name in lower case with its dot; empty where there is none (``.gitignore``)."""
    stem, dot, extension = name.rpartition(".")
    return f".{extension.lower()}" if dot and stem.strip(".") else ""


def language_of(name: str, first_line: str = "") -> str:
    """Name of the language or format of a file; :data:`UNKNOWN` where neither name nor first line say."""
    lowered = name.lower()
    if found := _BY_NAME.get(lowered):
        return found
    if lowered.startswith(("dockerfile.", "containerfile.")):
        return "Dockerfile"
    if lowered.startswith((".env", "env.")):
        return "Environment"
    if found := _BY_EXTENSION.get(extension_of(lowered).removeprefix(".")):
        return found
    return _language_of_script(first_line)


def _language_of_script(first_line: str) -> str:
    found = _SHEBANG.match(first_line)
    if found is None:
        return UNKNOWN
    program, argument = found.group(1).lower(), found.group(2).lower()
    return _BY_INTERPRETER.get(argument if program == "env" else program, UNKNOWN)

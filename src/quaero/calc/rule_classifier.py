"""What kind of file or page something is, by rules over its path, its name and its first lines. No LLM.

The rules stand in one table, the special ones before the general ones; the first that matches decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from quaero.model.contracts import Category, Importance, RuleClassification

_HEAD_CHARACTERS: Final = 4_000


class Pattern:
    """A regular expression, compiled when it is first searched for: most processes classify nothing."""

    def __init__(self, text: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        self._text = text
        self._flags = flags

    @cached_property
    def search(self) -> Callable[[str], re.Match[str] | None]:
        return re.compile(self._text, self._flags).search


@dataclass(frozen=True, slots=True)
class Rule:
    """Matches when each pattern it has matches. ``path`` is searched in lower case, with a slash in front."""

    id: str
    category: Category
    subcategory: str
    purpose: str
    importance: Importance = "medium"
    path: Pattern | None = None
    head: Pattern | None = None
    """Searched in the first 4,000 characters of the content."""
    tags: tuple[str, ...] = ()

    def matches(self, path: str, head: str) -> bool:
        return (self.path is None or self.path.search(path) is not None) and (
            self.head is None or self.head.search(head) is not None
        )


def classify(path: str, content: str = "", *, is_page: bool = False) -> RuleClassification:
    """The category of a file at ``path`` (relative to its project), or of a web page at that path of its site."""
    rule = _find(path, content[:_HEAD_CHARACTERS], PAGE_RULES if is_page else FILE_RULES)
    tags = dict.fromkeys((rule.category, *([rule.subcategory] if rule.subcategory else []), *rule.tags))
    return RuleClassification(
        category=rule.category,
        subcategory=rule.subcategory,
        purpose=rule.purpose,
        importance=rule.importance,
        tags=tuple(tags),
        rule_matched=rule.id,
    )


def _find(path: str, head: str, rules: tuple[Rule, ...]) -> Rule:
    lowered = "/" + path.replace("\\", "/").lstrip("/").lower()
    return next((rule for rule in rules if rule.matches(lowered, head)), NO_RULE)


def _names(*names: str) -> Pattern:
    """Whole file names, anywhere; each may be a regular expression."""
    return Pattern(rf"/(?:{'|'.join(names)})$")


def _extensions(extensions: str) -> Pattern:
    return Pattern(rf"\.(?:{'|'.join(map(re.escape, extensions.split()))})$")


def _folders(folders: str) -> Pattern:
    return Pattern(rf"/(?:{'|'.join(map(re.escape, folders.split()))})/")


def _head(pattern: str) -> Pattern:
    return Pattern(pattern, re.MULTILINE)


_CODE = (
    "py pyi pyw pyx js mjs cjs jsx ts mts cts tsx go rs java kt kts scala groovy c h cc cpp cxx hh hpp hxx m mm cs fs"
    " vb swift rb php pl pm lua r jl dart ex exs erl hrl hs ml mli elm clj cljs cljc nim zig d v sv vhd vhdl f f90 asm"
    " s vue svelte astro sol cr coffee lisp scm rkt el vim tcl pas pro wat proto thrift graphql gql"
)
_SCRIPTS = "sh bash zsh fish ksh ps1 psm1 bat cmd awk"
_PROSE = "md mdx markdown rst adoc asciidoc txt org tex typ"
_IS_CODE = rf"\.(?:{'|'.join(_CODE.split())})$"
_IS_PROSE = rf"\.(?:{'|'.join(_PROSE.split())})$"
_NOT_CODE = rf"(?![^/]*{_IS_CODE})"
_TEST_NAME = (
    rf"/(?:test_[^/]+|[^/]+_tests?|[^/]+[.-](?:test|tests|spec)|[^/]+_spec){_IS_CODE}"
    r"|/(?!(?:latest|contest|protest|attest)\.)[^/]+tests?\.(?:java|kt|cs|swift|php|scala|groovy)$"
)
_TEST_FOLDER = r"/(?:tests?|__tests__|specs?|e2e|integration-tests?|test-?suite)/"

FILE_RULES: Final[tuple[Rule, ...]] = (
    # Continuous integration.
    Rule(
        *("github-workflow", "ci", "workflow", "Runs checks and releases on GitHub Actions", "high"),
        path=Pattern(r"/\.github/(?:workflows|actions)/.+\.ya?ml$"),
        tags=("github-actions",),
    ),
    Rule(
        *("ci-pipeline", "ci", "pipeline", "Describes the pipeline of a CI service", "high"),
        path=Pattern(
            r"/(?:\.gitlab-ci[^/]*\.ya?ml|\.travis\.ya?ml|azure-pipelines[^/]*\.ya?ml|appveyor\.ya?ml|\.appveyor\.ya?ml"
            r"|bitbucket-pipelines\.ya?ml|jenkinsfile[^/]*|\.drone\.ya?ml|\.cirrus\.ya?ml|cloudbuild\.ya?ml"
            r"|buildspec\.ya?ml|\.woodpecker\.ya?ml|\.zuul\.ya?ml|codemagic\.yaml|wercker\.yml|circle\.yml)$"
            r"|/\.(?:circleci|buildkite|gitlab-ci|woodpecker|teamcity|ci)/"
        ),
    ),
    Rule(
        *("dependency-bot", "ci", "dependency_updates", "Keeps dependencies up to date by itself", "low"),
        path=_names(r"dependabot\.ya?ml", r"\.?renovate(?:rc)?(?:\.json5?)?", r"\.pyup\.ya?ml", r"\.snyk"),
    ),
    Rule(
        *("code-review-settings", "ci", "review", "Says who reviews and what a contribution looks like", "low"),
        path=Pattern(
            r"/codeowners$|/\.github/(?:issue_template|pull_request_template)|/\.github/(?:stale|labeler|settings)"
            r"|/\.?codecov\.ya?ml$|/\.coveralls\.ya?ml$|/\.pre-commit-config\.ya?ml$|/\.pre-commit-hooks\.ya?ml$"
        ),
    ),
    # Dependencies.
    Rule(
        *("lockfile", "build", "lockfile", "Pins the exact versions of all dependencies", "low"),
        path=_names(
            *("package-lock\\.json", "npm-shrinkwrap\\.json", "yarn\\.lock", "pnpm-lock\\.yaml", "bun\\.lockb?"),
            *("poetry\\.lock", "uv\\.lock", "pdm\\.lock", "pipfile\\.lock", "pixi\\.lock", "conda-lock\\.ya?ml"),
            *("cargo\\.lock", "go\\.sum", "go\\.work\\.sum", "gemfile\\.lock", "composer\\.lock", "mix\\.lock"),
            *("podfile\\.lock", "packages\\.lock\\.json", "gradle\\.lockfile", "flake\\.lock", "deno\\.lock"),
            *("pubspec\\.lock", "package\\.resolved", "\\.terraform\\.lock\\.hcl", "constraints[^/]*\\.txt"),
        ),
    ),
    Rule(
        *("python-manifest", "build", "package_manifest", "Describes a Python package and what it needs", "high"),
        path=_names("pyproject\\.toml", "setup\\.(?:py|cfg)", "pipfile", "environment\\.ya?ml", "manifest\\.in"),
        tags=("python",),
    ),
    Rule(
        *("python-requirements", "build", "requirements", "Lists what a Python program needs", "high"),
        path=Pattern(r"/(?:[^/]*requirements[^/]*\.(?:txt|in)|requirements/[^/]+\.(?:txt|in))$"),
        tags=("python",),
    ),
    Rule(
        *(
            "node-manifest",
            "build",
            "package_manifest",
            "Describes a JavaScript package, its scripts and needs",
            "high",
        ),
        path=_names("package\\.json", "deno\\.jsonc?", "bower\\.json", "lerna\\.json", "pnpm-workspace\\.yaml"),
        tags=("javascript",),
    ),
    Rule(
        *("package-manifest", "build", "package_manifest", "Describes a package and what it needs", "high"),
        path=_names(
            *("cargo\\.toml", "go\\.mod", "go\\.work", "pom\\.xml", "gemfile", "[^/]+\\.gemspec", "composer\\.json"),
            *("[^/]+\\.(?:cs|fs|vb)proj", "[^/]+\\.sln", "nuget\\.config", "packages\\.config", "mix\\.exs"),
            *("rebar\\.config", "podfile", "package\\.swift", "pubspec\\.yaml", "[^/]+\\.cabal", "stack\\.yaml"),
            *("dune-project", "[^/]+\\.opam", "project\\.clj", "deps\\.edn", "[^/]+\\.nimble", "shard\\.yml"),
            *("project\\.toml", "description", "cpanfile", "makefile\\.pl", "conanfile\\.(?:txt|py)", "vcpkg\\.json"),
        ),
    ),
    # Build and delivery.
    Rule(
        *("dockerfile", "build", "container", "Builds a container image", "high"),
        path=Pattern(r"/(?:(?:docker|container)file(?:\.[^/]+)?|[^/]+\.(?:docker|container)file)$"),
        tags=("docker",),
    ),
    Rule(
        *("compose-file", "build", "container", "Says which containers run together", "high"),
        path=_names("(?:docker-)?compose[^/]*\\.ya?ml", "docker-bake\\.(?:hcl|json)", "skaffold\\.yaml"),
        tags=("docker",),
    ),
    Rule(
        *("makefile", "build", "build_script", "Names the commands that build, test and run", "high"),
        path=_names("(?:gnu)?makefile(?:\\.[^/]+)?", "[^/]+\\.(?:mk|mak)", "\\.?justfile", "taskfile\\.ya?ml"),
    ),
    Rule(
        *("build-script", "build", "build_script", "Builds the project", "high"),
        path=Pattern(
            r"/(?:cmakelists\.txt|[^/]+\.cmake|meson\.build|meson_options\.txt|build\.gradle(?:\.kts)?|gradlew(?:\.bat)?"
            r"|settings\.gradle(?:\.kts)?|build\.sbt|build\.xml|mvnw(?:\.cmd)?|build\.rs|build\.zig|rakefile|configure"
            r"|configure\.(?:ac|in)|[^/]+\.am|sconstruct|sconscript|wscript|tiltfile|earthfile|noxfile\.py"
            r"|build(?:\.bazel)?|workspace(?:\.bazel)?|module\.bazel|[^/]+\.bzl|gulpfile\.[^/]+|gruntfile\.[^/]+"
            r"|hatch_build\.py|conftest\.bzl|flake\.nix|default\.nix|shell\.nix)$|^/(?:build\.(?:sh|py|js|mjs|ts|bat|ps1)|tasks\.py)$"
        ),
    ),
    Rule(
        *("bundler", "build", "bundler", "Bundles a web program", "medium"),
        path=_names("(?:webpack|vite|rollup|esbuild|parcel|tsup|snowpack|next|nuxt|svelte|astro)\\.config\\.[^/]+"),
    ),
    Rule(
        *("infrastructure", "build", "infrastructure", "Describes machines and services to set up", "high"),
        path=Pattern(
            r"\.(?:tf|tfvars|bicep|tofu)$|/(?:terraform|k8s|kubernetes|helm|charts|ansible|pulumi|deploy(?:ment)?s?)/.+"
            r"\.(?:ya?ml|json|hcl|tpl|j2)$|/(?:chart|kustomization|serverless|fly|render|vercel|netlify)\."
            r"(?:ya?ml|toml|json)$|/procfile$|/vagrantfile$|/app\.ya?ml$|/ansible\.cfg$"
        ),
        tags=("infrastructure",),
    ),
    Rule(
        *("kubernetes-manifest", "build", "infrastructure", "Describes a Kubernetes object", "high"),
        path=_extensions("yaml yml"),
        head=_head(r"\A(?=[\s\S]*^apiVersion:\s*\S)(?=[\s\S]*^kind:\s*\S)"),
        tags=("kubernetes",),
    ),
    Rule(
        *("service-unit", "config", "service_unit", "Runs a program as a service of the system", "medium"),
        path=Pattern(r"\.(?:service|socket|timer|desktop)$"),
    ),
    # What a project says about itself.
    Rule(
        *("readme", "docs", "readme", "Introduces the project or folder", "high"),
        path=Pattern(rf"/{_NOT_CODE}(?:readme|read_me)(?:[._-][^/]*)?$"),
    ),
    Rule(
        *("license", "docs", "license", "Says under which terms it may be used", "low"),
        path=Pattern(
            rf"/{_NOT_CODE}(?:licen[cs]e|copying|unlicense|notice|copyright|patents|eula)"
            r"(?:[._-][^/]*)?$|/licenses/[^/]+$"
        ),
    ),
    Rule(
        *("changelog", "docs", "changelog", "Tells what changed from release to release", "medium"),
        path=Pattern(
            rf"/{_NOT_CODE}(?:changelog|changes|history|news|release[_-]?notes?|releases)(?:[._-][^/]*)?$|/newsfragments/"
        ),
    ),
    Rule(
        *("contributing", "docs", "contributing", "Tells contributors how to work on it", "medium"),
        path=Pattern(
            r"/(?:contributing|contributors|code_of_conduct|governance|maintainers|authors|hacking|development|agents"
            r"|style_?guide|security|support|thanks|credits)(?:\.(?:md|rst|txt|adoc))?$"
        ),
    ),
    Rule(
        *("decision-record", "docs", "decision", "Records a decision and why it was taken", "high"),
        path=Pattern(r"/(?:adrs?|decisions|rfcs?|proposals)/[^/]+\.(?:md|rst|adoc|txt)$"),
    ),
    # Tests.
    Rule(
        *("test-set-up", "test", "test_setup", "Prepares what tests share", "medium"),
        path=_names(
            *("conftest\\.py", "(?:jest|vitest|karma|playwright|cypress|wdio|mocha)\\.(?:config|conf|setup)\\.[^/]+"),
            *("pytest\\.ini", "tox\\.ini", "\\.mocharc[^/]*", "phpunit\\.xml(?:\\.dist)?", "spec_helper\\.rb"),
            *("test_helper\\.(?:rb|exs)", "\\.coveragerc", "setuptests\\.[jt]s"),
        ),
    ),
    Rule(
        *("end-to-end-test", "test", "e2e_test", "Tests the whole program from outside", "medium"),
        path=Pattern(
            rf"/(?:e2e|end-to-end|cypress|playwright|acceptance|system-?tests?)/.*{_IS_CODE}"
            r"|\.(?:e2e|cy)(?:-spec)?\.[jt]sx?$"
        ),
    ),
    Rule(
        *("behaviour-test", "test", "behaviour_test", "Describes behaviour in examples that run", "medium"),
        path=_extensions("feature robot"),
    ),
    Rule(
        *("benchmark", "test", "benchmark", "Measures how fast something is", "low"),
        path=Pattern(
            rf"/(?:bench(?:marks?)?|perf)/.*(?:{_IS_CODE})|/(?:bench_[^/]+|[^/]+[._-]bench(?:mark)?)\.[a-z]+$"
        ),
    ),
    Rule(
        *("integration-test", "test", "integration_test", "Tests several parts together", "medium"),
        path=Pattern(rf"{_TEST_FOLDER}(?:.*/)?integration/.*{_IS_CODE}|/integration[_-]?tests?/.*{_IS_CODE}"),
    ),
    Rule(
        *("test-data", "test", "fixture", "Input or expected output of tests", "low"),
        path=Pattern(
            r"/(?:fixtures?|testdata|test[_-]data|__fixtures__|__snapshots__|snapshots|golden|cassettes|__mocks__|mocks)/"
            r"|\.(?:snap|golden|approved\.[a-z]+)$"
        ),
    ),
    Rule(
        *("unit-test", "test", "unit_test", "Tests one part of the program", "medium"),
        path=Pattern(_TEST_NAME),
    ),
    Rule(
        *("test-code", "test", "test_support", "Helps the tests of the program", "low"),
        path=Pattern(rf"{_TEST_FOLDER}.*{_IS_CODE}"),
    ),
    Rule(
        *("test-file", "test", "fixture", "Belongs to the tests", "low"),
        path=Pattern(rf"/(?:tests?|__tests__)/(?!.*{_IS_PROSE}).*\.[a-z0-9]+$"),
    ),
    # Databases.
    Rule(
        *("migration", "source", "migration", "Changes the schema of a database by one step", "medium"),
        path=Pattern(
            r"/(?:migrations?|migrate|alembic/versions|db/changelog|flyway)/.*\.(?:sql|py|rb|js|ts|php|xml|ya?ml|go|exs)$"
            r"|/v\d[\d_.]*__[^/]+\.sql$"
        ),
        tags=("database",),
    ),
    Rule(
        *("sql-schema", "source", "schema", "Defines tables of a database", "high"),
        path=_extensions("sql ddl pgsql"),
        head=_head(r"(?i)^\s*create\s+(?:or\s+replace\s+)?(?:table|view|type|schema|materialized|virtual)\b"),
        tags=("database",),
    ),
    Rule(
        *("sql-data", "data", "seed", "Fills tables of a database", "low"),
        path=_extensions("sql"),
        head=_head(r"(?i)\A(?:\s|--(?!\s*name:)[^\n]*\n)*(?:insert\s+into|copy\s+\S+\s+from)\b"),
        tags=("database",),
    ),
    Rule(
        *("sql-query", "source", "query", "Statements for a database", "medium"),
        path=_extensions("sql dml pgsql plsql"),
        tags=("database",),
    ),
    Rule(
        *("interface-schema", "source", "schema", "Defines the messages or calls of an interface", "high"),
        path=Pattern(
            r"\.(?:proto|thrift|graphql|gql|avsc|avdl|xsd|wsdl|raml|smithy|capnp|fbs|idl|prisma)$|\.schema\.(?:json|ya?ml)$"
            r"|/(?:openapi|swagger|asyncapi)[^/]*\.(?:json|ya?ml)$"
        ),
    ),
    Rule(
        *("openapi", "source", "schema", "Describes an HTTP interface", "high"),
        path=_extensions("json yaml yml"),
        head=_head(r"^\s*[\"']?(?:openapi|swagger|asyncapi)[\"']?\s*:\s*[\"']?\d"),
    ),
    Rule(
        *("json-schema", "source", "schema", "Defines what a JSON document may hold", "medium"),
        path=_extensions("json"),
        head=_head(r"\"\$schema\"\s*:\s*\"https?://json-schema\.org"),
    ),
    # Generated and foreign.
    Rule(
        *("generated-code", "source", "generated", "Made by a tool from something else", "low"),
        path=Pattern(
            r"(?:[._](?:pb2?|pb2_grpc|generated)|\.gen|\.(?:min|bundle|designer))\.[a-z]+$|/(?:generated|__generated__)/|\.map$"
            r"|/_version\.py$|\.d\.ts\.map$"
        ),
    ),
    Rule(
        *("generated-mark", "source", "generated", "Made by a tool from something else", "low"),
        path=Pattern(_IS_CODE),
        head=_head(
            r"\A(?:.*\n){0,8}?.{0,80}(?i:(?:code|file|this) (?:is |was |has been )?(?:auto.?)?generated\b.{0,60}"
            r"(?:do not edit|by )|@generated\b|do not edit by hand)"
        ),
    ),
    Rule(
        *("foreign-code", "source", "vendored", "Copied from another project", "low"),
        path=Pattern(rf"/(?:vendor|vendored|_vendor|third[_-]?party|external|extern)/.*{_IS_CODE}"),
    ),
    # Documentation.
    Rule(
        *("documentation-settings", "docs", "docs_config", "Builds the documentation", "low"),
        path=_names(
            "mkdocs\\.ya?ml",
            "\\.?readthedocs\\.ya?ml",
            "_config\\.yml",
            "book\\.toml",
            "docusaurus\\.config\\..+",
            "antora\\.yml",
            "_toc\\.yml",
            "sidebars\\.[jt]s",
            "typedoc\\.json",
            "doxyfile",
        ),
    ),
    Rule(
        *("documentation-settings-sphinx", "docs", "docs_config", "Builds the documentation", "low"),
        path=Pattern(r"/docs?/(?:.*/)?conf\.py$"),
    ),
    Rule(
        *("example", "docs", "example", "Shows how it is used", "medium"),
        path=Pattern(rf"/(?:examples?|samples?|demos?|tutorials?|snippets|cookbook)/.*(?:{_IS_CODE}|\.ipynb$)"),
    ),
    Rule(
        *("guide", "docs", "guide", "Explains how to do something", "high"),
        path=Pattern(
            rf"/(?:[^/]*[^a-z/])?(?:guide|tutorial|howto|how-to|getting[_-]?started|quick[_-]?start|install(?:ation|ing)?|usage|faq"
            rf"|walkthrough|cookbook|onboarding)[^/]*{_IS_PROSE}"
        ),
    ),
    Rule(
        *("design-document", "docs", "design", "Explains how it is built and why", "high"),
        path=Pattern(
            rf"/(?:[^/]*[^a-z/])?(?:architecture|design|spec(?:ification)?s?|roadmap|overview|concepts?)(?![a-z])"
            rf"[^/]*{_IS_PROSE}"
        ),
    ),
    Rule(
        *("interface-reference", "docs", "reference", "Lists calls, settings or commands", "medium"),
        path=Pattern(rf"/(?:(?:api|reference|cli|man)/.+|(?:[^/]*[^a-z/])?(?:api|reference)(?![a-z])[^/]*){_IS_PROSE}"),
    ),
    Rule(
        *("manual-page", "docs", "reference", "A page of the manual", "medium"),
        path=Pattern(r"/man\d?/.+\.\d$"),
    ),
    Rule(
        *("notes-to-do", "docs", "notes", "Notes on what is to be done", "low"),
        path=Pattern(
            rf"/{_NOT_CODE}(?:todo|ideas|notes|scratch|journal|diary)(?:\.[a-z]+)?$"
            rf"|/(?:notes|journal|diary|meetings)/.*{_IS_PROSE}"
        ),
    ),
    # Scripts.
    Rule(
        *("git-hook", "script", "hook", "Runs when git does something", "low"),
        path=Pattern(r"/(?:\.husky|\.githooks|hooks)/[a-z-]+(?:\.sh)?$"),
    ),
    Rule(
        *("shell-script", "script", "shell", "Runs commands of the system", "medium"),
        path=_extensions(_SCRIPTS),
    ),
    Rule(
        *("shell-profile", "config", "shell_profile", "Settings of a shell", "low"),
        path=_names("\\.(?:bashrc|bash_profile|profile|zshrc|zprofile|zshenv|inputrc|envrc)"),
    ),
    Rule(
        *("tool-script", "script", "tool", "A small program for those who work on the project", "medium"),
        path=Pattern(rf"/(?:scripts?|tools?|bin|hack|contrib|util-scripts)/(?:[^/]+)(?:{_IS_CODE})"),
    ),
    Rule(
        *("executable", "script", "executable", "A program without an extension", "medium"),
        path=Pattern(r"/[^/.]+$"),
        head=_head(r"\A#!\s*/"),
    ),
    # Settings.
    Rule(
        *("environment-file", "config", "environment", "Environment variables, often with secrets", "high"),
        path=Pattern(r"/\.env(?:\.[^/]+)?$|\.env$"),
    ),
    Rule(
        *("ignore-list", "config", "ignore_list", "Says which files a tool leaves out", "low"),
        path=Pattern(r"/\.[a-z]+ignore$|/\.gitattributes$|/\.gitmodules$|/\.gitkeep$|/\.mailmap$"),
    ),
    Rule(
        *("tool-settings", "config", "tool_config", "Settings of a tool for developers", "low"),
        path=Pattern(
            r"/(?:\.editorconfig|\.?(?:eslint|prettier|stylelint|babel|swc|jshint|commitlint|lintstaged|release|markdownlint)"
            r"(?:rc)?(?:\.config)?(?:\.[a-z0-9]+)?|[tj]sconfig[^/]*\.json|\.?(?:flake8|pylintrc|isort\.cfg|mypy\.ini"
            r"|ruff\.toml|bandit|yamllint(?:\.ya?ml)?|rubocop\.yml|rustfmt\.toml|clang-format|clang-tidy|clippy\.toml"
            r"|golangci\.ya?ml|hadolint\.yaml|shellcheckrc|npmrc|nvmrc|yarnrc(?:\.yml)?|python-version|ruby-version"
            r"|node-version|tool-versions|browserslistrc|taplo\.toml|typos\.toml|pyrightconfig\.json|importlinter)"
            r"|(?:tailwind|postcss|biome|nodemon|pm2|ecosystem)(?:\.config)?\.[a-z]+|setup\.cfg|\.hgrc|rust-toolchain(?:\.toml)?)$"
            r"|/\.(?:vscode|devcontainer|cargo|config|zed|cursor|nova)/.+"
        ),
    ),
    Rule(
        *("translation", "data", "translation", "Texts of the program in one language", "low"),
        path=Pattern(
            r"\.(?:po|pot|xlf|xliff|strings|arb|ftl|resx)$|/(?:locales?|i18n|lang|translations?)/.+\.(?:json|ya?ml|php)$"
        ),
    ),
    # Web.
    Rule(
        *("stylesheet", "source", "stylesheet", "Says how pages look", "medium"),
        path=_extensions("css scss sass less styl pcss"),
    ),
    Rule(
        *("documentation-page", "docs", "page", "A page of the documentation", "medium"),
        path=Pattern(r"/(?:docs?|documentation|site|public_html|manual|wiki)/.*\.(?:html?|xhtml)$"),
    ),
    Rule(
        *("template", "source", "template", "A page with places to fill", "medium"),
        path=Pattern(
            r"\.(?:jinja2?|j2|ejs|erb|hbs|handlebars|mustache|twig|liquid|pug|haml|slim|tmpl|tpl|gotmpl|cshtml)$"
            r"|/templates/.+\.(?:html?|xml|txt|md)$"
        ),
    ),
    Rule(
        *("markup", "source", "markup", "A web page", "medium"),
        path=_extensions("html htm xhtml"),
    ),
    Rule(
        *("web-asset", "data", "asset", "Something that pages show", "low"),
        path=Pattern(r"\.(?:svg|ico|webmanifest|rss|atom)$|/(?:robots|humans|ads|security)\.txt$|/sitemap[^/]*\.xml$"),
    ),
    # Code.
    Rule(
        *("notebook", "source", "notebook", "Code, results and words in one", "medium"),
        path=_extensions("ipynb rmd qmd"),
    ),
    Rule(
        *("entry-point", "source", "entry_point", "Where the program begins", "high"),
        path=Pattern(
            rf"/main{_IS_CODE}|/(?:__main__\.py|app\.(?:py|js|ts|jsx|tsx|rb)|manage\.py|wsgi\.py|asgi\.py|cli\.py|server\.(?:py|js|ts|go)"
            r"|index\.(?:js|ts|jsx|tsx|php|mjs)|program\.cs|application\.java|lib\.rs|mod\.rs|config\.ru)$"
        ),
    ),
    Rule(
        *("package-mark", "source", "package", "Makes a folder a package and names what it offers", "low"),
        path=_names("__init__\\.pyi?", "package-info\\.java", "module-info\\.java", "doc\\.go", "py\\.typed"),
    ),
    Rule(
        *("interface-stub", "source", "types", "Types without the code behind them", "medium"),
        path=Pattern(r"\.(?:pyi|d\.[mc]?ts|mli|fsi)$"),
    ),
    Rule(
        *("header-file", "source", "header", "Declares what other files may use", "medium"),
        path=_extensions("h hh hpp hxx inl"),
    ),
    Rule(
        *("data-model", "source", "model", "Defines the things the program is about", "high"),
        path=Pattern(rf"/(?:models?|entities|schemas?|types|domain)(?:/.+)?{_IS_CODE}"),
    ),
    Rule(
        *("request-handler", "source", "interface", "Answers requests from outside", "high"),
        path=Pattern(
            rf"/(?:api|routes?|routers?|controllers?|handlers?|views?|endpoints?|resolvers?)/.*{_IS_CODE}"
            rf"|/(?:api|routes?|urls|views|handlers?|[^/]*controller){_IS_CODE}"
        ),
    ),
    Rule(
        *("user-interface", "source", "component", "A part of the user interface", "medium"),
        path=Pattern(r"\.(?:vue|svelte|astro|tsx|jsx)$|/components?/.+\.(?:js|ts|dart|swift|kt)$"),
    ),
    Rule(
        *("settings-code", "source", "settings", "Reads or holds the settings of the program", "medium"),
        path=Pattern(rf"/(?:config|settings|configuration|constants|defaults){_IS_CODE}"),
    ),
    Rule(
        *("test-in-content", "test", "unit_test", "Tests one part of the program", "medium"),
        path=Pattern(_IS_CODE),
        head=_head(
            r"^(?:import unittest|from unittest\b|import pytest|import \"testing\"|\s*\"testing\"$"
            r"|import org\.junit|import static org\.junit|describe\(['\"])"
        ),
    ),
    Rule(
        *("source-code", "source", "module", "A part of the program", "medium"),
        path=Pattern(_IS_CODE),
    ),
    # Data.
    Rule(
        *("log-file", "data", "log", "What a program wrote while it ran", "low"),
        path=Pattern(r"\.(?:log|out|err|trace)(?:\.\d+)?$"),
    ),
    Rule(
        *("tables", "data", "table", "Rows of values", "medium"),
        path=_extensions("csv tsv psv jsonl ndjson parquet arff dat"),
    ),
    Rule(
        *("geo-data", "data", "geo", "Places and shapes", "low"),
        path=_extensions("geojson gpx kml topojson wkt"),
    ),
    Rule(
        *("calendar-or-contacts", "data", "personal", "Dates, people or mail", "low"),
        path=_extensions("ics vcf eml mbox ldif"),
    ),
    Rule(
        *("patch", "data", "patch", "Changes to be applied to files", "low"),
        path=_extensions("diff patch rej"),
    ),
    Rule(
        *("key-or-certificate", "config", "certificate", "A key or a certificate", "high"),
        path=_extensions("pem crt cer key csr pub asc gpg"),
    ),
    Rule(
        *("data-folder", "data", "dataset", "Data that the program works on", "low"),
        path=Pattern(
            r"/(?:data|datasets?|seeds?|assets|static|resources|dumps?|exports?)/.+\.(?:json|xml|ya?ml|txt|toml)$"
        ),
    ),
    Rule(
        *("settings-file", "config", "settings", "Settings", "medium"),
        path=Pattern(
            r"\.(?:ini|cfg|conf|cnf|properties|toml|ya?ml|hcl|plist|reg|editorconfig|kdl|ron|dhall|cue|jsonnet)$"
        ),
    ),
    Rule(
        *("settings-json", "config", "settings", "Settings", "medium"),
        path=Pattern(
            r"/[^/]*(?:config|settings|options|preferences|manifest|\.?rc)[^/]*\.(?:json[c5]?|xml)$|\.json[c5]$"
        ),
    ),
    Rule(
        *("structured-data", "data", "structured", "Structured data", "low"),
        path=_extensions("json xml jsonld rdf ttl owl bib edn sgml"),
    ),
    # What is left.
    Rule(
        *("documentation", "docs", "page", "Explains something in words", "medium"),
        path=_extensions(_PROSE),
    ),
    Rule(
        *("documentation-folder", "docs", "page", "Belongs to the documentation", "low"),
        path=_folders("doc docs documentation manual wiki"),
    ),
    Rule(
        *("script-by-first-line", "script", "executable", "A program by its first line", "medium"),
        head=_head(r"\A#!\s*/"),
    ),
    Rule(
        *("markup-by-content", "docs", "page", "A web page", "medium"),
        head=_head(r"(?i)\A\s*<(?:!doctype html|html)\b"),
    ),
    Rule(
        *("data-by-content", "data", "structured", "Structured data", "low"),
        head=_head(r"\A\s*(?:\{\s*[\"}]|\[\s*[\[{\"\d\]]|<\?xml\b)"),
    ),
    Rule(
        *("prose-by-content", "docs", "page", "Explains something in words", "low"),
        head=_head(r"\A\s*#{1,3} \S"),
    ),
)

PAGE_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        *("page-changelog", "docs", "changelog", "Tells what changed from release to release", "medium"),
        path=Pattern(r"/(?:changelog|change-log|whats-?new|release-?notes?|releases|history)\b"),
    ),
    Rule(
        *("page-legal", "docs", "legal", "Terms, privacy or licence", "low"),
        path=Pattern(r"/(?:terms|privacy|legal|licen[cs]e|imprint|impressum|cookies?|gdpr|eula)\b"),
    ),
    Rule(
        *("page-reference", "docs", "reference", "Lists calls, settings or commands", "high"),
        path=Pattern(
            r"/(?:api|reference|ref|cli|apidocs?|javadoc|rustdoc|manual|modules?)(?:/|\.|$|-)|/genindex|/py-modindex"
        ),
    ),
    Rule(
        *("page-guide", "docs", "guide", "Explains how to do something", "high"),
        path=Pattern(
            r"/[^/]*(?:guides?|tutorials?|how-?to|getting-?started|get-?started|quick-?start|install(?:ation|ing)?|usage|faqs?"
            r"|examples?|cookbook|recipes|learn|handbook|onboarding)\b"
        ),
    ),
    Rule(
        *("page-news", "docs", "article", "A post of a blog or news", "medium"),
        path=Pattern(r"/(?:blog|news|posts?|articles?|press|stories)(?:/|$)|/20\d\d/[01]\d/"),
    ),
    Rule(
        *("page-discussion", "docs", "discussion", "People talking about something", "low"),
        path=Pattern(r"/(?:issues?|pull|discussions?|forum|topics?|threads?|questions?|t|comments)/\S+"),
    ),
    Rule(
        *("page-about", "docs", "about", "Says who is behind it", "low"),
        path=Pattern(
            r"/(?:about(?:-us)?|contact|team|careers?|jobs|support|pricing|sitemap|search|login|sign-?(?:in|up))\b"
        ),
    ),
    Rule(
        *("page-home", "docs", "home", "The first page of a site", "high"),
        path=Pattern(r"^/(?:(?:index|home|default)(?:\.[a-z]+)?)?$"),
    ),
    Rule(
        *("page-documentation", "docs", "page", "A page of documentation", "high"),
        path=Pattern(r"/(?:docs?|documentation|help|wiki|kb|knowledge|concepts?)(?:/|\.|$)"),
    ),
    Rule(*("page", "docs", "page", "A web page", "medium")),
)

NO_RULE: Final = Rule("none", "unknown", "", "No rule knows this kind of file", "low")

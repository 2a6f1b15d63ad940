// Definitions to begin with.

export interface Template {
  id: string;
  title: string;
  text: string;
  /** `ID` is replaced by an id that is free. */
  source: string;
}

export const TEMPLATES: readonly Template[] = [
  {
    id: "folder-index",
    title: "Index of a folder",
    text: "One document per text file. What .gitignore leaves out is left out; later runs read only what has changed.",
    source: `id = "ID"
name = "Index of a folder"
description = "One document per text file"
tags = ["ID"]                 # on every document of the run
timeout = "30m"
# schedule = "15 5 * * *"     # every day at 05:15
# timezone = "Europe/Vienna"

[config]
folder = "."                  # below the folder of this file, or an absolute path

[step.index]
type = "local_dir"
dir_path = "{config.folder}"
max_files = 5000
`,
  },
  {
    id: "folder-keywords",
    title: "Folder, categories and keywords",
    text: "Index a folder, sort its files by kind, and find what the prose is about. Needs no account and no key.",
    source: `id = "ID"
name = "Folder with keywords"
tags = ["ID"]
timeout = "30m"

[config]
folder = "."

[step.index]
type = "local_dir"
dir_path = "{config.folder}"

# Source, test, docs, config …: by path, name and first lines.
[step.classify]
type = "agent"
agent_type = "rule_classifier"
depends = ["index"]
inputs = ["index"]            # the documents that step index made, or found unchanged, in this run

[step.keywords]
type = "agent"
agent_type = "keyword_extractor"
depends = ["classify"]
inputs = ["index"]
filter_category = ["docs"]
max_keywords = 8
condition = "steps.index.documents > 0"
`,
  },
  {
    id: "load-test",
    title: "Test generator",
    text: "Short jobs that log, wait and sometimes fail: retries, limits and error tolerance at work.",
    source: `id = "ID"
name = "Load test"

[config]
jobs = 200

[error_tolerance]
max_child_failures = 100
failure_action = "stop_all"

[step.work]
type = "test_job_generator"
worker_count = "{config.jobs}"
log_count = 3
log_delay_ms = 20
failure_rate = 0.05           # decided by seed and name of the job: the same ones fail every time
job_timeout = "10s"

[step.work.retry]
max_attempts = 2              # one try and one more
backoff = "200ms"

[step.work.limits]
concurrency = 16
rate = "100/s"
`,
  },
  {
    id: "blank",
    title: "From scratch",
    text: "An id, a name and one step. The editor completes keys, workers and their parameters.",
    source: `id = "ID"
name = ""

[step.first]
type = ""
`,
  },
];

export function templateText(id: string, freeId: string): string {
  return (TEMPLATES.find((one) => one.id === id) ?? TEMPLATES.at(-1)!).source.replaceAll('"ID"', `"${freeId}"`);
}

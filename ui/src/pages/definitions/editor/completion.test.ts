import { describe, expect, it } from "vitest";
import type { Schema, SchemaKey } from "../types";
import { complete, explain, type Offer } from "./completion";

const key = (name: string, type = "text", more: Partial<SchemaKey> = {}): SchemaKey => ({ name, type, default: null, required: false, values: [], description: `about ${name}`, ...more });

const SCHEMA: Schema = {
  top: [key("id", "text", { required: true }), key("name"), key("misfire", "text", { values: ["skip", "one", "all"] }), key("enabled", "true or false"), key("timezone"), key("post_jobs", "list of texts"), key("step", "table")],
  config: [key("overlap", "text", { values: ["skip", "queue"] }), key("priority", "whole number")],
  error_tolerance: [key("max_child_failures", "whole number")],
  step: [key("type", "text", { required: true }), key("depends", "list of texts, or one with commas"), key("inputs", "list of texts, or one with commas"), key("condition"), key("on_error", "text", { values: ["continue", "fail"] }), key("retry", "table")],
  retry: [key("max_attempts", "whole number", { default: 3 })],
  limits: [key("rate"), key("key")],
  workers: [
    { type: "local_dir", description: "Index a folder.", parameters: [{ name: "dir_path", type: "string", required: true, default: null, description: "Where." }], example: "" },
    {
      type: "agent",
      description: "Enrich documents.",
      parameters: [
        { name: "agent_type", type: "string", required: true, default: null, description: "" },
        { name: "model_selection", type: '"auto" | "explicit"', required: false, default: null, description: "" },
      ],
      example: "",
    },
  ],
  agent_types: ["keyword_extractor", "rule_classifier"],
  placeholders: [
    { form: "{config.NAME}", description: "A value of [config]." },
    { form: "{NAME}", description: "A stored key." },
    { form: "{payload.FIELD}", description: "Of the payload." },
  ],
  condition: ["steps.NAME.status", "and", "or"],
};

/** The offer at the `|` of a text. */
function at(text: string, around = {}): Offer | null {
  const pos = text.indexOf("|");
  return complete(text.replace("|", ""), pos, SCHEMA, around);
}

const labels = (offer: Offer | null): string[] => offer?.options.map((one) => one.label) ?? [];

/** What the text becomes when the option is taken, with the cursor as `|`. */
function taken(text: string, label: string): string {
  const pos = text.indexOf("|");
  const plain = text.replace("|", "");
  const offer = complete(plain, pos, SCHEMA)!;
  const option = offer.options.find((one) => one.label === label)!;
  const cursor = offer.from + option.insert.length - option.back;
  const result = plain.slice(0, offer.from) + option.insert + plain.slice(pos + offer.to);
  return `${result.slice(0, cursor)}|${result.slice(cursor)}`;
}

describe("keys", () => {
  it("offers top-level keys that are not there yet", () => {
    expect(labels(at('id = "a"\n|'))).toEqual(["name", "misfire", "enabled", "timezone", "post_jobs"]);
  });
  it("offers the keys of a step and the parameters of its worker", () => {
    expect(labels(at('[step.a]\ntype = "local_dir"\n|'))).toEqual(["depends", "inputs", "condition", "on_error", "dir_path"]);
    expect(labels(at('[step.a]\n|\ntype = "agent"\n'))).toContain("agent_type");
  });
  it("offers the keys of tables below a step", () => {
    expect(labels(at("[step.a.retry]\nmax|"))).toEqual(["max_attempts"]);
    expect(labels(at("[config]\n|"))).toEqual(["overlap", "priority"]);
  });
  it("keeps still where any key may stand", () => {
    expect(at("[meta]\n|")).toBeNull();
  });
  it("writes the key with the beginning of its value", () => {
    expect(taken('[step.a]\ntype = "agent"\nde|', "depends")).toBe('[step.a]\ntype = "agent"\ndepends = ["|"]');
    expect(taken("mis|", "misfire")).toBe('misfire = "|"');
    expect(taken("en|", "enabled")).toBe("enabled = |");
  });
  it("leaves a value alone that is there", () => {
    expect(taken('mi| = "skip"', "misfire")).toBe('misfire| = "skip"');
  });
});

describe("values", () => {
  it("offers worker types and agent types", () => {
    expect(labels(at('[step.a]\ntype = "|"'))).toEqual(["local_dir", "agent"]);
    expect(labels(at('[step.a]\ntype = "agent"\nagent_type = "ke|"'))).toEqual(["keyword_extractor", "rule_classifier"]);
  });
  it("offers the other steps for depends, those that are not there yet", () => {
    const text = '[step.a]\ntype = "local_dir"\n[step.b]\n[step.c]\ndepends = ["a", "|"]\n[step.d]\n';
    expect(labels(at(text))).toEqual(["b", "d"]);
    expect(labels(at('[step.a]\n[step.b]\ndepends = "|"'))).toEqual(["a"]);
  });
  it("works in a list over several lines", () => {
    expect(labels(at('[step.a]\n[step.b]\ndepends = [\n  "|\n]\n'))).toEqual(["a"]);
  });
  it("is not confused by a list that was never closed", () => {
    expect(labels(at('[step.a]\ndepends = ["x"\n\n[step.b]\ntype = "|"'))).toEqual(["local_dir", "agent"]);
  });
  it("puts quotes around what is written without", () => {
    expect(taken("misfire = |", "all")).toBe('misfire = "all"|');
    expect(taken("enabled = t|", "true")).toBe("enabled = true|");
    expect(taken('misfire = "o|ne"', "skip")).toBe('misfire = "skip|"');
  });
  it("offers the words of a parameter's type", () => {
    expect(labels(at('[step.a]\ntype = "agent"\nmodel_selection = "|"'))).toEqual(["auto", "explicit"]);
  });
  it("offers definitions and zones from outside", () => {
    expect(labels(at('post_jobs = ["|"]', { definitions: ["x", "y"] }))).toEqual(["x", "y"]);
    expect(labels(at('timezone = "|"', { zones: ["Europe/Vienna"] }))).toEqual(["Europe/Vienna"]);
  });
  it("keeps still in a comment and in free text", () => {
    expect(at("name = 1 # a |")).toBeNull();
    expect(at("# type = |")).toBeNull();
    expect(at('name = "a|"')).toBeNull();
  });
});

describe("placeholders and conditions", () => {
  it("offers the values of [config], then the forms", () => {
    const text = '[config]\nfolder = "x"\n[step.a]\ntype = "local_dir"\ndir_path = "{|"';
    expect(labels(at(text))).toEqual(["{config.folder}", "{config.NAME}", "{NAME}"]);
    expect(taken(text, "{config.folder}")).toContain('dir_path = "{config.folder}|"');
    expect(taken(text.replace("{|", "{conf|}"), "{config.NAME}")).toContain('dir_path = "{config.|}"');
  });
  it("offers the payload only in the key of limits", () => {
    expect(labels(at('[step.a.limits]\nkey = "{|"'))).toContain("{payload.FIELD}");
  });
  it("offers steps in a condition, and words for their status", () => {
    expect(labels(at('[step.a]\n[step.b]\ncondition = "st|"'))).toEqual(["steps.a.status", "steps.a.documents", "steps.b.status", "steps.b.documents", "and", "or"]);
    expect(labels(at("[step.a]\n[step.b]\ncondition = \"steps.a.status == |\""))).toContain("'completed'");
  });
});

describe("heads of tables", () => {
  it("offers tables that are not there yet", () => {
    expect(labels(at("[config]\n[step.a]\n[|"))).toEqual(["[error_tolerance]", "[step.NAME]", "[step.a.retry]", "[step.a.limits]", "[step.a.config]", "[meta]"]);
    expect(taken("[|]", "[step.NAME]")).toBe("[step.|]");
  });
});

describe("notes", () => {
  const note = (text: string) => explain(text.replace("|", ""), text.indexOf("|"), SCHEMA);
  it("explains keys, workers and placeholders", () => {
    expect(note("[step.a.retry]\nmax_|attempts = 2")).toMatchObject({ title: "max_attempts: whole number", text: "about max_attempts Default: 3." });
    expect(note('[step.a]\ntype = "local|_dir"')?.text).toBe("Index a folder.");
    expect(note('[config]\nx = 3\n[step.a]\ntype = "local_dir"\ndir_path = "{config|.x}"')?.text).toBe("= 3");
    expect(note('name = "so|me"')).toBeNull();
  });
});

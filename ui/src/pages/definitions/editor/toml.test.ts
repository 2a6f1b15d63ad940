import { describe, expect, it } from "vitest";
import { configValues, scan, spotAt, stepNames, valueOf } from "./toml";

describe("scan", () => {
  const text = '# top\nid = "a" # word\ntags = [\n  "x", # one\n  "y",\n]\n\n[config]\nfolder = """\nlong = "no key"\n"""\nn.m = 3\n\n[step.one]\ntype = \'b\'\n[[meta.x]]\n';
  it("finds tables and keys, also behind values of many lines", () => {
    expect(scan(text).map((item) => (item.kind === "header" ? `[${item.path.join(".")}]` : `${item.table.join(".")}:${item.key}`))).toEqual([
      ":id",
      ":tags",
      "[config]",
      "config:folder",
      "config:n.m",
      "[step.one]",
      "step.one:type",
      "[meta.x]",
    ]);
  });
  it("gives values without their comments", () => {
    expect(valueOf(text, scan(text), [], "id")).toBe('"a"');
    expect(valueOf(text, scan(text), ["step", "one"], "type")).toBe("'b'");
  });
  it("knows names of steps and values of config", () => {
    expect(stepNames(scan("[step.a]\n[step.a.retry]\n[step.b]"))).toEqual(["a", "b"]);
    expect(configValues("x = 1\n[config]\nfolder = \"f\" # here\nn = 3\n[config.mail]\nto = 'me'\n[step.a]\ny = 1")).toEqual([
      { name: "folder", value: '"f"' },
      { name: "n", value: "3" },
      { name: "mail.to", value: "'me'" },
    ]);
  });
});

describe("spotAt", () => {
  const spot = (text: string) => spotAt(text.replace("|", ""), text.indexOf("|"));
  it("tells keys, values, heads and comments apart", () => {
    expect(spot("na|").kind).toBe("key");
    expect(spot("[step.a]\n|\n").table).toEqual(["step", "a"]);
    expect(spot('name = "a|b"')).toMatchObject({ kind: "value", key: "name", text: { quote: '"' } });
    expect(spot("name = |").kind).toBe("value");
    expect(spot("[st|ep.a]").kind).toBe("header");
    expect(spot("# a|").kind).toBe("comment");
    expect(spot('name = "x" # a|').kind).toBe("comment");
  });
  it("takes an open text for one up to the end of its line", () => {
    expect(spot('name = "a|\nid = "b"').text).toEqual({ from: 7, quote: '"' });
    expect(spot('name = "a\nid = "b|"').key).toBe("id");
  });
});

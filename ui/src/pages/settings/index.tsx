// Settings: what is in force, stored keys, who has access, what was done, and what this is.
import type { JSX } from "preact";
import { Tabs } from "../../parts/panel";
import { Failed } from "../../parts/states";
import type { PageProps } from "../../router";
import { About } from "./about";
import { Access } from "./access";
import { Audit } from "./audit";
import { Effective } from "./effective";
import { Keys } from "./keys";
import "./settings.css";

const SECTIONS: Record<string, { text: string; view: (query: URLSearchParams) => JSX.Element }> = {
  effective: { text: "In force", view: (query) => <Effective query={query} /> },
  keys: { text: "Keys", view: () => <Keys /> },
  access: { text: "Access", view: () => <Access /> },
  audit: { text: "Audit log", view: (query) => <Audit query={query} /> },
  about: { text: "About", view: () => <About /> },
};

export default function Settings({ params, query }: PageProps) {
  const name = params.section ?? "effective";
  const section = SECTIONS[name];
  return (
    <div class="page">
      <div class="page-head">
        <h1>Settings</h1>
      </div>
      <Tabs label="Sections of the settings" tabs={Object.entries(SECTIONS).map(([one, { text }]) => ({ name: one, text, href: one === "effective" ? "/settings" : `/settings/${one}` }))} current={name} />
      {section ? section.view(query) : <Failed reason={`There is no section ${name}.`} />}
    </div>
  );
}

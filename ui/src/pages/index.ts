// Every page of the application: one line each. The first one whose path fits is shown.
import type { ComponentType } from "preact";
import type { IconName } from "../parts/icon";
import type { PageProps } from "../router";

export interface PageEntry {
  /** Pattern, as `runs/:id`. */
  path: string;
  title: string;
  load: () => Promise<{ default: ComponentType<PageProps> }>;
  /** In the navigation: icon, and the key behind `g`. */
  nav?: { icon: IconName; key?: string; group?: "work" | "manage" };
  /** The entry of the navigation that is marked; its own path if there is none. */
  under?: string;
}

export const PAGES: readonly PageEntry[] = [
  { path: "", title: "Queue", load: () => import("./queue"), nav: { icon: "queue", key: "q" } },
  { path: "definitions", title: "Definitions", load: () => import("./definitions"), nav: { icon: "definitions", key: "j" } },
  { path: "documents", title: "Documents", load: () => import("./documents"), nav: { icon: "documents", key: "d" } },
  { path: "documents/:id", title: "Document", load: () => import("./documents"), under: "documents" },
  { path: "search", title: "Search", load: () => import("./search"), nav: { icon: "search", key: "s" } },
  { path: "dead-letters", title: "Dead letters", load: () => import("./dead-letters"), nav: { icon: "dead", key: "x", group: "manage" } },
  { path: "schedules", title: "Schedules", load: () => import("./schedules"), nav: { icon: "schedules", key: "t", group: "manage" } },
  { path: "workers", title: "Workers", load: () => import("./workers"), nav: { icon: "workers", key: "w", group: "manage" } },
  { path: "settings", title: "Settings", load: () => import("./settings"), nav: { icon: "settings", key: "c", group: "manage" } },
  { path: "system", title: "System", load: () => import("./system"), nav: { icon: "system", key: "y", group: "manage" } },
  { path: "new-definition", title: "New definition", load: () => import("./definitions/editor"), under: "definitions" },
  { path: "definitions/:id", title: "Definition", load: () => import("./definitions/editor"), under: "definitions" },
  { path: "settings/:section", title: "Settings", load: () => import("./settings"), under: "settings" },
  { path: "runs/:id", title: "Run", load: () => import("./job"), under: "" },
  { path: "jobs/:id", title: "Job", load: () => import("./job"), under: "" },
];

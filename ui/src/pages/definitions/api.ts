// What these pages ask of the server about definitions.
import { ApiError, get, post, remove, request } from "../../api/client";
import type { DefinitionText, Entry, Preview } from "./types";

const at = (id: string): string => `/definitions/${encodeURIComponent(id)}`;
const matching = (etag: string) => ({ headers: { "If-Match": `"${etag}"` } });

export const definitionPath = at;
export const readDefinition = (id: string, signal?: AbortSignal): Promise<DefinitionText> => get(at(id), {}, signal);
export const createDefinition = (source: string, draft: boolean): Promise<Entry> => post("/definitions", { source, draft });
export const deleteDefinition = (entry: Entry): Promise<null> => remove(at(entry.id), matching(entry.etag));
export const previewRun = (id: string, overrides: Record<string, string>): Promise<Preview> => post(`${at(id)}/preview`, { overrides });
export const startRun = (id: string, overrides: Record<string, string>): Promise<{ id: number }> => post(`${at(id)}/execute`, { overrides });

export async function storeDefinition(id: string, source: string, etag: string, draft: boolean): Promise<Entry> {
  return (await request<Entry>("PUT", at(id), { source, draft }, matching(etag))).body;
}

export async function setEnabled(entry: Entry, enabled: boolean): Promise<Entry> {
  return (await request<Entry>("PATCH", at(entry.id), { enabled }, matching(entry.etag))).body;
}

/** Somebody else changed it since it was read. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 412;
}

/** Hand a text to the browser as a file. */
export function saveAs(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

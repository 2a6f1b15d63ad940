// What people do to documents: change tags, delete. Each says what happened, and deleting asks first.
import { post, reasonOf } from "../../api/client";
import { confirmAction } from "../../parts/dialog";
import { count } from "../../parts/time";
import { toast } from "../../parts/toast";
import type { Doc, Edited } from "./types";

const AT_ONCE = 1000;
const NAMED = 5;

export type Named = Pick<Doc, "id" | "title" | "source_type" | "tags" | "revision">;

/** What else is known about the one document that is to be deleted. */
export interface Loss {
  characters: number;
  usedBy: number | null;
}

async function inParts(path: string, ids: readonly string[], more: object): Promise<Edited> {
  const all: Edited = { done: [], missing: [] };
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const part = await post<Edited>(path, { ids: ids.slice(from, from + AT_ONCE), ...more });
    all.done.push(...part.done);
    all.missing.push(...part.missing);
  }
  return all;
}

function told({ done, missing }: Edited, deed: string): void {
  const gone = missing.length ? ` ${count(missing.length)} were not there any more.` : "";
  toast("done", `${count(done.length)} ${done.length === 1 ? "document" : "documents"} ${deed}.${gone}`);
}

/** True when they are gone. */
export async function deleteDocuments(documents: readonly Named[], loss?: Loss): Promise<boolean> {
  const one = documents.length === 1 ? documents[0]! : null;
  const many = `${count(documents.length)} documents`;
  const derived = loss?.usedBy ? ` ${count(loss.usedBy)} ${loss.usedBy === 1 ? "document" : "documents"} made from it stay, without this source.` : "";
  const revisions = one && one.revision > 1 ? ", its earlier revisions" : "";
  const meant = await confirmAction({
    title: one ? `Delete “${one.title}”?` : `Delete ${many}?`,
    body: (
      <>
        {one ? null : (
          <ul class="named-list">
            {documents.slice(0, NAMED).map((document) => (
              <li key={document.id} class="ellipsis">
                {document.title || document.id} <span class="dim">{document.source_type}</span>
              </li>
            ))}
            {documents.length > NAMED ? <li class="dim">and {count(documents.length - NAMED)} more</li> : null}
          </ul>
        )}
        <p>
          {one
            ? `Its text${loss ? ` of ${count(loss.characters)} characters` : ""}${revisions}, tags and lineage are lost for good.${derived}`
            : "Their texts, earlier revisions, tags and lineage are lost for good. Documents made from them stay, without these sources."}
        </p>
        <p>Runs stay as they are. A run that reads the source again makes {one ? "the document" : "them"} anew.</p>
      </>
    ),
    confirm: one ? "Delete the document" : `Delete ${many}`,
    danger: true,
  });
  if (!meant) return false;
  try {
    told(await inParts("/documents/delete", documents.map((document) => document.id), {}), "deleted");
    return true;
  } catch (error) {
    toast("error", reasonOf(error));
    return false;
  }
}

/** The reason why not, or null when it is done. */
export async function retag(ids: readonly string[], add: readonly string[], remove: readonly string[]): Promise<string | null> {
  try {
    told(await inParts("/documents/tags", ids, { add, remove }), "have new tags");
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

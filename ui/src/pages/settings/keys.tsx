// The key store: names are shown, values are written and never read back.
import { useRef, useState } from "preact/hooks";
import { reasonOf, remove, request } from "../../api/client";
import { confirmAction, Dialog } from "../../parts/dialog";
import { useFetch } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { Panel } from "../../parts/panel";
import { type Column, DataTable } from "../../parts/table";
import { count } from "../../parts/time";
import { toast } from "../../parts/toast";
import type { StoredKey } from "./types";

export function Keys() {
  const { data, reason, reload } = useFetch<{ items: StoredKey[] }>("/keys");
  const [editing, setEditing] = useState<StoredKey | "new" | null>(null);
  const drop = async (key: StoredKey): Promise<void> => {
    const meant = await confirmAction({
      title: `Delete the key ${key.name}?`,
      body: "Its value is lost for good. Definitions that use it fail from now on, also in runs that are under way.",
      confirm: "Delete the key",
      danger: true,
    });
    if (!meant) return;
    try {
      await remove(`/keys/${encodeURIComponent(key.name)}`);
      toast("done", `${key.name} was deleted.`);
    } catch (error) {
      toast("error", reasonOf(error));
    }
    reload();
  };
  const columns: Column<StoredKey>[] = [
    { name: "name", head: "Name", cell: (key) => <code>{key.name}</code> },
    { name: "use", head: "In a definition", minor: true, cell: (key) => <code class="dim">{`{${key.name}}`}</code> },
    { name: "kind", head: "Kind", cell: (key) => (key.secret ? "secret" : "plain variable") },
    {
      name: "actions",
      head: "Actions",
      numeric: true,
      cell: (key) => (
        <span class="row-actions">
          <button type="button" class="link-button" aria-label={`Replace the value of ${key.name}`} onClick={() => setEditing(key)}>
            Replace
          </button>
          <button type="button" class="link-button danger-text" aria-label={`Delete ${key.name}`} onClick={() => void drop(key)}>
            Delete
          </button>
        </span>
      ),
    },
  ];
  return (
    <>
      <Panel
        title="Keys"
        note={data ? `${count(data.items.length)}; values are never shown` : null}
        flush
        actions={
          <button type="button" class="button primary" onClick={() => setEditing("new")}>
            Add a key
          </button>
        }
      >
        <DataTable label="keys" columns={columns} rows={data?.items ?? null} keyOf={(key) => key.name} reason={reason} onRetry={reload} empty="Definitions can use a key as {name}, so that no secret stands in them." />
      </Panel>
      {editing ? <EditKey existing={editing === "new" ? null : editing} names={data?.items.map((key) => key.name) ?? []} onClose={() => setEditing(null)} onDone={reload} /> : null}
    </>
  );
}

function EditKey({ existing, names, onClose, onDone }: { existing: StoredKey | null; names: readonly string[]; onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState(existing?.name ?? "");
  const [isSecret, setSecret] = useState(existing?.secret ?? true);
  const [reason, setReason] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  // not held as state: the value leaves the page with the field
  const value = useRef<HTMLTextAreaElement>(null);
  const replaces = existing !== null || names.includes(name.trim());
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!name.trim() || !value.current?.value) return setReason("A key needs a name and a value.");
    setBusy(true);
    try {
      await request("PUT", `/keys/${encodeURIComponent(name.trim())}`, { value: value.current.value, secret: isSecret });
      value.current.value = "";
      toast("done", replaces ? `${name.trim()} has a new value.` : `${name.trim()} was stored.`);
      onClose();
      onDone();
    } catch (error) {
      setReason(reasonOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={existing ? `Replace the value of ${existing.name}` : "Add a key"} onClose={onClose}>
      <form class="form" onSubmit={save} autocomplete="off">
        {existing ? null : (
          <label class="stacked">
            <span>Name</span>
            <input class="field mono" value={name} autofocus required spellcheck={false} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
        )}
        <label class="stacked">
          <span>{replaces ? "New value" : "Value"}</span>
          <textarea ref={value} class={isSecret ? "field area mono hidden-text" : "field area mono"} rows={3} required spellcheck={false} autocomplete="off" />
        </label>
        <label class="check">
          <input type="checkbox" checked={isSecret} onChange={(event) => setSecret(event.currentTarget.checked)} /> secret: stored encrypted, masked in logs and documents
        </label>
        {replaces ? <p class="dim">The value there is now is lost. Jobs that start from now on use the new one.</p> : null}
        {reason ? (
          <p class="field-problem" role="alert">
            {reason}
          </p>
        ) : null}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={onClose}>
            {replaces ? "Keep as it is" : "Close"}
          </button>
          <button type="submit" class="button primary" disabled={busy}>
            <Icon name="check" size={13} /> {replaces ? "Replace the value" : "Store the key"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

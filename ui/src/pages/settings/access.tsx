// Who may do what: this session, and the keys of programs.
import { useState } from "preact/hooks";
import { post, reasonOf, remove } from "../../api/client";
import { confirmAction, Dialog } from "../../parts/dialog";
import { useFetch } from "../../parts/fetching";
import { Code, Pairs, Panel } from "../../parts/panel";
import { Failed, Loading } from "../../parts/states";
import { type Column, DataTable } from "../../parts/table";
import { Time, useNow } from "../../parts/time";
import { toast } from "../../parts/toast";
import type { ApiKey, MadeKey, Scope, WhoAmI } from "./types";
import { actorText, stateOf } from "./words";

export const SCOPES: Record<Scope, string> = {
  read: "look at everything, change nothing",
  run: "also start, stop and repeat runs",
  admin: "everything, also keys, settings and deleting",
};

export function Access() {
  return (
    <>
      <Session />
      <ApiKeys />
    </>
  );
}

function Session() {
  const { data, reason, reload } = useFetch<WhoAmI>("/session");
  const signOut = async (): Promise<void> => {
    try {
      await remove("/session");
      location.reload();
    } catch (error) {
      toast("error", reasonOf(error));
    }
  };
  return (
    <Panel
      title="You"
      actions={
        data?.signed_in ? (
          <button type="button" class="button" onClick={() => void signOut()}>
            Sign out
          </button>
        ) : null
      }
    >
      {!data ? (
        reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />
      ) : (
        <>
          <Pairs
            pairs={[
              ["taken for", actorText(data.actor)],
              ["may", data.scope ? `${data.scope}: ${SCOPES[data.scope]}` : "nothing"],
              ["password", data.has_password ? "is set" : "is not set"],
            ]}
          />
          <p class="dim settings-hint">
            {data.has_password ? "Change the password on the machine itself" : "Whoever is on this machine may do everything. To let others in, set a password on the machine itself"}, with <code>quaero access password</code>.
            {data.has_password ? " All other sessions end with it." : ""}
          </p>
        </>
      )}
    </Panel>
  );
}

function ApiKeys() {
  const now = useNow();
  const { data, reason, reload } = useFetch<{ items: ApiKey[] }>("/access/keys");
  const [making, setMaking] = useState(false);
  const [old, setOld] = useState(false);
  const keys = data?.items.filter((key) => old || stateOf(key, now) === "in force") ?? null;
  const hidden = (data?.items.length ?? 0) - (keys?.length ?? 0);
  const revoke = async (key: ApiKey): Promise<void> => {
    const meant = await confirmAction({
      title: `Revoke the API key ${key.name}?`,
      body: `Whatever uses it (it begins with ${key.prefix}) is refused from now on. This can't be undone; make a new key instead.`,
      confirm: "Revoke the key",
      danger: true,
    });
    if (!meant) return;
    try {
      await remove(`/access/keys/${encodeURIComponent(key.name)}`);
      toast("done", `${key.name} was revoked.`);
    } catch (error) {
      toast("error", reasonOf(error));
    }
    reload();
  };
  const columns: Column<ApiKey>[] = [
    { name: "name", head: "Name", cell: (key) => key.name },
    { name: "prefix", head: "Begins with", minor: true, cell: (key) => <code>{key.prefix}…</code> },
    { name: "scope", head: "May", cell: (key) => <span title={SCOPES[key.scope]}>{key.scope}</span> },
    { name: "used", head: "Last used", cell: (key) => (key.last_used_at ? <span class="nowrap"><Time at={key.last_used_at} /></span> : <span class="dim">never</span>) },
    { name: "created", head: "Made", minor: true, cell: (key) => <span class="nowrap"><Time at={key.created_at} /></span> },
    { name: "expires", head: "Ends", minor: true, cell: (key) => (key.expires_at ? <span class="nowrap"><Time at={key.expires_at} /></span> : <span class="dim">never</span>) },
    { name: "state", head: "State", cell: (key) => <span class={stateOf(key, now) === "in force" ? "" : "dim"}>{stateOf(key, now)}</span> },
    {
      name: "actions",
      head: "Actions",
      numeric: true,
      cell: (key) =>
        stateOf(key, now) === "revoked" ? null : (
          <button type="button" class="link-button danger-text" aria-label={`Revoke ${key.name}`} onClick={() => void revoke(key)}>
            Revoke
          </button>
        ),
    },
  ];
  return (
    <>
      <Panel
        title="API keys"
        note="for programs; of a key itself only a hash is kept"
        flush
        actions={
          <>
            {hidden || old ? (
              <button type="button" class="link-button" aria-pressed={old} onClick={() => setOld(!old)}>
                {old ? "Only those in force" : `Show ${hidden} that ended`}
              </button>
            ) : null}
            <button type="button" class="button primary" onClick={() => setMaking(true)}>
              Make a key
            </button>
          </>
        }
      >
        <DataTable label="API keys" columns={columns} rows={keys} keyOf={(key) => key.id} reason={reason} onRetry={reload} empty="Programs send one as “Authorization: Bearer KEY”." />
      </Panel>
      {making ? <MakeKey onClose={() => setMaking(false)} onDone={reload} /> : null}
    </>
  );
}

const ENDS = [
  ["", "never"],
  ["30d", "in 30 days"],
  ["90d", "in 90 days"],
  ["365d", "in a year"],
] as const;

function MakeKey({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Scope>("read");
  const [expires, setExpires] = useState("90d");
  const [made, setMade] = useState<MadeKey | null>(null);
  const [reason, setReason] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const make = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      setMade(await post<MadeKey>("/access/keys", { name: name.trim(), scope, expires: expires || null }));
      onDone();
    } catch (error) {
      setReason(reasonOf(error));
    }
    setBusy(false);
  };
  if (made) {
    return (
      <Dialog title={`The API key ${made.name}`} onClose={onClose}>
        <p>Copy it now: it is shown this once and can't be had again.</p>
        <Code text={made.key} label={`API key ${made.name}`} />
        <p class="dim">
          It may {SCOPES[made.scope]}. {made.expires_at ? <>It ends <Time at={made.expires_at} />.</> : "It does not end by itself."}
        </p>
        <div class="dialog-buttons">
          <button type="button" class="button primary" onClick={onClose}>
            I have it
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Make an API key" onClose={onClose}>
      <form class="form" onSubmit={make}>
        <label class="stacked">
          <span>Name, to know it by</span>
          <input class="field" value={name} autofocus required maxLength={64} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <fieldset class="choices">
          <legend>It may</legend>
          {(Object.keys(SCOPES) as Scope[]).map((one) => (
            <label key={one} class="check">
              <input type="radio" name="scope" checked={scope === one} onChange={() => setScope(one)} />
              <span>
                <strong>{one}</strong>: {SCOPES[one]}
              </span>
            </label>
          ))}
        </fieldset>
        <label class="stacked">
          <span>It ends</span>
          <select class="field" value={expires} onChange={(event) => setExpires(event.currentTarget.value)}>
            {ENDS.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {reason ? (
          <p class="field-problem" role="alert">
            {reason}
          </p>
        ) : null}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" class="button primary" disabled={busy || !name.trim()}>
            Make the key
          </button>
        </div>
      </form>
    </Dialog>
  );
}

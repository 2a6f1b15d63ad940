// Signing in: shown over the page as soon as the server asks who is there.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, post, reasonOf } from "../../api/client";
import type { WhoAmI } from "./types";
import "./settings.css";

let shown = false;

/** Ask for the password; asked again while it is on screen, nothing happens. */
export function askToSignIn(): void {
  if (shown) return;
  shown = true;
  const place = document.createElement("div");
  document.body.append(place);
  render(<SignIn />, place);
}

function SignIn() {
  const box = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const [reason, setReason] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [noPassword, setNoPassword] = useState(false);
  useEffect(() => {
    box.current!.showModal();
    field.current?.focus();
  }, []);
  const signIn = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await post<WhoAmI>("/session", { password: field.current!.value });
      // everything that was refused is asked for again, the live connection too
      location.reload();
    } catch (error) {
      field.current!.value = "";
      field.current!.focus();
      setNoPassword(error instanceof ApiError && error.status === 401);
      setReason(error instanceof ApiError && error.status === 401 ? "That is not the password." : reasonOf(error));
      setBusy(false);
    }
  };
  return (
    <dialog ref={box} class="dialog sign-in" aria-label="Sign in" onCancel={(event) => event.preventDefault()}>
      <form class="dialog-body form" onSubmit={signIn}>
        <h2>Sign in to Quaero</h2>
        <input type="text" name="username" value="owner" autocomplete="username" readOnly hidden />
        <label class="stacked">
          <span>Password</span>
          <input ref={field} type="password" class="field" name="password" autocomplete="current-password" required aria-invalid={reason !== null} />
        </label>
        {reason ? (
          <p class="field-problem" role="alert">
            {reason}
          </p>
        ) : null}
        {noPassword ? (
          <p class="dim">
            It is set and changed on the machine itself, with <code>quaero access password</code>.
          </p>
        ) : null}
        <div class="dialog-buttons">
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? "Signing in…" : "Sign in"}
          </button>
        </div>
      </form>
    </dialog>
  );
}

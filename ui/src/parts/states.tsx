// What a list shows when it has nothing to show: waiting, nothing there, or the server's reason.
import type { ComponentChildren } from "preact";

export function Loading({ what = "Loading" }: { what?: string }) {
  return (
    <div class="state" role="status">
      <span class="spinner" aria-hidden="true" /> {what}…
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="state empty">
      <p class="state-title">{title}</p>
      {children ? <div class="state-text">{children}</div> : null}
    </div>
  );
}

export function Failed({ reason, onRetry }: { reason: string; onRetry?: () => void }) {
  return (
    <div class="state failed" role="alert">
      <p class="state-title">That did not work.</p>
      <p class="state-text">{reason}</p>
      {onRetry ? (
        <button type="button" class="button" onClick={onRetry}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

/** A strip above a list that is not complete. */
export function Partial({ children, onRetry }: { children: ComponentChildren; onRetry?: () => void }) {
  return (
    <div class="partial" role="status">
      {children}
      {onRetry ? (
        <button type="button" class="link-button" onClick={onRetry}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

// Taste that stays in this browser: theme, pane sizes, wrap. Never state that a link should carry.

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`quaero.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`quaero.${name}`);
    else localStorage.setItem(`quaero.${name}`, value);
  } catch {
    // private windows may refuse; then it holds until the page is closed
  }
}

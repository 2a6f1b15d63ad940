// Line ends: edited as \n, stored as they were.

export function plain(source: string): string {
  return source.replace(/\r\n?/g, "\n");
}

export function eolOf(source: string): "\n" | "\r\n" {
  return source.includes("\r\n") ? "\r\n" : "\n";
}

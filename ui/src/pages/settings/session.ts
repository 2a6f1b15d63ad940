// Is anybody to sign in? Asked at the start, and again whenever the live connection does not come about:
// a browser is not told why a socket was refused.
import { get } from "../../api/client";
import { connection } from "../../live";

const AGAIN_MS = 5000;

export function watchSession(): void {
  addEventListener("quaero:login", () => void import("./sign-in").then((page) => page.askToSignIn()));
  const ask = (): void => void get("/session").catch(() => undefined);
  ask();
  setInterval(() => {
    if (connection.link !== "live" && !document.hidden) ask();
  }, AGAIN_MS);
}

// Light, dark, or as the system has it.
import { recall, remember } from "./taste";

export type Theme = "system" | "light" | "dark";

export function currentTheme(): Theme {
  const theme = recall("theme");
  return theme === "light" || theme === "dark" ? theme : "system";
}

export function setTheme(theme: Theme): void {
  remember("theme", theme === "system" ? null : theme);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

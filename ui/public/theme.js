// Before the first paint: the theme the user chose, so that nothing flashes.
try {
  const theme = localStorage.getItem("quaero.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {}

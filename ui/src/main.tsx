import { render } from "preact";
import { startLive } from "./live";
import { watchSession } from "./pages/settings/session";
import { Shell } from "./parts/shell";
import { startRouter } from "./router";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/shell.css";

startRouter();
startLive();
watchSession();
render(<Shell />, document.getElementById("app")!);

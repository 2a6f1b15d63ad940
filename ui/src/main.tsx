import { render } from "preact";
import { startLive } from "./live";
import { Shell } from "./parts/shell";
import { startRouter } from "./router";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/shell.css";

startRouter();
startLive();
render(<Shell />, document.getElementById("app")!);

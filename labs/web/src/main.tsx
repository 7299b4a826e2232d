import { createRoot } from "react-dom/client";
import { App } from "./shell/App";
import "./styles/tokens.css";
import "./styles/shell.css";
import "./styles/workbench.css";
import "./styles/parts.css";
import "./styles/pages.css";

createRoot(document.getElementById("root")!).render(<App />);

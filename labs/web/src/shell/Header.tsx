import { Icon } from "./Icon";
import { Link } from "./Link";
import type { Route } from "./route";
import { toggle, useTheme } from "./theme";

export function Header({ route }: { route: Route }) {
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  const here = (...pages: Route["page"][]) => (pages.includes(route.page) ? ("page" as const) : undefined);
  return (
    <header className="header">
      <Link className="brand" href="/">
        <img src="/icon.svg" alt="" width="26" height="26" />
        <span>Meshdojo</span>
      </Link>
      <nav aria-label="Pages">
        <Link href="/" aria-current={here("labs", "lab")}>
          Labs
        </Link>
        <Link href="/instructor" aria-current={here("instructor")}>
          Instructor
        </Link>
      </nav>
      <button className="icon-button" onClick={toggle} aria-label={`Use ${other} colours`} title={`Use ${other} colours`}>
        <Icon name={theme === "dark" ? "sun" : "moon"} />
      </button>
    </header>
  );
}

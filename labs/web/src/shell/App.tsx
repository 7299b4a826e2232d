import { InstructorPage } from "../instructor/InstructorPage";
import { LabsPage } from "../labs/LabsPage";
import { LabPage } from "../workbench/LabPage";
import { Header } from "./Header";
import { Empty } from "./Notices";
import { Link } from "./Link";
import { useRoute } from "./route";

export function App() {
  const route = useRoute();
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <Header route={route} />
      <main id="main" tabIndex={-1} data-page={route.page}>
        {route.page === "labs" && <LabsPage />}
        {route.page === "lab" && <LabPage key={route.id} id={route.id} />}
        {route.page === "instructor" && <InstructorPage />}
        {route.page === "unknown" && (
          <Empty title="There is nothing at this address">
            <Link href="/">Go to the labs</Link>
          </Empty>
        )}
      </main>
    </>
  );
}

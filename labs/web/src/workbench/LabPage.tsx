import { readLab } from "../api/client";
import { Loading, Trouble } from "../shell/Notices";
import { useLoaded } from "../shell/useLoaded";
import { Workbench } from "./Workbench";

export function LabPage({ id }: { id: string }) {
  const { value, failure, reload } = useLoaded(() => readLab(id));
  if (failure) {
    return (
      <div className="page">
        <Trouble failure={failure} retry={reload} />
      </div>
    );
  }
  return value ? <Workbench lab={value} /> : <Loading what="Loading the lab" />;
}

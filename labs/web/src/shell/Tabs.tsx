import type { KeyboardEvent, ReactNode } from "react";

export interface Tab<Id extends string> {
  id: Id;
  label: ReactNode;
}

interface Props<Id extends string> {
  label: string;
  tabs: Tab<Id>[];
  active: Id;
  choose: (id: Id) => void;
  group: string;
}

/** Tabs as WAI-ARIA describes them: arrows move, one tab stop for all. */
export function Tabs<Id extends string>({ label, tabs, active, choose, group }: Props<Id>) {
  const move = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex((tab) => tab.id === active);
    const next = tabs[(at + step + tabs.length) % tabs.length]!;
    choose(next.id);
    document.getElementById(`${group}-tab-${next.id}`)?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label={label} onKeyDown={move}>
      {tabs.map((tab, at) => (
        <button
          key={tab.id}
          id={`${group}-tab-${tab.id}`}
          role="tab"
          aria-selected={tab.id === active}
          aria-controls={`${group}-panel`}
          tabIndex={tab.id === active || (at === 0 && !tabs.some((each) => each.id === active)) ? 0 : -1}
          onClick={() => choose(tab.id)}
        >
          {tab.label}
        </button>
      ))}
    </div>
  );
}

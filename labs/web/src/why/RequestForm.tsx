import { useEffect, useState, type FormEvent } from "react";
import type { Lab, MeshRequest } from "../api/types";
import { Icon } from "../shell/Icon";
import { headerText, parseHeaders } from "./headers";

interface Props {
  lab: Lab;
  request: MeshRequest;
  situation: string;
  busy: boolean;
  ask: (request: MeshRequest, situation: string) => void;
}

export function RequestForm({ lab, request, situation, busy, ask }: Props) {
  const [from, setFrom] = useState("outside");
  const [via, setVia] = useState("");
  const [url, setUrl] = useState("");
  const [headers, setHeaders] = useState("");
  const [day, setDay] = useState("");
  useEffect(() => {
    setFrom(request.from ?? "outside");
    setVia(request.via ?? "");
    setUrl(request.url);
    setHeaders(headerText(request.headers));
    setDay(situation);
  }, [request, situation]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    ask({ from, url, headers: parseHeaders(headers), ...(via ? { via } : {}) }, day);
  };
  const enters = (client: string) => {
    setFrom(client);
    setVia(client === "outside" ? (lab.gateways[0] ?? "") : "");
  };
  return (
    <form className="request-form" onSubmit={submit}>
      <label className="wide">
        URL
        <input value={url} onChange={(event) => setUrl(event.target.value)} required spellCheck={false} />
      </label>
      <label>
        From
        <select value={from} onChange={(event) => enters(event.target.value)}>
          <option value="outside">outside the mesh</option>
          {lab.workloads.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        Through
        <select value={via} onChange={(event) => setVia(event.target.value)}>
          <option value="">the URL's host</option>
          {lab.gateways.map((name) => (
            <option key={name} value={name}>
              {name.replace(".istio-system", "")}
            </option>
          ))}
        </select>
      </label>
      <label>
        Headers, one a line
        <textarea value={headers} rows={2} placeholder="end-user: jason" onChange={(event) => setHeaders(event.target.value)} spellCheck={false} />
      </label>
      <label>
        When
        <select value={day} onChange={(event) => setDay(event.target.value)}>
          <option value="">on a normal day</option>
          {Object.entries(lab.situations).map(([name, says]) => (
            <option key={name} value={name}>
              {says}
            </option>
          ))}
        </select>
      </label>
      <button className="button primary wide" disabled={busy}>
        {busy ? <span className="spinner" aria-hidden="true" /> : <Icon name="arrow" />}
        {busy ? "Following it" : "Send and explain"}
      </button>
    </form>
  );
}

"""Real Envoys, fed with the same resources as the simulated ones.

`probe.probe(scenario, requests)` starts a mesh, sends requests and returns Observations;
`box.Sandbox` is the mesh itself; `detached` keeps one up beyond its command.

SandboxError
├── EngineMissing    there is no Envoy on this machine
├── Unsupported      the driver cannot carry what was asked
├── AddressInUse     something else listens where the sandbox wants to
├── StartTimeout     not ready within the deadline
├── Refused          an Envoy refused its configuration
├── ProcessDied      an Envoy or a workload ended on its own
├── ProbeTimeout     an answer, or its access log, did not come
└── UnknownSandbox   no sandbox of that id is up
"""

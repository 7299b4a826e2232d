"""The control plane: manifests become a mesh, and a mesh the xDS resources of each proxy.

    mesh = Mesh.of(manifests)                              # registry: services, pods, addresses
    translation = generate(mesh, mesh.pod("sleep.default"))  # resources, provenance, diagnostics

`scope` says what a proxy sees and which rule wins; `routes`, `clusters`, `endpoints`,
`listeners`, `outbound` and `gateway` write Envoy's messages; `part` carries the positions.
"""

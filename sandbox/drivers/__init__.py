"""Ways to run a mesh of real Envoys; each is a `driver.Driver` and passes the same tests.

`process` needs no privileges: each proxy and workload listens on loopback addresses
of its own (`loopback`), its resources carried over by `rebind`. `netns` gives each pod
a `network` namespace, with the rules of `interception`; `docker` gives it containers. `mesh.Mesh`
runs what they plan.
"""

"""The discrete-event simulation of a mesh; the only package that imports SimPy.

`kernel` is the clock, `draws` is chance. A `world` holds proxies and workloads; `exchange`,
`tunnel` and `network` carry requests between them. `play` lets clients load a world and
`recorder`, `run` and `summary` say what came of it; `probe` sends single requests and writes
observations, and `playback` makes observed ones happen again.
"""

"""Run what a learner wrote and an Envoy would carry out: with nothing to reach, and bounds.

A bootstrap is code: a Lua filter runs when it is loaded, an access log writes where it says.
`allowed` lets known extensions through, `confine` closes the real Envoy in, `alone.opened` runs it
with a workload for each endpoint, `validate.validate` asks it whether it would take a bootstrap.
"""

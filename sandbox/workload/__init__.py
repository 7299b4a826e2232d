"""What runs behind the proxies: HTTP servers that take their time, call others and answer.

`behave` decides, `server` serves one pod, `python -m sandbox.workload` forks one
process for each pod of a mesh.
"""

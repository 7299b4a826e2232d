"""What Istio's own analysers find: dead references, conflicts, rules that never match.

One module a kind of object; each function takes the mesh and yields diagnostics.
"""

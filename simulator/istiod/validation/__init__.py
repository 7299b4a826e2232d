"""What istiod's webhook says of an object before it comes to be: errors and warnings.

One module a kind; each function takes an object or a part of one and yields faults.
"""

"""The same requests on both planes, and every way in which they differ.

`compare` sets two observations of one request side by side; `replay` lets the
simulator repeat what the real mesh did, and tests what chance decided as shares.
"""

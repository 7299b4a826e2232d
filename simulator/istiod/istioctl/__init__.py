"""What istioctl shows of a mesh, as values: rows and columns, in its names and order."""

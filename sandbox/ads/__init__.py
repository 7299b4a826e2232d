"""The aggregated discovery server: bytes between Envoys and `simulator.istiod.discovery`."""

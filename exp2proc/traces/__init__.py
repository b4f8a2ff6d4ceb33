"""What exp2 wrote: run folders, their manifests, single traces, dataset caches.

Imports `formats` and `system`.
"""

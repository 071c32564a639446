"""The native REST API under /v1: what Amazon's wire has no words for.

Must never know: SQL, Rekognition's shapes.
"""

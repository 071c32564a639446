"""The gallery: enrolled faces at rest, the index that searches them, and their erasure.

The SQL rows are the truth; the index is a projection of them. Must never know: HTTP, policy text.
"""

"""rightface: face recognition that answers to the law.

The rooms are described in docs/architecture.md. Nothing is imported here, so that each room
can be used, and tested, without the others.
"""

__version__ = "0.1.0"

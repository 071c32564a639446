"""An assay's document as a page for people, and as a model card. Reads it; measures nothing.

Must never know: a photograph's path, a person, a command line.
"""

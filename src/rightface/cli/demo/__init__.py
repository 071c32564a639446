"""The demonstration: one governed face search, end to end, told as a transcript."""

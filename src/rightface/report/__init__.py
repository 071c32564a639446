"""Reports on what an instance did, in numbers: from the ledger, the records and the pack.

Must never know: a command line, a wire format, a person.
"""

"""The law: operations, instruments, licences, consents, and the gate that makes permits.

Knows rules, dates and reasons. Never knows pixels, templates or HTTP. Import the modules by name;
this one stays empty, so that reading a table does not load the gate.
"""

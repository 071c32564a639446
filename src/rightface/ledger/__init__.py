"""The ledger: what was decided and done, appended to SQL and published as a signed Merkle tree.

`leaf` what a record may say · `log` the table · `publish` the public files · `verify` their check
from outside · `merkle`, `tiles`, `note`, `checkpoint` the formats of RFC 6962 and C2SP.
Must never know faces or the law: it records words and digests that others give it.
"""

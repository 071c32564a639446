"""docs/rekognition.md, made from the code: `python -m rightface.api.rekognition.documentation`.

A test compares the file with what is made here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rightface.api.rekognition import calls, model
from rightface.api.rekognition.operations_table import ATTRIBUTES, ENTRIES, Entry

_HEAD = """\
# Rekognition's API, as rightface speaks it

This page is made from the code (`python -m rightface.api.rekognition.documentation`). A test
compares it, and another walks Amazon's published model so that no operation is left out.

Point an unmodified boto3 at the server; keep the rest of your code:

```python
import boto3
from rightface.boto3 import stamp

client = boto3.client("rekognition", endpoint_url="http://127.0.0.1:8017", region_name="us-east-1",
                      aws_access_key_id="RFAK...", aws_secret_access_key="...")
stamp(client, purpose="access-control")   # only where the licence has several purposes
client.search_faces_by_image(CollectionId="staff", Image={"Bytes": open("photo.jpg", "rb").read()})
```

## What the headers say

| header | on | what |
| --- | --- | --- |
| `x-rightface-purpose` | request | The purpose, a word of `purposes.toml`. Absent: the licence's only one. |
| `x-rightface-subject` | request | The subject of a probe photograph, where the API cannot name one. |
| `x-rightface-permit` | answer | The permit's id; `none` on a refusal. |
| `x-rightface-ledger-index` | both | The decision's entry in the ledger. |
| `x-rightface-reasons` | both | `instrument#rule,...`; `none` on an answer. |
| `x-rightface-fmr` | answer | The false match rate that the threshold applied stands for. |
| `x-rightface-match-fmr` | answer | That of each match, in order (the first 20); `*`: extrapolated. |
| `x-rightface-obligations` | answer | What the permit asks for: `kind=value,...`. |

The two request headers must be among the signed headers, so that nobody on the way can change them;
`stamp` sees to that. Any `x-amz-*` header must be signed too. In boto3 the answer's headers are in
`response["ResponseMetadata"]["HTTPHeaders"]`, a refusal's in `error.response` likewise.

## Where it differs from Amazon's

- Images: inline `Bytes` only, up to {image_mib} MiB (Amazon: 5 MB). `S3Object` gives
  `InvalidS3ObjectException`.
- `ExternalImageId` is the subject reference that consent is bound to.
- `Similarity` is a function of the calibrated false match rate: 100 x (1 - FMR^(1/4)). 80 stands for
  1.6e-3, 90 for 1e-4, 99 for 1e-8. Defaults: threshold {threshold:g}, `MaxFaces` {matches} in
  searches, {indexed} in IndexFaces, {page} entries a page.
- `FaceModelVersion` is the model pack's id. `IndexFacesModelVersion` (digits only) is left out.
- A refusal is `AccessDeniedException`; its message names the instrument, the citation, and what would
  have to change.
- A parameter outside the model's limits is `ValidationException`, a value of the wrong type or a
  member that the model does not know `SerializationException`, as Amazon's servers have it.
- A request body that is larger than its operation may have is refused by its Content-Length with
  HTTP 413 and `ImageTooLargeException`.

## Signatures

AWS Signature Version 4, service `rekognition`, any region (it shows in the collection's ARN). The
clock may differ by 15 minutes either way. Session tokens, unsigned payloads and presigned URLs are
refused. Codes: `MissingAuthenticationTokenException`, `IncompleteSignatureException`,
`UnrecognizedClientException` (no such key), `InvalidSignatureException`.

**Replays.** Within those 15 minutes a captured request would verify again. So a request that changes
records ({changing}) is carried out once per
signature; sending the same bytes again gives `InvalidSignatureException`. SDKs sign each attempt
anew, so their retries pass. What only reads may be repeated; each time it is decided and recorded
anew. After a restart, changes must have been signed since the start (2 seconds' tolerance).

## Other pages

`GET /healthz` (200 or 503, and which part fails), `/metrics` (Prometheus), `/policy` (the public
retention policy), `/ledger/checkpoint`, `/ledger/vkey`, `/ledger/tile/...` (C2SP tlog-tiles).
None needs a key; none holds personal data.
"""


def page() -> str:
    """The whole page, Markdown."""
    changing = ", ".join(entry.name for entry in ENTRIES if entry.changes)
    head = _HEAD.format(
        image_mib=model.IMAGE_BYTES // 1024**2,
        threshold=calls.THRESHOLD,
        matches=calls.MOST_MATCHES,
        indexed=calls.MOST_INDEXED,
        page=calls.PAGE,
        changing=changing,
    )
    counts = {
        state: sum(entry.state == state for entry in ENTRIES)
        for state in ("works", "planned", "declined")
    }
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    parts = [
        head,
        f"## Operations ({told})\n",
        "A planned one answers `UnsupportedOperationException`, a declined one "
        "`AccessDeniedException`, both with the reason.\n",
        _table(ENTRIES),
        "\n## Facial attributes (DetectFaces, IndexFaces)\n",
        "Asking for a declined one is refused, never answered with a guess.\n",
        _table(ATTRIBUTES.values()),
        "",
    ]
    return "\n".join(parts)


def _table(entries: Iterable[Entry]) -> str:
    rows = [f"| {entry.name} | {entry.state} | {entry.reason} |" for entry in entries]
    return "\n".join(["| name | state | what or why |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    sys.stdout.write(page())

"""The studies as Markdown: `docs/studies.md` is this text; a test compares.

What speaks of this release's model pack is left to the command: it changes with the calibration.
"""

from __future__ import annotations

from rightface.assay.studies.catalogue import all_studies
from rightface.assay.studies.reproduction import Cell, Finding, Reproduction

HEAD = """# Published studies, computed again

`rightface assay study` lists them; `rightface assay study NAME` prints what follows here, and with
`--json` every cell. Facts are in `src/rightface/assay/studies/facts/`, each with its source and a
mark: *seen* in a public copy that is named, *recalled* (from memory: look it up before relying on
it), or *derived* (worked out by us). This page is made from them:
`rightface assay study --markdown > docs/studies.md`.

A cell is *reproduced* if what we compute lies within the stated tolerance of what was published.
Where it *differs*, the published table is at odds with itself, or with its own counts; the findings
below each table say how.

On one's own photographs and predictions:

```
rightface assay study aclu --probes PROBES.csv --gallery GALLERY.csv --out DIR
rightface assay study gender-shades --predictions predictions.csv
rightface assay study nist --assay DIR/assay.json
rightface assay study klare --assay DIR/assay.json
rightface assay study clearview --claim 0.986
```

`gender-shades` counts where somebody else's classifier was wrong. rightface never infers gender.
`aclu` searches under a permit of the gate, recorded in the ledger, and takes nobody searched for to
be in the gallery: that is for you to see to.
"""


def page() -> str:
    """All of them."""
    return "\n".join([HEAD, *(_study(each) for each in all_studies())])


def number(value: float, unit: str) -> str:
    """As many digits as tell: two decimals of per cent, six digits of a plain number."""
    return f"{value:.2f}" if unit == "per cent" else f"{value:.6g}"


def _study(told: Reproduction) -> str:
    lines = [f"## {told.title}", "", f"{told.authors}. {told.venue}. {told.task}", ""]
    if told.unverified:
        lines += [f"**Unverified.** {told.unverified}", ""]
    lines += [f"`rightface assay study {told.name}` ({told.id})", ""]
    lines += ["Published:", "", *(f"- {_finding(each)}" for each in told.published), ""]
    if told.cells:
        lines += [f"{told.reproduced} of {len(told.cells)} cells are reproduced.", ""]
        lines += [*_table(told.cells), ""]
    lines += ["Found:", ""]
    lines += [f"- {_finding(each)}" for each in told.findings if not each.of_pack]
    lines += ["", "Sources:", ""]
    lines += [f"{each.n}. {each.at}: {each.what}." for each in told.sources]
    return "\n".join([*lines, ""])


def _table(cells: tuple[Cell, ...]) -> list[str]:
    head = ("table", "row", "column", "published", "computed", "tolerance", "verdict", "mark")
    rows = [
        (
            cell.table,
            cell.row,
            cell.column,
            number(cell.published, cell.unit),
            number(cell.computed, cell.unit),
            f"{cell.tolerance:g}",
            cell.verdict,
            marked(cell.confidence, cell.sources),
        )
        for cell in cells
    ]
    return [_row(head), _row(("---",) * len(head)), *map(_row, rows)]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _finding(one: Finding) -> str:
    said = {None: "", True: " **Borne out.**", False: " **Not borne out.**"}[one.holds]
    note = f" ({one.note})" if one.note else ""
    return f"{one.text}{said}{note} *{marked(one.confidence, one.sources)}*"


def marked(confidence: str, sources: tuple[int, ...]) -> str:
    """`seen 1, 4`, `recalled`."""
    return f"{confidence} {', '.join(map(str, sources))}".strip()

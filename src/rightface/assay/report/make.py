"""The page of an assay: one HTML file that fetches nothing, reads without a script, and prints.

Its own policy (a `Content-Security-Policy` in the page) forbids every fetch, every style and every
script but the ones in it, known by their SHA-256. Names out of the data set are text and nothing
else: Jinja escapes each. Never knows where the page is written to.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rightface.assay.equalise_table import Equalised
from rightface.assay.report import conditions, equalised, explorer, heat, parts, tables, words
from rightface.assay.report.card import Card
from rightface.assay.report.headline import headline, main_target
from rightface.assay.report.photographs import Shown
from rightface.assay.result import Assay


def html(
    assay: Assay, *, before: Assay | Equalised | None = None, photographs: Sequence[Shown] = ()
) -> str:
    """The page.

    Args:
        assay: what was found.
        before: an earlier assay of the same data set, to be shown beside it; or the table that
            `assay equalise` wrote.
        photographs: comparisons that went wrong (`photographs.shown` asks whether they may be).
    """
    environment = templates()
    style = _ours(environment, "style.css.jinja")
    script = _ours(environment, "explorer.js.jinja")
    target = main_target(assay)
    earlier = before if isinstance(before, Assay) else None
    fitted = before if isinstance(before, Equalised) else None
    changes = () if earlier is None else parts.change(earlier, assay, target)
    if fitted is not None:
        changes = equalised.chapters(fitted)
    ladder = explorer.ladder(assay)
    return environment.get_template("page.jinja").render(
        assay=assay,
        before=earlier,
        fitted=fitted,
        style=style,
        script=script,
        policy=_policy(style, script),
        headline=headline(assay),
        target=target,
        everybody=parts.everybody(assay),
        groups=[parts.partition(assay, one, target) for one in assay.partitions],
        ladder=ladder,
        ladder_json=None if ladder is None else as_data(json.dumps(ladder)),
        steps=() if ladder is None else parts.first_step(ladder),
        changes=changes,
        searches=conditions.searches(assay, target),
        stress=conditions.stress(assay, target),
        quality=conditions.quality(assay),
        photographs=photographs,
        exclusions=tables.exclusions(assay),
        adds_up=tables.adds_up(assay),
        labels=tables.labels(assay),
        words=words,
        heat_key=heat.KEY,
        document=as_data(assay.model_dump_json()),
    )


def card_html(told: Card) -> str:
    """A model card as a page of the same look: no script, nothing fetched."""
    environment = templates()
    style = _ours(environment, "style.css.jinja")
    return environment.get_template("card.jinja").render(
        card=told, style=style, policy=_policy(style)
    )


def templates() -> Environment:
    """This package's templates; every value is escaped."""
    return Environment(
        loader=PackageLoader("rightface.assay.report", "."),
        autoescape=True,
        undefined=StrictUndefined,  # a field that is missing is an error, never a gap
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _ours(environment: Environment, name: str) -> Markup:
    return Markup(environment.get_template(name).render())  # noqa: S704 - a file of this package


def as_data(told: str) -> Markup:
    """JSON that can stand in a script element: nothing in it can end the element."""
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        told = told.replace(character, f"\\u{ord(character):04x}")
    return Markup(told)  # noqa: S704 - escaped above


def _policy(style: str, *scripts: str) -> str:
    def known(inline: Sequence[str]) -> str:
        return " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
            for one in inline
        )

    rules: dict[str, Any] = {
        "default-src": "'none'",
        "style-src": known([style]),
        "script-src": known(scripts) or "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {told}" for name, told in rules.items())

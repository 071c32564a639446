"""Scores that mean the same for everybody: each template's crowd is predicted and taken out.

Where a network sees many people alike, different people score high with one another, and one
threshold is wrong for them. Of each template p two numbers are predicted, from the template alone:
the mean m and the deviation d of its scores with the people most like it. The score is

    s' = scale · (p·r − ½(m_p + m_r)) / √(d_p · d_r)

This is the symmetric normalisation of speaker verification (s-norm; adaptive: Matějka et al. 2017,
doi:10.21437/Interspeech.2017-838) with the product form of the deviations, so that it is one inner
product of two numbers more than the template has: g·(p − μ, 1, −β_p) with g·(r − μ, −β_r, 1), where
g = √(scale/d) and β = ½m − p·μ + ½μ·μ. Taking the mean template μ out first changes no score and
keeps what is rounded small. The prediction is linear in p and in cosines of p along directions
drawn at random (Rahimi and Recht 2007, "Random features for large-scale kernel machines").

Nobody's group is asked or inferred in use, and no person's template is kept: the file holds the
numbers of a regression. Fitting is done by `rightface.assay.equalise`. Never knows images, models,
groups, law or storage. It takes no permit: whoever holds templates has asked for one (`packs.py`,
`rightface.assay.equalise_variants`; a test holds that nobody else calls this).
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightface.errors import WeightsError
from rightface.faces.face import Templates

Floats = NDArray[np.float64]
FILE = "normalisation.json"
STEP = 1 / 32
"""Directions are whole multiples of this, so that a byte holds each component exactly."""
EXTRA = 2
"""Numbers that a vector has beyond a template's."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a normalisation was fitted on."""

    data_sets: tuple[str, ...]
    fitted_on: date
    method: str
    figures: tuple[str, ...]
    caveats: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """The numbers of one fitted normalisation, of templates of `len(mean)` numbers."""

    name: str
    mean: Floats
    """(n,): μ."""
    directions: NDArray[np.int8]
    """(n, k): in units of `STEP`."""
    width: float
    """How fast the cosines turn: the angle for one unit along a direction of length 1."""
    phases: Floats
    """(k,): radians."""
    weights: Floats
    """(k + n + 1, 2): of the cosines, of the template less μ, and a constant; for m and log d."""
    lowest: Floats
    """(2,): the least m and log d that were fitted; predictions stay within."""
    highest: Floats
    """(2,)."""
    scale: float
    fitted: Fitted

    @property
    def dimension(self) -> int:
        """Numbers in a template."""
        return len(self.mean)

    @property
    def digest(self) -> str:
        """Hex SHA-256 over every number that decides a score."""
        return hashlib.sha256(json.dumps(self._numbers(), sort_keys=True).encode()).hexdigest()

    @cached_property
    def _turns(self) -> Floats:
        return turns(self.directions, self.width)

    def crowd(self, templates: Templates) -> tuple[Floats, Floats]:
        """Of templates (n, dimension): m and d, (n,) each."""
        centred = templates.astype(np.float64) - self.mean
        told = features(centred, self._turns, self.phases) @ self.weights
        told = np.clip(told, self.lowest, self.highest)
        return told[:, 0], np.exp(told[:, 1])

    def probe_vectors(self, templates: Templates) -> NDArray[np.float32]:
        """(n, dimension + 2): the asking side."""
        centred, offset, gain = self._parts(templates)
        ones = np.ones_like(offset)
        return np.asarray(gain * np.hstack([centred, ones, -offset]), np.float32)

    def reference_vectors(self, templates: Templates) -> NDArray[np.float32]:
        """(n, dimension + 2): the stored side."""
        centred, offset, gain = self._parts(templates)
        ones = np.ones_like(offset)
        return np.asarray(gain * np.hstack([centred, -offset, ones]), np.float32)

    def _parts(self, templates: Templates) -> tuple[Floats, Floats, Floats]:
        mean, deviation = self.crowd(templates)
        centred = templates.astype(np.float64) - self.mean
        # p·μ − ½μ·μ, in terms of what is left after the mean was taken out.
        offset = mean / 2 - centred @ self.mean - self.mean @ self.mean / 2
        return centred, offset[:, None], np.sqrt(self.scale / deviation)[:, None]

    # ------------------------------------------------------------ the file
    @classmethod
    def shipped(cls) -> Normalisation:
        """The normalisation of the model pack that this release ships.

        Raises:
            WeightsError: the file is missing or damaged.
        """
        try:
            text = (files("rightface.faces") / FILE).read_text("utf-8")
            return cls.from_json(json.loads(text))
        except (OSError, ValueError) as error:
            raise WeightsError(
                "The score normalisation of the model pack is missing or damaged.",
                mend="Install rightface again.",
            ) from error

    @classmethod
    def from_json(cls, told: Any) -> Normalisation:
        """From the parsed content of such a file.

        Raises:
            WeightsError: fields are missing, of the wrong type or shape, or not finite.
        """
        try:
            numbers, fitted = told["numbers"], told["fitted"]
            mean, phases = _array(numbers["mean"]), _array(numbers["phases"])
            packed = np.frombuffer(base64.b64decode(numbers["directions"]), np.int8)
            made = cls(
                name=str(told["name"]),
                mean=mean,
                directions=packed.reshape(len(mean), len(phases)),
                width=float(numbers["width"]),
                phases=phases,
                weights=_array(numbers["weights"]).reshape(len(phases) + len(mean) + 1, 2),
                lowest=_array(numbers["lowest"]).reshape(2),
                highest=_array(numbers["highest"]).reshape(2),
                scale=float(numbers["scale"]),
                fitted=Fitted(
                    data_sets=tuple(str(each) for each in fitted["data_sets"]),
                    fitted_on=date.fromisoformat(fitted["fitted_on"]),
                    method=str(fitted["method"]),
                    figures=tuple(str(each) for each in fitted["figures"]),
                    caveats=tuple(str(each) for each in fitted["caveats"]),
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError("The score normalisation is damaged.") from error
        arrays = (made.mean, made.phases, made.weights, made.lowest, made.highest)
        sound = (
            all(np.isfinite(each).all() for each in arrays)
            and made.mean.size > 0
            and np.isfinite([made.width, made.scale]).all()
            and made.scale > 0
            and (made.lowest <= made.highest).all()
        )
        if not sound:
            raise WeightsError("The score normalisation is damaged.")
        return made

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "name": self.name,
            "fitted": {
                "data_sets": list(self.fitted.data_sets),
                "fitted_on": self.fitted.fitted_on.isoformat(),
                "method": self.fitted.method,
                "figures": list(self.fitted.figures),
                "caveats": list(self.fitted.caveats),
            },
            "numbers": self._numbers(),
        }

    def _numbers(self) -> dict[str, Any]:
        return {
            "mean": self.mean.tolist(),
            "directions": base64.b64encode(self.directions.tobytes()).decode(),
            "width": self.width,
            "phases": self.phases.tolist(),
            "weights": self.weights.tolist(),
            "lowest": self.lowest.tolist(),
            "highest": self.highest.tolist(),
            "scale": self.scale,
        }


def turns(directions: NDArray[np.int8], width: float) -> Floats:
    """(n, k): by how much each number of a template turns each cosine."""
    angles: Floats = directions.astype(np.float64) * (STEP * width)
    return angles


def features(centred: Floats, turned: Floats, phases: Floats) -> Floats:
    """Of templates less μ (n, dimension): cosines, the numbers themselves, a constant."""
    cosines = np.cos(centred @ turned + phases)
    return np.hstack([cosines, centred, np.ones((len(centred), 1))])


def _array(told: Any) -> Floats:
    return np.asarray(told, np.float64)

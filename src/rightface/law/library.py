"""All instruments, and which of their rules bind at a date in a set of jurisdictions.

Loads the instruments that ship with rightface and, if the operator has one, a directory of extra
ones. The baseline and the statutes are always among them. Compiled rule sets are cached.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from weakref import WeakValueDictionary

from rightface.errors import LawError
from rightface.law.instrument import BASELINE, Instrument, read_instrument, with_line
from rightface.law.policies import RuleSet
from rightface.law.rule import Rule
from rightface.law.vocabulary import Vocabulary

_KEPT = 2_048  # keys (dates, jurisdictions, adoptions) whose rule set is remembered
_Key = tuple[date, date, frozenset[str], frozenset[str]]


class InstrumentLibrary:
    """The instruments of this instance. Immutable; a change needs a restart."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.vocabulary = Vocabulary.load()
        self.instruments: Mapping[str, Instrument] = MappingProxyType(
            {instrument.instrument_id: instrument for instrument in instruments}
        )
        self._by_key: OrderedDict[_Key, RuleSet] = OrderedDict()
        # Of these only what a key still holds.
        self._by_rules: WeakValueDictionary[tuple[str, ...], RuleSet] = WeakValueDictionary()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, extra: Path | None = None) -> InstrumentLibrary:
        """The shipped instruments and those of the operator's directory `extra`.

        Raises:
            LawError: an instrument is malformed, or one of `extra` takes a shipped one's id.
        """
        words = Vocabulary.load()
        found = {one.instrument_id: one for one in _folder(SHIPPED, words)}
        for one in _folder(extra, words) if extra is not None else ():
            if one.kind == BASELINE:
                raise LawError(
                    with_line(
                        f"{one.folder / 'instrument.toml'}: the kind '{BASELINE}' is not yours.",
                        one.folder / "instrument.toml",
                    ),
                    why="The baseline binds everybody everywhere; there is one, and it ships.",
                    mend='Write kind = "operator-rule".',
                )
            if one.instrument_id in found:
                raise LawError(
                    f"{one.folder}: the id '{one.instrument_id}' is taken.",
                    why="Shipped instruments cannot be replaced or switched off.",
                    mend="Give yours an id of its own.",
                )
            found[one.instrument_id] = one
        return cls(found.values())

    @cached_property
    def commitments(self) -> frozenset[str]:
        """The ids of the instruments that bind only once adopted."""
        return frozenset(n for n, one in self.instruments.items() if one.is_commitment)

    def instrument(self, instrument_id: str) -> Instrument:
        """The instrument of that id.

        Raises:
            LawError: there is none.
        """
        if instrument_id not in self.instruments:
            raise LawError(
                f"Unknown instrument '{instrument_id[:80]}'.",
                why=f"Known: {', '.join(self.instruments)}.",
                mend="rightface law list",
            )
        return self.instruments[instrument_id]

    def commitment(self, instrument_id: str) -> Instrument:
        """The instrument of that id, if it is one that can be adopted.

        Raises:
            LawError: there is none, or it binds by itself.
        """
        instrument = self.instrument(instrument_id)
        if not instrument.is_commitment:
            raise LawError(
                f"'{instrument_id}' is no commitment.",
                why="It binds by itself; it can be neither adopted nor withdrawn.",
            )
        return instrument

    def only(self, instrument_ids: Iterable[str]) -> InstrumentLibrary:
        """A library of these instruments alone: what they say by themselves.

        Raises:
            LawError: one is unknown.
        """
        return InstrumentLibrary([self.instrument(one) for one in instrument_ids])

    def in_force(
        self,
        on: date,
        jurisdictions: frozenset[str],
        adopted: frozenset[str],
        known: date | None = None,
    ) -> RuleSet:
        """The rules that bind on `on` wherever `jurisdictions` lie, with these adoptions.

        `known` is the day whose knowledge of the law counts; None: that day's own.
        """
        key = (on, known or on, jurisdictions, adopted & self.commitments)
        with self._lock:
            found = self._by_key.get(key)
            if found is not None:
                self._by_key.move_to_end(key)
                return found
        rules = self._binding(*key)
        with self._lock:
            names = tuple(rule.key for rule in rules)
            found = self._by_rules.get(names)
            if found is None:
                found = self._by_rules[names] = RuleSet(rules)
            self._by_key[key] = found
            while len(self._by_key) > _KEPT:
                self._by_key.popitem(last=False)
            return found

    def _binding(
        self, on: date, known: date, jurisdictions: frozenset[str], adopted: frozenset[str]
    ) -> tuple[Rule, ...]:
        return tuple(
            rule
            for instrument in self.instruments.values()
            if not instrument.is_commitment or instrument.instrument_id in adopted
            if instrument.on(on, known)
            for rule in instrument.rules
            if rule.in_force(on, known)
            and self._reaches(rule.jurisdiction or instrument.jurisdiction, jurisdictions)
        )

    def _reaches(self, wide: str, jurisdictions: Iterable[str]) -> bool:
        return any(self.vocabulary.contains(wide, place) for place in jurisdictions)


SHIPPED = Path(str(files("rightface.law"))) / "instruments"


def _folder(directory: Path, words: Vocabulary) -> list[Instrument]:
    try:
        folders = sorted(entry for entry in directory.iterdir() if entry.is_dir())
    except OSError as error:
        raise LawError(
            f"The directory of instruments '{directory}' cannot be read.",
            why=type(error).__name__,
        ) from error
    return [
        read_instrument(folder, words)
        for folder in folders
        if not folder.name.startswith((".", "__"))
    ]

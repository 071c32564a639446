"""The model pack: its digest, and the comparison that belongs to it."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest

from rightface.errors import PermitError, SettingsError, WeightsError
from rightface.faces import packs
from rightface.faces.calibration import RAW_FILE, Calibration
from rightface.faces.face import Templates
from rightface.faces.packs import ModelPack, load_pack, shipped_digest, shipped_pack
from rightface.settings import Settings
from tests.conftest import Permitted


@pytest.fixture(scope="module", params=packs.COMPARISONS)
def pack(request: pytest.FixtureRequest) -> ModelPack:
    # Of the calibration nothing is read here; `load_pack` is tested below.
    return shipped_pack(Calibration.shipped(RAW_FILE), request.param)


@pytest.fixture(scope="module")
def templates() -> Templates:
    drawn = np.random.default_rng(3).normal(size=(5, 128)).astype(np.float32)
    lengths: Templates = np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn / lengths


def test_the_pack_names_its_weights_and_their_licences(pack: ModelPack) -> None:
    assert pack.id == "centerface-dlib-r29-2"
    assert {weights.licence for weights in pack.weights} == {"MIT", "CC0-1.0"}
    assert all(len(weights.sha256) == 64 for weights in pack.weights)
    assert pack.dimension == 128
    assert "150 × 150" in pack.input_contract


def test_the_digest_changes_with_whatever_changes_templates(pack: ModelPack) -> None:
    other_weights = dataclasses.replace(pack.weights[0], sha256="0" * 64)
    others = [
        dataclasses.replace(pack, id="another"),
        dataclasses.replace(pack, dimension=64),
        dataclasses.replace(pack, input_contract="BGR"),
        dataclasses.replace(pack, weights=(other_weights, pack.weights[1])),
    ]
    assert pack.digest == shipped_digest() == load_pack().digest
    assert len({pack.digest, *(other.digest for other in others)}) == 5
    moved = dataclasses.replace(pack.weights[0], path="elsewhere.onnx")
    assert dataclasses.replace(pack, weights=(moved, pack.weights[1])).digest == pack.digest


def test_a_calibration_of_another_pack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "INPUT_CONTRACT", "another way from pixels to template")
    with pytest.raises(WeightsError, match="another model pack"):
        load_pack()


def test_the_score_is_the_inner_product_of_probe_and_reference(
    pack: ModelPack, templates: Templates, permitted: Permitted
) -> None:
    with permitted("measure-accuracy") as permit:
        probes = pack.probe_vectors(templates, permit=permit)
        references = pack.reference_vectors(templates, permit=permit)
        score = pack.compare(templates[0], templates[1], permit=permit)
        itself = pack.compare(templates[0], templates[0], permit=permit)
    assert probes.shape == references.shape == (5, pack.vector_dimension)
    assert probes.dtype == references.dtype == np.float32
    assert score == pytest.approx(float(probes[0] @ references[1]), abs=1e-6)
    assert itself > score


def test_a_template_beside_itself_is_no_chance_match(
    templates: Templates, permitted: Permitted
) -> None:
    raw = load_pack(packs.RAW)
    with permitted("measure-accuracy") as permit:
        itself = raw.compare(templates[0], templates[0], permit=permit)
    assert raw.calibration.rate(itself).fmr < 1e-6


def test_a_calibration_of_other_scores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "FILE", RAW_FILE)
    with pytest.raises(WeightsError, match="measured on other scores"):
        load_pack(packs.EQUALISED)


def test_a_comparison_has_a_digest_apart_from_the_packs(pack: ModelPack) -> None:
    assert pack.digest == shipped_digest()
    raw = pack.comparison == packs.RAW
    assert (pack.comparison_digest == "") is raw
    assert pack.vector_dimension == (128 if raw else 130)


@pytest.mark.parametrize("action", ["enroll", "identify-1toN", "verify-1to1", "rebuild-index"])
def test_whoever_may_hold_a_template_may_make_its_vectors(
    pack: ModelPack, templates: Templates, action: str, permitted: Permitted
) -> None:
    with permitted(action) as permit:
        assert pack.probe_vectors(templates, permit=permit).shape == (5, pack.vector_dimension)
        assert pack.reference_vectors(templates, permit=permit).shape == (5, pack.vector_dimension)


@pytest.mark.parametrize("action", ["detect", "manage-gallery", "erase"])
def test_whoever_may_not_may_not(
    pack: ModelPack, templates: Templates, action: str, permitted: Permitted
) -> None:
    with permitted(action) as permit:
        for attempt in (pack.probe_vectors, pack.reference_vectors):
            with pytest.raises(PermitError):
                attempt(templates, permit=permit)


@pytest.mark.parametrize("action", ["identify-1toN", "detect", "manage-gallery"])
def test_comparing_needs_a_permit_to_compare(
    pack: ModelPack, templates: Templates, action: str, permitted: Permitted
) -> None:
    with permitted(action) as permit, pytest.raises(PermitError):
        pack.compare(templates[0], templates[1], permit=permit)
    with pytest.raises(PermitError):
        pack.compare(templates[0], templates[1], permit=None)  # type: ignore[arg-type]


def test_the_settings_know_two_comparisons(tmp_path: Path) -> None:
    for comparison in packs.COMPARISONS:
        (tmp_path / "rightface.toml").write_text(f'comparison = "{comparison}"\n')
        assert Settings.load(tmp_path).comparison == comparison
    (tmp_path / "rightface.toml").write_text("")
    assert Settings.load(tmp_path).comparison == "raw", "of an instance from before the choice"
    (tmp_path / "rightface.toml").write_text('comparison = "fair"\n')
    with pytest.raises(SettingsError, match="'equalised' or 'raw'"):
        Settings.load(tmp_path)


def test_the_file_of_an_instance_says_which_comparison_it_uses(tmp_path: Path) -> None:
    for settings in (Settings(data=tmp_path), Settings(data=tmp_path, comparison="raw")):
        settings.write()
        told = tomllib.loads((tmp_path / "rightface.toml").read_text("utf-8"))
        assert told["comparison"] == settings.comparison

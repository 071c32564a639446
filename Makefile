# Everything happens in .venv; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test audit node lint typecheck unit bench refit law-fuzz clean

demo: .venv/demo.stamp  ## install, then tell the whole story on embedded defaults
	$(BIN)/rightface demo

test: .venv/test.stamp node lint typecheck unit  ## everything that CI runs

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

typecheck: .venv/test.stamp
	$(BIN)/mypy

unit: .venv/test.stamp
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

node: tests/conformance/node/node_modules/.package-lock.json  ## Amazon's JavaScript client, where npm is

bench: .venv/bench.stamp  ## every benchmark, tables only
	for each in benchmarks/[a-z]*.py; do grep -q __main__ $$each || continue; $(BIN)/python $$each || exit 1; done

FACES ?= ../shared/faces
OUT ?= build/refit
refit: .venv/test.stamp  ## remake the pack's normalisation, evidence and calibrations: FACES=folder of the labelled sets
	benchmarks/refit.sh $(FACES) $(OUT)

DRAWS ?= 1000000
law-fuzz: .venv/test.stamp  ## the gate against the reference on drawn worlds: DRAWS=1000000 SEED=20261122
	$(BIN)/python -m tests.law.fuzz --draws $(DRAWS) $(if $(SEED),--seed $(SEED))

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

.venv/demo.stamp: .venv/pyvenv.cfg pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --editable '.[demo]'
	touch $@

.venv/test.stamp: .venv/pyvenv.cfg pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --editable '.[demo,test]'
	touch $@

# A machine without Node, or without a registry, skips that client's conformance tests.
tests/conformance/node/node_modules/.package-lock.json: tests/conformance/node/package-lock.json
	if command -v npm >/dev/null; then npm ci --prefix tests/conformance/node --ignore-scripts \
	    --loglevel=error || echo "npm ci failed: Node's conformance tests will be skipped"; fi

# face_recognition asks for dlib's source; dlib-bin (from the test extra) is the same, built.
.venv/bench.stamp: .venv/test.stamp
	$(BIN)/pip install --quiet --no-deps 'face_recognition==1.3.0'
	$(BIN)/pip install --quiet 'pyeer==0.5.6' 'scikit-learn==1.9.1'
	touch $@

audit: .venv-audit/stamp  ## known weaknesses of what is depended on, where a database answers
	$(PYTHON) .ci/audit.py

# Apart from .venv, whose packages it must not change.
.venv-audit/stamp: .ci/audit-constraints.txt
	$(PYTHON) -m venv .venv-audit
	PIP_CONSTRAINT=$(CURDIR)/.ci/audit-constraints.txt .venv-audit/bin/pip install --quiet pip-audit \
	    || echo "pip-audit cannot be installed here"
	touch $@

clean:
	rm -rf .venv .venv-audit tests/conformance/node/node_modules build src/*.egg-info .mypy_cache .ruff_cache .hypothesis

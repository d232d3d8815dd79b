# The everyday commands. `make` alone lists them.
PYTHON ?= python3
VENV := .venv/bin
PACKAGES := crds operator hostd cli e2e
BOOTSTRAP := PYTHONPATH=crds/src:cli/src $(PYTHON) -m quantix_cli.up.bootstrap
# two cores are the smallest machine; more tests at once only wait for each other
WORKERS ?= 2
# with bytecode, whoever asked for none: without, each worker rewrites every test at each run, which takes 7 s
PYTEST := PYTHONDONTWRITEBYTECODE= $(VENV)/pytest

BENCHES := bench-start bench-scale bench-writes bench-throughput bench-idle bench-cluster

.DEFAULT_GOAL := help
.PHONY: help up join down clean prepare test unit contract e2e lab lab-down lab-host-down lab-host-up soak lint lint-types lint-sources gen fmt image-debian bench bench-cli $(BENCHES)

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 22

up: ## set everything up, start Quantix on this machine, run examples/first-vm.yaml
	@$(BOOTSTRAP) up

join: ## make this machine a host of the cluster whose word comes on standard input (qx host add)
	@$(BOOTSTRAP) join

down: ## stop Quantix; guests are shut down cleanly, data is kept
	@if [ -x $(VENV)/qx ]; then $(VENV)/qx down; else echo "Nothing runs: Quantix is not set up here. make up begins or goes on."; fi

clean: ## remove all that make up made, data included; packages stay
	@$(BOOTSTRAP) clean && rm -rf .venv

prepare:
	@$(BOOTSTRAP) prepare

# one after the other, also with -j: they share two cores and the cache
test: ## everything that CI runs
	@$(MAKE) --no-print-directory prepare
	@# tests reach no mirror: what they need of one is built before
	@$(VENV)/python -m quantix_cli.debianimage
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory contract
	@$(MAKE) --no-print-directory e2e

lint: ## style, types, layers, generated files
	@# mypy takes one core and half of the time
	@$(MAKE) --no-print-directory -j 2 --output-sync lint-types lint-sources

lint-types:
	$(VENV)/mypy $(PACKAGES:%=%/src) $(wildcard $(PACKAGES:%=%/tests))

lint-sources:
	$(VENV)/ruff check $(PACKAGES) controlplane
	$(VENV)/ruff format --check $(PACKAGES) controlplane
	$(VENV)/lint-imports --no-logo
	$(VENV)/python -m quantix_api.generate --check
	controlplane/check.sh lint

# what shares something costly stays on one worker whatever --dist says: quantix_lab.side_by_side
unit: ## unit tests
	$(PYTEST) -q -n $(WORKERS) --dist loadfile $(wildcard $(PACKAGES:%=%/tests/unit))
	controlplane/check.sh unit

contract: ## clients against the real thing: API server, libvirt, OVN, QEMU
	@# two more: these wait, too: for certificates that end and leases that run out
	$(PYTEST) -q -n $$(($(WORKERS) + 2)) --dist loadfile $(wildcard controlplane/tests/contract $(PACKAGES:%=%/tests/contract))

e2e: ## whole machines with real guests
	$(PYTEST) -q -n $(WORKERS) --dist loadfile e2e/tests

HOSTS ?= 3
CEPH ?= 1
lab: prepare ## HOSTS=3 real hosts on this machine, as one cluster, and a Ceph beside them (CEPH=0: none)
	$(VENV)/python -m quantix_lab.lab_command up $(HOSTS) $(if $(filter-out 0,$(CEPH)),ceph)

lab-down: ## end that lab
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m quantix_lab.lab_command down; fi

lab-host-down: ## pull the plug of HOST=h2 of that lab
	@$(VENV)/python -m quantix_lab.lab_command host-down $(HOST)

lab-host-up: ## switch HOST=h2 of that lab on again, and start Quantix there
	@$(VENV)/python -m quantix_lab.lab_command host-up $(HOST)

soak: prepare ## what takes minutes and much memory: fifty guests that start at once, floods, models of HA
	$(PYTEST) -q -m soak e2e/tests hostd/tests/unit hostd/tests/contract operator/tests/contract cli/tests/contract

image-debian: prepare ## build the guest image of Debian with cloud-init, and print where it is
	$(VENV)/python -m quantix_cli.debianimage

bench: prepare ## what Quantix costs, against the same by hand: the whole of docs/benchmarks.md
	$(VENV)/python -m quantix_lab.bench

bench-cli: ## how long qx takes with 1,000 VMs; on a machine that does nothing else
	$(VENV)/python -m quantix_lab.bench.cli

$(BENCHES): bench-%: prepare
	$(VENV)/python -m quantix_lab.bench.$*

gen: ## write what is generated from the models
	$(VENV)/python -m quantix_api.generate

fmt: ## format the sources
	$(VENV)/ruff check --fix $(PACKAGES) controlplane
	$(VENV)/ruff format $(PACKAGES) controlplane
	gofmt -w controlplane/cmd controlplane/internal

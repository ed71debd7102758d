# The verbs of the house. Each sets itself up; `make` alone lists them.

PYTHON ?= python3
VENV := .venv/bin/python
READY := .venv/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint types format bench bench-large bench-live captures expected pictures clean

help:  ## list these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## make .venv and install sniffkit and its tools in it (again only when pyproject.toml changes)

demo: $(READY)  ## explain a captured TCP handshake and close, in English and in Chinese
	$(VENV) -m sniffkit explain captures/handshake-close-4.pcap --lang en
	$(VENV) -m sniffkit explain captures/handshake-close-4.pcap --lang zh

test: lint types  ## check everything: ruff, mypy, then every test; tests that were skipped say why
	$(VENV) -m pytest -n 2 -rs

lint: $(READY)  ## check style with ruff
	$(VENV) -m ruff check

types: $(READY)  ## check types with mypy
	$(VENV) -m mypy

format: $(READY)  ## lay the code out with ruff
	$(VENV) -m ruff format

bench: $(READY)  ## time sniffkit beside tshark, tcpdump, Scapy and dpkt (QUICK=1: on a tenth of the packets)
	$(VENV) -m benchmarks.run $(if $(QUICK),--quick)

bench-large: $(READY)  ## flows on ten million packets (QUICK=1: one million), with one job and with two, and on a flood
	$(VENV) -m benchmarks.large $(if $(QUICK),--packets 1000000)
	$(VENV) -m benchmarks.flood $(if $(QUICK),100000)

bench-live: $(READY)  ## capture a flood beside tcpdump and Scapy, in namespaces (QUICK=1: a tenth of the packets)
	$(VENV) -m benchmarks.live $(if $(QUICK),--quick)

captures: $(READY)  ## record captures/ anew from this machine's kernel (needs Linux; deliberate, review the diff)
	$(VENV) -m sniffkit.lab.record captures

expected: $(READY)  ## write tests/expected/ and the outputs in the READMEs anew (review the diff)
	$(VENV) -m pytest --rewrite

pictures: $(READY)  ## draw the pictures of the README anew
	$(VENV) pictures/draw.py

clean:  ## remove what was made: .venv, build/ and the tools' caches
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv whose Python was removed from the system counts as missing: the link then leads nowhere.
$(VENV):
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "sniffkit needs Python 3.11 or later, and there is no $(PYTHON) here (or say which: make PYTHON=python3.12)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "sniffkit needs Python 3.11 or later; $(PYTHON) is $$("$(PYTHON)" -V) (say which to take: make PYTHON=python3.12)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "this Python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear .venv

# Dependency groups (PEP 735) are known to pip from 25.1 on; Debian 12 brings 23.0.
$(READY): pyproject.toml | $(VENV)
	$(VENV) -m pip install --quiet --upgrade 'pip>=25.1'
	$(VENV) -m pip install --quiet --editable . --group dev
	@$(VENV) -m compileall -q sniffkit  # as pip does where it copies: the first start is as fast as the next
	@touch $@

# Everything a person does here. Needs Python 3.11 or newer, make, git and PyPI.
# PYTHON=python3.13 chooses the interpreter; MONTH=2025-10 the month that the demo and the lab play.

MONTH ?= 2025-12
# Of demo/run.py: --twice, --transport ntlm or https
OPTIONS ?=
# in SET COMMAND: run it with requirements/SET.txt installed and the collection in place
in = @python=$$(scripts/find-python) && exec "$$python" -m scripts.in_environment
lab = ansible_collections.winops.hotpatch.plugins.plugin_utils._lab

.PHONY: help demo lab test unit lint format script changelog clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo       play a patch month on a simulated fleet; leaves .demo/report.html and .demo/summary.json'
	@echo 'make lab        the simulated fleet in the foreground; leaves .lab/inventory.yml and .lab/lab.json'
	@echo 'make test       all tests        make unit     those of the pure rules, in seconds'
	@echo 'make lint       style, types, ansible-lint, ansible-test sanity      make format   put style right'
	@echo 'make script     leave the PowerShell script that runs on servers in .cache/ to read'
	@echo 'make changelog  turn changelogs/fragments into CHANGELOG.md          make clean    remove what these made'

demo:
	$(in) demo python demo/run.py --month '$(MONTH)' $(OPTIONS)

lab:
	$(in) demo scripts/collection-python -m $(lab) --fleet 'demo/months/$(MONTH).yml' --out .lab

test:
	$(in) test pytest -n 2 --dist loadfile tests

unit:
	$(in) test pytest -q tests/unit/release tests/unit/eligibility tests/unit/plan

lint:
	@scripts/lint

format:
	$(in) lint sh -c 'ruff check --fix . ; ruff format .'

script:
	$(in) demo scripts/collection-python -m scripts.print_script

changelog:
	$(in) lint antsibull-changelog release --update-existing

clean:
	rm -rf .cache .demo .lab .ansible .hypothesis tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

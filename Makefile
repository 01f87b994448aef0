# Common tasks; `make help` lists them. All work in a fresh clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# PyTorch first: it runs what does not depend on the backend, and compiles
# nothing.
BACKENDS := torch tensorflow jax

# The quickstart needs one backend only; with everything there, it uses that.
QUICK_VENV := $(if $(wildcard $(STAMP)),$(VENV),.venv-quickstart)

# TensorFlow's start-up notices, and Hugging Face's look for news.
export TF_CPP_MIN_LOG_LEVEL ?= 3
export HF_HUB_OFFLINE ?= 1

.PHONY: help install quickstart lint test test-full bench docs

help:
	@echo "make install     .venv with three backends and development tools"
	@echo "make quickstart  train a tiny model on Python's own documentation"
	@echo "make lint        ruff, mypy and the documentation site"
	@echo "make test        lint, then the tests on TensorFlow, JAX, PyTorch"
	@echo "make test-full   the same with the slow tests"
	@echo "make bench       speed beside Hugging Face and KerasHub, 15 minutes"
	@echo "make docs        the documentation site, in site/"
	@echo "PYTHON=...       the Python to build environments with"

install: $(STAMP)

$(STAMP): EXTRAS := [jax,torch,huggingface,serve,onnx,gcs,warc,docs,dev]
$(VENV)/.installed .venv-quickstart/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) \
	and "Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is %d.%d: make PYTHON=..." \
	% sys.version_info[:2])'
	test -x $(@D)/bin/pip || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --constraint constraints.txt \
	  --editable '.$(EXTRAS)'
	@touch $@

quickstart: $(QUICK_VENV)/.installed
	$(QUICK_VENV)/bin/python recipes/quickstart.py --run_dir=runs/quickstart

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy keras_rtd recipes
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir $(VENV)/site

test test-full: $(STAMP)
	@BIN=$(BIN) MAKE='$(MAKE_COMMAND)' BACKENDS='$(BACKENDS)' sh tests/run.sh $@

bench: $(STAMP)
	$(BIN)/python benchmarks/bench.py

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "site/index.html"

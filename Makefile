# make book    build the book; the last line says where to open it
# make serve   build it and serve it on this machine
# make lab     open the chapters in JupyterLab
# make test    test everything     make check   look at everything without running it
# make bench   measure             make clean   remove what was made, but not .venv
#
# PYTHON=python3.12 picks the interpreter. TORCH=cpu gets PyTorch without CUDA (Linux).
# PIP_EXTRA="..." adds options to `pip install`. PYTEST_ARGS="..." adds options to pytest, such as
# -n 0: tests one after the other.

export PYTHON TORCH PIP_EXTRA
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX
PY := .venv/bin/python
SANDBOX_USER = $(shell [ "$$(id -u)" -ne 0 ] || echo --sandbox-user nobody)

.PHONY: environment book serve lab test check bench resolve clean
.DEFAULT_GOAL := book

environment:
	@sh tools/environment.sh

book: environment
	@$(PY) tools/build_book.py

serve: book
	@$(PY) tools/serve.py

lab: environment
	$(PY) -m jupyter lab --ServerApp.root_dir="$(CURDIR)" chapters

test: environment
	$(PY) -m pytest -n logical --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

check: environment
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m nbstripout --verify --keep-id chapters/*.ipynb exercises/*/*.ipynb exercises/*/student/*.ipynb
	@if command -v bwrap >/dev/null; then $(PY) -m mlsys_lib.grading.cli verify $(SANDBOX_USER); \
	else echo "The exercises were not verified: that needs bubblewrap, on Linux."; fi

bench: environment
	$(PY) -m benchmarks

resolve: environment
	$(PY) tools/resolve.py

clean:
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache htmlcov .coverage install.log

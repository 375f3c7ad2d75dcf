# make book    build the book; the last line says where to open it
# make serve   build it and serve it on this machine
# make lab     open the chapters in JupyterLab
# make test    test everything     make check   look at everything without running it
# make bench   measure             make clean   remove what was made, but not .venv
#
# PYTHON=python3.12 picks the interpreter. TORCH=cpu gets PyTorch without CUDA (Linux).
# PIP_EXTRA="..." adds options to `pip install`. PYTEST_ARGS="..." adds options to pytest.

export PYTHON TORCH PIP_EXTRA
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX
PY := .venv/bin/python

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
	$(PY) -m pytest $(PYTEST_ARGS)

check: environment
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m nbstripout --verify --keep-id chapters/*.ipynb

bench: environment
	$(PY) -m benchmarks

resolve: environment
	$(PY) tools/resolve.py

clean:
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache htmlcov .coverage install.log

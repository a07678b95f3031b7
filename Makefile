# make demo   sets up .venv and runs the classic experiment
# make test   sets up .venv with the test tools and runs every check
# make zoo    fills and checks models of other libraries, with every method too, and writes docs/zoo.md and zoo-methods.md
# make sanitize   builds the extension with the address and undefined-behaviour sanitizers and runs its tests
# make page   writes the lab for any web host into build/page; its engine is compiled anew where its sources changed
# make docs   writes the documentation's site, the lab inside it, into build/docs, and checks its links
# make fuzz   gives everything that a person can say some 200,000 inputs
# make kills   ends workers, nodes and drivers of a Ray cluster on this machine
# make faults  stops every command that writes at many moments, takes its disk away, and flips bytes of studies
# make bits    compares the compiled kernels' bits on every instruction set, on 1 to 8 threads, and on ARM under qemu
# make floors   runs the tests with the oldest versions that are allowed, in a .venv of their own
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SETUP  := pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)

.PHONY: demo test tests lint kills sanitize page docs zoo fuzz faults bits floors clean

# The kernels are compiled for this machine alone, apart from what others compile. Of Python, what is imported is
# compiled then, and not all that is installed.
demo: $(VENV)/.demo
	@PYTHONDONTWRITEBYTECODE= $(BIN)/goodinit compare

# The linters first; with --jobs 2 beside the tests.
test: lint tests

# Workers are as many as tests/conftest.py says, so one thread of linear algebra each: more of them wait for each other. A
# worker takes whole files, in that file's order. Hundreds of processes import the package: it is compiled once.
tests: $(VENV)/.test
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= \
	  $(BIN)/python -m pytest --quiet --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not kills"

kills: $(VENV)/.test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet --numprocesses 0 -m kills tests/cluster

lint: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# The sanitized copy lies apart; -S keeps the editable install, which would come first, out of the way. Python leaks
# by design at its end, so leaks are not looked for.
SANITIZED := build/sanitize
PRELOAD    = $(shell $${CXX:-g++} -print-file-name=libasan.so) $(shell $${CXX:-g++} -print-file-name=libstdc++.so)
sanitize: $(VENV)/.test
	@rm -rf $(SANITIZED)/site
	@$(PIP) --no-deps --target $(SANITIZED)/site --config-settings=build-dir=$(SANITIZED)/cmake \
	  --config-settings=cmake.define.GOODINIT_SANITIZE=ON --config-settings=install.strip=false .
	@PYTHONPATH=$(SANITIZED)/site:$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
	  LD_PRELOAD="$(PRELOAD)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	  $(BIN)/python -S -c 'import sys, pytest, goodinit._native as n; assert "$(SANITIZED)" in n.__file__, n; \
	  sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/training", "tests/native", "tests/test_checkup.py", \
	  "tests/test_findings.py", "tests/test_comparison.py", "tests/test_studies_kept.py", "tests/test_tuning.py"]))'

# A compiler for WebAssembly is a large download, and is fetched only where the committed engine is out of date.
page: $(VENV)/.demo
	@$(BIN)/python tools/build_page_engine.py --check || \
	  { $(PYTHON) -m venv build/zig && build/zig/bin/pip --disable-pip-version-check install --quiet ziglang==0.17.1 && \
	    $(BIN)/python tools/build_page_engine.py build/zig/bin/python -m ziglang c++; }
	@$(BIN)/goodinit lab --export build/page

# Nothing is fetched but the tools, once; `python3 -m http.server -d build/docs` shows it.
docs: $(VENV)/.docs
	@NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "The site is in build/docs; python3 -m http.server -d build/docs shows it."

# The libraries of the zoo lie apart, beside the PyTorch that is there: torchvision's from PyPI asks for one for CUDA.
ZOO := build/zoo
zoo: $(VENV)/.test
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --upgrade --no-deps --target $(ZOO)/site \
	  diffusers segmentation-models-pytorch timm torch-geometric torchvision transformers \
	  huggingface-hub hf-xet httpx2 httpcore2 truststore importlib-metadata regex tokenizers tqdm xxhash
	@OMP_NUM_THREADS=1 PYTHONPATH=$(ZOO)/site $(BIN)/python tests/zoo/zoo_table.py $(ZOO)/rows.jsonl --write
	@OMP_NUM_THREADS=1 PYTHONPATH=$(ZOO)/site $(BIN)/python tests/zoo/zoo_methods.py $(ZOO)/methods.jsonl --write

# As many for each test of the files: fifteen of what a person can say, and three of the compiled core's arguments.
fuzz: $(VENV)/.test
	@GOODINIT_FUZZ=13400 $(BIN)/python -m pytest --quiet --capture no --numprocesses 0 tests/test_fuzz.py \
	  tests/training/test_binding_fuzz.py

# Needs root for disks of its own; without it full and read-only ones are not tried.
faults: $(VENV)/.test
	@OMP_NUM_THREADS=1 $(BIN)/python tools/faults/run.py --kills 100
	@OMP_NUM_THREADS=1 $(BIN)/python tools/faults/studies.py --kills 100
	@OMP_NUM_THREADS=1 $(BIN)/python tools/faults/flips.py --flips 1000

# ARM is tried where g++-aarch64-linux-gnu and qemu-user are installed.
bits: $(VENV)/.test
	@$(BIN)/python tools/check_bits.py

# Their warnings are theirs. What compares with JAX, Keras and a browser needs newer versions, and is left out.
FLOORS := build/floors
floors:
	@$(PYTHON) -m venv $(FLOORS)
	@$(FLOORS)/bin/python -m pip --disable-pip-version-check install --quiet --constraint floors.txt \
	  '.[lab,ray,torch]' httpx hypothesis ipykernel mpmath nbclient nbformat pandas pyarrow pytest pytest-xdist statsmodels
	@OMP_NUM_THREADS=1 $(FLOORS)/bin/python -m pytest --quiet --numprocesses auto -W default \
	  --override-ini filterwarnings=default --ignore-glob '*browser*' --ignore-glob '*peers*' tests

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "goodinit needs Python 3.11 or later, found " + sys.version.split()[0] + "; run make PYTHON=/path/to/python3.11")'
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(SETUP) | $(VENV)/bin/python
	@echo "Installing goodinit ..."
	@$(PIP) --no-compile --config-settings=build-dir=build/demo \
	  --config-settings=cmake.define.GOODINIT_THIS_MACHINE=ON --editable .
	@touch $@

$(VENV)/.test: $(SETUP) | $(VENV)/bin/python
	@echo "Installing goodinit and the test tools ..."
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: $(SETUP) | $(VENV)/bin/python
	@echo "Installing goodinit and what writes its site ..."
	@$(PIP) --editable '.[docs]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# One word per job; every one of them works on a fresh clone with Python >= 3.11, pip and make alone.
#   make run     start the gateway on kong.yaml.example with two demo targets
#   make test    install what the tests need and run them all
#   make check   formatting, lint, types, layers, tests: before each commit
#   make docs    write the generated reference pages anew
#   make wheel   build a wheel with the hot modules compiled, into dist/ (wants a C compiler)
#   make bench   the router, the balancers, and a side-by-side load test with nginx (wants nginx and wrk)
#   make soak    a thousand reloads in a row under traffic (takes about a quarter of an hour)

# The first Python on the path that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# What an installation is made of beside the Python modules; the C extensions are built where a compiler is.
BUILD := pyproject.toml hatch_build.py $(wildcard dbless_gateway/*/*.c)

# What the C extensions do is tested once more without them: the pure twins are what runs where no compiler was.
FALLBACK_TESTS := tests/unit/http1 tests/unit/proxy tests/e2e/test_malformed.py tests/e2e/test_framing.py

.PHONY: run test check docs wheel bench soak clean

run: $(VENV)/.installed
	$(BIN)/dbless-gateway demo -c kong.yaml.example

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest
	DBLESS_GATEWAY_NO_EXTENSIONS=1 $(BIN)/python -m pytest $(FALLBACK_TESTS)

check: $(VENV)/.installed-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

docs: $(VENV)/.installed
	$(BIN)/python docs/reference/generate.py

wheel: $(VENV)/.installed
	rm -f dist/*.whl
	DBLESS_GATEWAY_COMPILE=1 $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# With a C compiler at hand the compiled wheel competes, too.
bench: $(VENV)/.installed $(if $(shell command -v cc),$(VENV)-compiled/.installed)
	$(BIN)/python -m benchmarks.validate
	$(BIN)/python -m benchmarks.admin
	$(BIN)/python -m benchmarks.micro_router
	$(BIN)/python -m benchmarks.micro_balancing
	$(BIN)/python -m benchmarks.load $(if $(shell command -v cc),--compiled $(VENV)-compiled/bin/python)
	$(BIN)/python -m benchmarks.load_plugins $(if $(shell command -v cc),--python $(VENV)-compiled/bin/python)

soak: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.soak

clean:
	rm -f dbless_gateway/*/*.so
	rm -rf $(VENV) $(VENV)-compiled build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# A distribution may ship Python without ensurepip; then the pip that is there fills the new environment.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { $(PYTHON) -m venv --clear --without-pip $(VENV) \
		&& $(PYTHON) -m pip --python $(VENV)/bin/python install --quiet pip; }

$(VENV)/.installed: $(BUILD) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# Anew for each benchmark: what is measured is the code as it stands.
.PHONY: $(VENV)-compiled/.installed
$(VENV)-compiled/.installed: wheel
	$(BIN)/python -m venv --clear $(VENV)-compiled
	$(VENV)-compiled/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl

$(VENV)/.installed-test: $(BUILD) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.installed-check: $(BUILD) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	@touch $@

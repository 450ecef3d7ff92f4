# Thin verbs; everything goes into .venv/, build/ and the user's cache. `make help` lists them.
PYTHON ?= python3
BUILD_TYPE ?= Release
FUZZ_SECONDS ?= 600
JOBS ?= $(shell nproc)

BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

NATIVE_SOURCES := setup.py ffi_build.py $(shell find clib -type f -not -path 'clib/tests/*' -not -path 'clib/fuzz/*')
CPP_FILES = $(shell find clib -name '*.c' -o -name '*.cpp' -o -name '*.h')

.PHONY: help demo lib test lint test-c test-python bench fuzz clean test-packages

help:  ## say what can be made
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 14

demo: .venv/package  ## transcribe a real recording with Whisper tiny.en
	@multimodal models pull tiny.en
	@recordings=$$(python clib/third_party/fetch.py whisper-cpp-samples)/samples && \
	  multimodal transcribe "$$recordings/jfk.wav" --model tiny.en

lib: .venv/tools  ## build libmultimodal.so.1 and libmultimodal.a in build/lib
	@cmake -S clib -B build/lib -DCMAKE_BUILD_TYPE=$(BUILD_TYPE) > build/lib.log || { cat build/lib.log; exit 1; }
	@cmake --build build/lib
	@ls -l build/lib/libmultimodal.so.1 build/lib/libmultimodal.a

test: test-packages lint test-c test-python  ## run every check

test-packages:
	@tools/system_packages.sh test

lint: .venv/package .venv/dev  ## check style and types
	ruff check .
	mypy
	@echo clang-format --dry-run
	@clang-format --dry-run -Werror $(CPP_FILES)

test-c: .venv/package .venv/dev  ## run the C tests: plain, cross-compiled, valgrind, sanitizers, a short fuzzing
	@clib/tests/run.sh gcc
	@clib/tests/run.sh aarch64
	@clib/tests/run.sh valgrind
	@clib/tests/run.sh asan
	@clib/tests/run.sh tsan
	@clib/tests/run.sh fuzz 5

test-python: .venv/package .venv/dev  ## run the Python tests
	python -m pytest

fuzz: .venv/package  ## fuzz each parser for FUZZ_SECONDS
	@clib/tests/run.sh fuzz $(FUZZ_SECONDS)

bench: .venv/package  ## measure speed and accuracy
	python -m benchmarks

clean:  ## remove what was built
	rm -rf build dist *.egg-info pyffi/*.so pyffi/*.so.1 .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

# ---- The virtual environment: stamps say what is in it ---------------------------------------------------------------
# What a build needs. cmake comes from the package index only where the system has none.
.venv/tools:
	@PYTHON=$(PYTHON) tools/system_packages.sh build
	@$(PYTHON) -m venv .venv
	@pip install --quiet 'setuptools>=77.0.3' 'cffi>=1.17' $$(command -v cmake > /dev/null || echo 'cmake>=3.18')
	@mkdir -p build
	@touch $@

.venv/package: .venv/tools pyproject.toml $(NATIVE_SOURCES)
	@pip install --quiet --no-build-isolation --editable '.[media]'
	@touch $@

.venv/dev: .venv/tools requirements-dev.txt
	@pip install --quiet --requirement requirements-dev.txt
	@touch $@

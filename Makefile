# Thin verbs; everything goes into .venv/, build/ and the user's cache. `make help` lists them.
PYTHON ?= python3
BUILD_TYPE ?= Release
FUZZ_SECONDS ?= 600
JOBS ?= $(shell nproc)

BIN := .venv/bin
CMAKE_MINIMUM := $(shell sed -n 's/^cmake_minimum_required(VERSION \(.*\))/\1/p' clib/CMakeLists.txt)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
MAKEFLAGS += --no-print-directory

NATIVE_SOURCES := setup.py ffi_build.py $(shell find clib -type f -not -path 'clib/tests/*' -not -path 'clib/fuzz/*')
CPP_FILES = $(shell find clib abi_checks -name '*.c' -o -name '*.cpp' -o -name '*.h')

.PHONY: help demo lib test lint test-c test-abi abi test-python bench fuzz tidy clean test-packages

help:  ## say what can be made
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 14

demo: .venv/package  ## transcribe a recording, classify and search pictures
	@multimodal models pull tiny.en
	@recordings=$$(python clib/third_party/fetch.py whisper-cpp-samples)/samples && \
	  multimodal transcribe "$$recordings/jfk.wav" --model tiny.en
	@python tools/make_demo_pictures.py build/demo
	@multimodal classify build/demo/1f980.png --labels "an animal" "something to eat" "a vehicle" "a building"
	@multimodal search build/demo "something to eat" --top 20 --html build/demo/found.html

lib: .venv/tools  ## build libmultimodal.so.1 and libmultimodal.a in build/lib
	@tools/system_packages.sh build
	@python clib/third_party/fetch.py zlib libjpeg-turbo > /dev/null  # CMake would put a frame around what it says
	@mkdir -p build
	@cmake -S clib -B build/lib -DCMAKE_BUILD_TYPE=$(BUILD_TYPE) > build/lib.log
	@cmake --build build/lib
	@ls -l build/lib/libmultimodal.so.1 build/lib/libmultimodal.a

test: test-packages lint test-c test-abi test-python  ## run every check

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

test-abi: .venv/package .venv/dev  ## prove the ABI on x86-64 and AArch64, the quick part
	python -m abi_checks --tier quick

abi: .venv/package .venv/dev  ## prove the ABI on every processor and from every language; build/abi-report.html shows it
	@tools/system_packages.sh abi
	python -m abi_checks --self-test
	python -m abi_checks --html build/abi-report.html --json build/abi-report.json --junit build/abi-report.xml

test-python: .venv/package .venv/dev  ## run the Python tests
	python -m pytest --numprocesses $(JOBS) --dist loadscope

fuzz: .venv/package  ## fuzz each parser for FUZZ_SECONDS
	@clib/tests/run.sh fuzz $(FUZZ_SECONDS)

tidy: .venv/tidy  ## look for bugs with clang-tidy (about a minute)
	@cmake -S clib -B build/tidy > build/tidy.log
	run-clang-tidy.py -p build/tidy -j $(JOBS) -quiet -hide-progress 'clib/src/.*\.cpp$$'

bench: .venv/package .venv/dev  ## measure speed and accuracy
	python -m benchmarks

clean:  ## remove what was built
	rm -rf build dist *.egg-info pyffi/*.so pyffi/*.so.1 .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

# ---- The virtual environment: stamps say what is in it ---------------------------------------------------------------
# pip says much about a failed download, but no remedy.
pip_install = { mkdir -p build && pip install $(1) > build/pip.log 2>&1; } || \
  { echo "pip cannot install $(1): build/pip.log says why. Set PIP_INDEX_URL to a package index," \
         "or PIP_FIND_LINKS to a folder, that has it.$(2) Then run make again." >&2; exit 1; }

# What the library needs. CMake comes from the package index only where the system has none that is new enough.
.venv/tools:
	@PYTHON=$(PYTHON) tools/system_packages.sh build
	@$(PYTHON) -m venv .venv
	@printf '$(CMAKE_MINIMUM)\n%s\n' "$$(cmake --version 2> /dev/null | sed -n 's/^cmake version //p')" | sort -VC || \
	  $(call pip_install,'cmake>=$(CMAKE_MINIMUM)',$() Or install CMake yourself (Debian, Ubuntu: apt-get install cmake).)
	@touch $@

.venv/package: .venv/tools pyproject.toml $(NATIVE_SOURCES)
	@$(call pip_install,'setuptools>=77.0.3' 'cffi>=1.17')
	@pip install --quiet --no-build-isolation --editable '.[media]'
	@touch $@

.venv/dev: .venv/tools requirements-dev.txt
	@$(call pip_install,--requirement requirements-dev.txt)
	@touch $@

.venv/tidy: .venv/tools Makefile
	@$(call pip_install,clang-tidy==23.1.4)
	@touch $@

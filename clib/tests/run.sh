#!/usr/bin/env bash
# Builds the library and its C tests in one way, and runs them:
#   run.sh gcc | aarch64 | valgrind | asan | tsan | fuzz SECONDS
# or only builds them, for tests/native.py, and prints the folder:
#   run.sh build gcc | clang | aarch64 | aarch64-clang | armhf | riscv64 | s390x | asan | tsan | ubsan | aarch64-ubsan
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build

build() { # variant
  local folder=build/test-${1/valgrind/gcc} log=build/test-$1.log settings=(-DMM_TESTS=ON -DCMAKE_C_FLAGS=-g -DCMAKE_CXX_FLAGS=-g) targets=()
  local libraries=(--target golden --target golden_clip --target multimodal_static) # and golden programs; no C tests
  local clang=(-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++)
  case $1 in
    gcc) settings+=(-DMM_TEST_LAUNCHER=) ;;
    valgrind) settings+=("-DMM_TEST_LAUNCHER=valgrind;--quiet;--leak-check=full;--error-exitcode=1") ;;
    clang) settings+=("${clang[@]}") ;;
    aarch64) settings+=(-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake) ;;
    aarch64-clang) settings+=(-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu-clang.cmake) targets=("${libraries[@]}") ;;
    armhf) settings+=(-DCMAKE_TOOLCHAIN_FILE=cmake/arm-linux-gnueabihf.cmake) targets=("${libraries[@]}") ;;
    riscv64 | s390x) settings+=("-DCMAKE_TOOLCHAIN_FILE=cmake/$1-linux-gnu.cmake") targets=("${libraries[@]}") ;;
    asan) settings+=("${clang[@]}" -DMM_SANITIZE=address,undefined -DMM_FUZZ=ON) ;;
    tsan) settings+=("${clang[@]}" -DMM_SANITIZE=thread) ;;
    # GCC, which has a runtime library for each processor; just the library.
    ubsan) settings+=(-DMM_SANITIZE=undefined) targets=(--target multimodal) ;;
    aarch64-ubsan) settings+=(-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake -DMM_SANITIZE=undefined) targets=(--target multimodal) ;;
    *) usage ;;
  esac
  { flock 9 && cmake -S clib -B "$folder" -DPython3_EXECUTABLE="$(command -v python3)" "${settings[@]}" &&
    cmake --build "$folder" "${targets[@]}" --parallel "${JOBS:-$(nproc)}"; } 9> "$folder.lock" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
}
check() { # variant, ctest options...
  build "$1"
  echo "C tests: $1"
  ctest --test-dir "build/test-${1/valgrind/gcc}" --output-on-failure --no-tests=error \
    --parallel "${JOBS:-$(nproc)}" "${@:2}"
}
fuzz() { # seconds, program
  local name=${2##*/} corpus=build/corpus/${2##*/}
  rm -rf "$corpus-seeds"
  mkdir -p "$corpus"
  python3 clib/fuzz/make_seeds.py "$name" "$corpus-seeds"
  # Seeds that are refused at the door start nothing: each must get as far as its target can go.
  MM_FUZZ_SEEDS=1 "$2" "$corpus-seeds"/* 2> "$corpus.log" || { tail -50 "$corpus.log"; exit 1; }
  echo "fuzzing for $1 s: $name"
  "$2" -max_total_time="$1" -max_len="$(largest_input "$name")" -len_control=0 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$corpus-" "$corpus" "$corpus-seeds" 2> "$corpus.log" || { tail -50 "$corpus.log"; exit 1; }
  grep -E 'INITED|DONE' "$corpus.log"
}
largest_input() { # program
  if [[ $1 == fuzz_model ]]; then echo 40000; else echo 8192; fi
}
usage() {
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
}

case ${1-} in
  build)
    build "${2-}"
    echo "$PWD/build/test-$2"
    ;;
  gcc) check gcc ;;
  # Without what takes minutes in emulation and is no different there: every allocation failing once, audio in pieces,
  # stop bands of filters, deadlines.
  aarch64) MM_TEST_INSTRUMENTED=1 check aarch64 --exclude-regex 'memory|streaming|resampler|threads|stopping' ;;
  # Nor what compares with long double, which valgrind computes as double; forks, which it takes for leaks; and the rest
  # of what is about threads, which it runs one at a time.
  valgrind) MM_TEST_INSTRUMENTED=1 MM_TEST_VALGRIND=1 check valgrind --exclude-regex \
    'memory|streaming|resampler|thread|stopping|environment|kernel_math|process|callbacks' ;;
  # Without forks: the sanitizer's own allocator may be locked in the child, for ever. What nobody can allocate is refused,
  # as by any other allocator, and no fault.
  asan) MM_TEST_INSTRUMENTED=1 ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 check asan --exclude-regex 'process' ;;
  tsan) MM_TEST_INSTRUMENTED=1 TSAN_OPTIONS="die_after_fork=0 allocator_may_return_null=1" check tsan ;;
  fuzz)
    build asan
    for program in build/test-asan/fuzz/fuzz_*; do
      [[ -f $program && -x $program ]] && fuzz "${2:?seconds}" "$program"
    done
    ;;
  *) usage ;;
esac

#!/usr/bin/env bash
# Installs what a fresh Debian or Ubuntu lacks:
#   system_packages.sh build    to build the package: the compiler, NASM, Python's headers, venv
#   system_packages.sh test     for all checks too: Clang, valgrind, QEMU, the AArch64 cross compiler, pkg-config,
#                              libabigail
#   system_packages.sh abi     for `make abi` too: cross compilers for 32-bit ARM, RISC-V and IBM Z
# Does nothing where all is there.
set -euo pipefail

python=${PYTHON:-python3}
missing=()
wanted=()
need() { # package, command that works where it is installed
  "${@:2}" > /dev/null 2>&1 || missing+=("$1")
}
want() { # the same for what the build can do without
  "${@:2}" > /dev/null 2>&1 || wanted+=("$1")
}
# A chosen compiler that is not there is the user's to put right: no package would.
for variable in CC CXX; do
  chosen=${!variable-}
  if [[ -n $chosen ]] && ! command -v "${chosen%% *}" > /dev/null; then
    echo "$variable names ${chosen%% *}, which is not on the PATH. Set it to a compiler, or unset it, and run make again." >&2
    exit 1
  fi
done
[[ -n ${CXX-} ]] || need g++ c++ --version
need make make --version
nasm=want # JPEG files are decoded slowly without it
[[ ${1-} == build ]] || nasm=need
[[ $HOSTTYPE != x86_64 ]] || $nasm nasm nasm --version
need python3 "$python" --version
need python3-venv "$python" -c 'import ensurepip, venv'
need python3-dev "$python" -c 'import pathlib, sysconfig; (pathlib.Path(sysconfig.get_path("include")) / "Python.h").stat()'
if [[ ${1-} == test || ${1-} == abi ]]; then
  need git git --version
  need pkg-config pkg-config --version
  need clang clang++ --version
  need libclang-rt-dev bash -c 'stat "$(clang -print-runtime-dir)"/libclang_rt.asan*'
  need valgrind valgrind --version
  need qemu-user-static qemu-aarch64-static --version
  need g++-aarch64-linux-gnu aarch64-linux-gnu-g++ --version
  need abigail-tools abidiff --version
  if [[ $1 == abi ]]; then
    for triplet in arm-linux-gnueabihf riscv64-linux-gnu s390x-linux-gnu; do
      need "g++-$triplet" "$triplet-g++" --version
    done
  fi
elif [[ ${1-} != build ]]; then
  sed -n '2,7s/^# //p' "$0" >&2
  exit 2
fi
((${#missing[@]} + ${#wanted[@]})) || exit 0

give_up() {
  ((${#missing[@]})) || exit 0
  echo "Missing: ${missing[*]} (names of Debian's packages). Install them and run make again." >&2
  exit 1
}
as_root=()
if ((EUID != 0)); then as_root=(sudo); fi
command -v apt-get > /dev/null && command -v "${as_root[0]:-apt-get}" > /dev/null || give_up
packages=("${missing[@]}" "${wanted[@]}")
echo "Installing what is missing: ${packages[*]}"
"${as_root[@]}" apt-get update --quiet || give_up
for i in "${!packages[@]}"; do # the sanitizers' package carries Clang's version in its name
  [[ ${packages[i]} != libclang-rt-dev ]] ||
    packages[i]=$(apt-cache depends clang | sed -nE 's/.*Depends: clang-([0-9]+)$/libclang-rt-\1-dev/p' | head -1)
done
"${as_root[@]}" apt-get install --yes --no-install-recommends "${packages[@]}" || give_up

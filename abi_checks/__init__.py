"""Proves the ABI of libmultimodal: `python -m abi_checks`, on each processor and from each host language."""

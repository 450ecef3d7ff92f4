"""Host languages: each has a folder with its conformance program and how it is built and run."""

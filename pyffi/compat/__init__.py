"""Classes of other packages over this library, for programs that move over by changing an import."""

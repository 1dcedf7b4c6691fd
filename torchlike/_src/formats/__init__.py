"""torch's file formats. `zipformat` and `legacy` are the ways in; what a file may name is in `allowed`."""

"""Where structure sets go: each kind of destination, and the file that names them."""

"""This package is the attack suite: whoever owns the server changes its history in every way we know, and the product has to notice."""

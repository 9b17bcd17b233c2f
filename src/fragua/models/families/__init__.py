"""A family is a config map and a table of weight names, used in both directions; no modelling code.

Each module has `to_config(stack)`, `from_config(config, place, names)`, `table(stack)`, `IGNORED`, patterns of
tensors that files may carry and nobody needs, and `PREFIXES`, which files of models without a head leave out."""

"""A family is a config map and a table of weight names, used in both directions; no modelling code."""

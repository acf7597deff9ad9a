"""This package is aggregates declared as data: typed ids, records, events, commands and a machine, and the functions that follow."""

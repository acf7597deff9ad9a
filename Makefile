# The same commands, for those who type make. Everything is in run.py.
.PHONY: up test bench lint
up test bench lint:
	@python3 run.py $@

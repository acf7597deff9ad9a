# The same commands, for those who type make. Everything is in run.py.
.PHONY: up test bench attack lint
up test bench attack lint:
	@python3 run.py $@

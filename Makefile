.PHONY: demo run test test-all bench
demo:
	python3 scripts/dev.py demo
run:
	python3 scripts/dev.py run
test:
	python3 scripts/dev.py test
test-all:
	python3 scripts/dev.py test-all
bench:
	python3 -m bench

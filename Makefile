.PHONY: demo run test test-all pictures bench
demo:
	python3 scripts/dev.py demo
run:
	python3 scripts/dev.py run
test:
	python3 scripts/dev.py test
test-all:
	python3 scripts/dev.py test-all
pictures:
	python3 scripts/dev.py pictures
bench:
	python3 -m bench

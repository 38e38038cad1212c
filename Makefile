# The thin front of meson. Every target works on a fresh Debian 12, as root or with sudo.
BUILD := build

.PHONY: all run test lint fuzz bench install clean need-build

all: $(BUILD)/build.ninja
	ninja -C $(BUILD) depesche
	@ln -sf src/cli/depesche $(BUILD)/depesche

$(BUILD)/build.ninja: meson.build meson_options.txt
	@tools/need build
	[ -f $@ ] || meson setup $(BUILD) -Dtests=false

# A complete private mail server on loopback, in the foreground. DEMO="--dir x --ports 30000 ..."
run: all
	$(BUILD)/depesche demo $(DEMO)

# Everything: unit, sanitizers, fuzzing for some seconds, real clients. See test/README.md.
test:
	@tools/need test
	test/run

# Formatting, floors, clang-tidy.
lint:
	@tools/need test
	test/lint

# SECONDS= for each target; ONLY= one of them.
fuzz:
	@tools/need test
	test/fuzz $(or $(SECONDS),600) $(ONLY)

# This server beside Postfix + Dovecot in one run; prints the table.
bench: all
	@tools/need bench
	bench/run $(BENCH)

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) build-*

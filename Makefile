# GlobalMart: the extension (extension/Makefile, by PGXS), and the programs and their tests by plain rules.
# Everything that is made goes into build/. `make help` lists the targets.

PG_CONFIG ?= pg_config
PREFIX    ?= /usr/local
CXX       ?= g++

all: extension programs ## the extension, globalmart-bridge and globalmart-generate
.PHONY: all extension programs install install-extension install-programs uninstall installcheck clean \
        unit unit-binaries deps check demo bench format lint help FORCE

# --- the extension: PGXS in a make of its own, for it has targets of the names of ours ---
PGXS_FOLDER = build/pgxs
PGXS_MAKE   = $(MAKE) --no-print-directory -C $(PGXS_FOLDER) -f ../../extension/Makefile VPATH=../.. \
              PG_CONFIG=$(PG_CONFIG)
# For psql -f, and not for CREATE EXTENSION.
SCHEDULE_FOLDER = $(shell $(PG_CONFIG) --sharedir)/globalmart

extension: ## the extension alone
	@mkdir -p $(PGXS_FOLDER)
	+@$(PGXS_MAKE) all
install-extension: extension
	+$(PGXS_MAKE) install
	install -d $(DESTDIR)$(SCHEDULE_FOLDER)
	install -m 644 cron/schedule.sql cron/unschedule.sql $(DESTDIR)$(SCHEDULE_FOLDER)/
installcheck: extension ## pg_regress against a running server that has the extension
	+$(PGXS_MAKE) installcheck

# Writes its words into the file, when they are others than those there: what depends on it is made anew.
remember = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' >$@

# --- the programs ---
PROGRAM_FLAGS   = -std=gnu++20 -O2 -g -DNDEBUG -Wall -Wextra -Werror -MMD -MP -I. -Iextension \
                  -I$(shell $(PG_CONFIG) --includedir)
BRIDGE_LIBS    ?= -lrdkafka -lpq -lsimdjson -lspdlog -lfmt -lprometheus-cpp-core -lpthread
GENERATOR_LIBS ?= -lrdkafka -lpthread
-include bridge/module.mk generator/module.mk

# spdlog's code is taken from its library and not compiled into every file again: half the time.
SPDLOG_FLAGS    = -DSPDLOG_SHARED_LIB -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL
build/bridge/%.o build/test/unit/bridge_%.o: ADDED_FLAGS = $(SPDLOG_FLAGS)

# The version is the extension's, which globalmart.control alone says.
VERSION = $(shell sed -n "s/^default_version = '\(.*\)'$$/\1/p" globalmart.control)
build/bridge/main.o build/generator/main.o: VERSION_FLAGS = -DGLOBALMART_VERSION='"$(VERSION)"'
build/bridge/main.o build/generator/main.o: globalmart.control

object = $(patsubst %.cpp,build/%.o,$(1))
BRIDGE_OBJECTS    = $(call object,$(wildcard bridge/*.cpp))
GENERATOR_OBJECTS = $(call object,$(wildcard generator/*.cpp))
CORE_OBJECTS      = $(call object,$(wildcard extension/core/*.cpp))

build/%.o: %.cpp build/flags
	@mkdir -p $(@D)
	$(CXX) $(PROGRAM_FLAGS) $(ADDED_FLAGS) $(VERSION_FLAGS) -c -o $@ $<
-include $(BRIDGE_OBJECTS:.o=.d) $(GENERATOR_OBJECTS:.o=.d) $(CORE_OBJECTS:.o=.d) \
         $(patsubst %.cpp,build/%.d,$(wildcard test/unit/*.cpp))

build/flags: FORCE
	$(call remember,$(PROGRAM_FLAGS) $(SPDLOG_FLAGS))
# What is linked: a source that is gone counts, too.
build/links: FORCE
	$(call remember,$(BRIDGE_OBJECTS) $(BRIDGE_LIBS) $(GENERATOR_OBJECTS) $(GENERATOR_LIBS) $(CORE_OBJECTS) \
	    $(wildcard test/unit/*.cpp))

programs: build/bin/globalmart-bridge build/bin/globalmart-generate build/bin/globalmart-export ## the programs alone
build/bin/globalmart-export: tools/globalmart-export globalmart.control
	@mkdir -p $(@D)
	sed 's/^VERSION = .*/VERSION = "$(VERSION)"/' $< >$@.new && chmod 755 $@.new && mv $@.new $@
build/bin/globalmart-bridge: $(BRIDGE_OBJECTS) build/links
	@mkdir -p $(@D)
	$(CXX) -o $@ $(filter %.o,$^) $(BRIDGE_LIBS)
build/bin/globalmart-generate: $(GENERATOR_OBJECTS) build/links
	@mkdir -p $(@D)
	$(CXX) -o $@ $(filter %.o,$^) $(GENERATOR_LIBS)

install: install-extension install-programs ## into PostgreSQL's folders and PREFIX/bin (below DESTDIR)
install-programs: programs
	install -d $(DESTDIR)$(PREFIX)/bin
	install build/bin/globalmart-bridge build/bin/globalmart-generate build/bin/globalmart-export $(DESTDIR)$(PREFIX)/bin/
uninstall: ## removes what install installed
	@mkdir -p $(PGXS_FOLDER)
	+$(PGXS_MAKE) uninstall
	rm -rf $(DESTDIR)$(SCHEDULE_FOLDER)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/globalmart-,bridge generate export)

# --- unit tests: test/unit/<part>_*_test.cpp, a binary a part ---
UNIT_PARTS = core bridge generator
unit_sources = $(wildcard test/unit/$(1)_*_test.cpp)
UNIT_BINARIES = $(foreach part,$(UNIT_PARTS),$(if $(call unit_sources,$(part)),build/bin/test/unit-$(part)))

build/bin/test/unit-core: $(call object,$(call unit_sources,core)) $(CORE_OBJECTS) build/links
	@mkdir -p $(@D)
	$(CXX) -o $@ $(filter %.o,$^) -lgtest -lgtest_main -lpthread
build/bin/test/unit-bridge: $(call object,$(call unit_sources,bridge)) $(filter-out build/bridge/main.o,$(BRIDGE_OBJECTS)) build/links
	@mkdir -p $(@D)
	$(CXX) -o $@ $(filter %.o,$^) $(BRIDGE_LIBS) -lgtest -lgtest_main
build/bin/test/unit-generator: $(call object,$(call unit_sources,generator)) $(filter-out build/generator/main.o,$(GENERATOR_OBJECTS)) build/links
	@mkdir -p $(@D)
	$(CXX) -o $@ $(filter %.o,$^) $(GENERATOR_LIBS) -lgtest -lgtest_main

unit-binaries: $(UNIT_BINARIES)
unit: unit-binaries ## the unit tests
	@for binary in $(UNIT_BINARIES); do echo "== $$binary"; $$binary --gtest_brief=1 || exit 1; done

# --- what people call ---
deps: ## installs the Debian packages that building needs
	sh tools/install-deps
demo: ## installs, builds and shows it at work: ./demo
	./demo
check: ## installs, builds and passes the tests: ./check
	./check
bench: all ## from a preloaded Kafka topic to closed windows, see bench/README.md
	sh tools/fetch-kafka
	./bench/end_to_end.py $(BENCH_OPTIONS)
format: ## clang-format on all C++
	clang-format -i $(wildcard extension/*/*.cpp extension/*/*.hpp bridge/*.cpp bridge/*.hpp generator/*.cpp \
	    generator/*.hpp test/*/*.cpp test/*/*.hpp bench/*.cpp bench/*.hpp)
lint: ## clang-format and clang-tidy on all C++, syntax of shell and Python
	LINT_FLAGS="-std=gnu++20 -DNDEBUG -I. -Iextension -I$(shell $(PG_CONFIG) --includedir)" \
	LINT_PG_FLAGS="-I$(shell $(PG_CONFIG) --includedir-server)" ./tools/lint
clean: ## removes build/
	rm -rf build
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PG_CONFIG=$(PG_CONFIG) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) CXX=$(CXX)"

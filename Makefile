# GlobalMart: the extension by PGXS, the programs and their tests by plain rules beside it.
# Everything that is not the extension's installable files goes into build/.

PG_CONFIG ?= pg_config
PREFIX    ?= /usr/local
CXX       ?= g++

EXTENSION      = globalmart
EXTVERSION     = 1.0
MODULE_big     = globalmart
EXTENSION_CPP  = $(wildcard extension/*/*.cpp)
OBJS           = $(EXTENSION_CPP:.cpp=.o)
INSTALL_SQL    = build/$(EXTENSION)--$(EXTVERSION).sql
DATA           = $(INSTALL_SQL) $(wildcard migrations/globalmart--*.sql)
EXTRA_CLEAN    = build

STANDARD       = -std=gnu++20
WARNINGS       = -Wall -Wextra -Werror
PG_CPPFLAGS    = -I$(CURDIR)/extension
PG_CXXFLAGS    = $(STANDARD) -O2 -fno-strict-aliasing -fwrapv $(WARNINGS) -Wno-unused-parameter -Wno-register -Wno-sign-compare \
                 -Wno-missing-field-initializers -fvisibility=hidden -fno-semantic-interposition
SHLIB_LINK     = -lstdc++
# Bitcode would need clang to understand our C++20. To be said before PGXS reads its own value.
override with_llvm = no

REGRESS        = $(patsubst sql/%.sql,%,$(wildcard sql/*.sql))

# The default goal must come before PGXS defines its own.
.DEFAULT_GOAL := all

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

all: extension programs
.PHONY: extension programs unit unit-binaries deps check demo bench format lint

extension: all-lib $(INSTALL_SQL)

# --- the extension's script: one file a subject, joined in the order of extension/sql/order ---
SQL_PARTS  = $(addprefix extension/sql/,$(shell cat extension/sql/order 2>/dev/null))
SHOP_PARTS = $(wildcard extension/sql/shop/*.sql extension/sql/shop/*/*.sql)

$(INSTALL_SQL): extension/sql/order extension/sql/shop/order $(SQL_PARTS) $(SHOP_PARTS) tools/join-sql Makefile
	@mkdir -p $(@D)
	sh tools/join-sql extension/sql > $@.new && mv $@.new $@

%.o: %.cpp
	$(CXX) $(PG_CXXFLAGS) $(CPPFLAGS) -fPIC -MMD -MP -c -o $@ $<
-include $(OBJS:.o=.d)

# --- the programs ---
PROGRAM_FLAGS   = $(STANDARD) -O2 -g -DNDEBUG $(WARNINGS) -MMD -MP -I. -Iextension -I$(shell $(PG_CONFIG) --includedir)
BRIDGE_LIBS    ?= -lrdkafka -lpq -lsimdjson -lspdlog -lfmt -lprometheus-cpp-core -lpthread
GENERATOR_LIBS ?= -lrdkafka -lpthread
-include bridge/module.mk generator/module.mk

# spdlog's code is taken from its library and not compiled into every file again: half the time.
build/bridge/%.o build/test/unit/bridge_%.o: PROGRAM_FLAGS += \
    -DSPDLOG_SHARED_LIB -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL

object = $(patsubst %.cpp,build/%.o,$(1))
BRIDGE_OBJECTS    = $(call object,$(wildcard bridge/*.cpp))
GENERATOR_OBJECTS = $(call object,$(wildcard generator/*.cpp))
CORE_OBJECTS      = $(call object,$(wildcard extension/core/*.cpp))

build/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(PROGRAM_FLAGS) -c -o $@ $<
# Objects of one program are all made with the same flags: other flags make them anew.
$(BRIDGE_OBJECTS) $(call object,$(wildcard test/unit/bridge_*_test.cpp)): build/bridge/flags
build/bridge/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(PROGRAM_FLAGS)' | cmp -s - $@ || echo '$(PROGRAM_FLAGS)' >$@
.PHONY: FORCE
-include $(BRIDGE_OBJECTS:.o=.d) $(GENERATOR_OBJECTS:.o=.d) $(CORE_OBJECTS:.o=.d)

programs: $(if $(wildcard bridge/main.cpp),build/bin/globalmart-bridge) \
          $(if $(wildcard generator/main.cpp),build/bin/globalmart-generate)
build/bin/globalmart-bridge: $(BRIDGE_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -o $@ $^ $(BRIDGE_LIBS)
build/bin/globalmart-generate: $(GENERATOR_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -o $@ $^ $(GENERATOR_LIBS)

install: install-programs
.PHONY: install-programs
install-programs: programs
	install -d $(DESTDIR)$(PREFIX)/bin
	for program in build/bin/globalmart-*; do install $$program $(DESTDIR)$(PREFIX)/bin/; done

# --- unit tests: test/unit/<part>_*_test.cpp, a binary a part ---
UNIT_PARTS = core bridge generator
unit_sources = $(wildcard test/unit/$(1)_*_test.cpp)
UNIT_BINARIES = $(foreach part,$(UNIT_PARTS),$(if $(call unit_sources,$(part)),build/bin/test/unit-$(part)))

build/bin/test/unit-core: $(call object,$(call unit_sources,core)) $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -o $@ $^ -lgtest -lgtest_main -lpthread
build/bin/test/unit-bridge: $(call object,$(call unit_sources,bridge)) $(filter-out build/bridge/main.o,$(BRIDGE_OBJECTS))
	@mkdir -p $(@D)
	$(CXX) -o $@ $^ $(BRIDGE_LIBS) -lgtest -lgtest_main
build/bin/test/unit-generator: $(call object,$(call unit_sources,generator)) $(filter-out build/generator/main.o,$(GENERATOR_OBJECTS))
	@mkdir -p $(@D)
	$(CXX) -o $@ $^ $(GENERATOR_LIBS) -lgtest -lgtest_main

unit-binaries: $(UNIT_BINARIES)
unit: unit-binaries
	@for binary in $(UNIT_BINARIES); do echo "== $$binary"; $$binary --gtest_brief=1 || exit 1; done

deps:
	sh tools/install-deps

demo:
	./demo
check:
	./check
# From a preloaded Kafka topic to closed windows. See bench/README.md.
bench: all
	sh tools/fetch-kafka
	./bench/end_to_end.py $(BENCH_OPTIONS)

format:
	clang-format -i $(wildcard extension/*/*.cpp extension/*/*.hpp bridge/*.cpp bridge/*.hpp generator/*.cpp generator/*.hpp test/*/*.cpp test/*/*.hpp bench/*.cpp bench/*.hpp)
lint:
	LINT_FLAGS="$(STANDARD) -DNDEBUG -I. -Iextension -I$(shell $(PG_CONFIG) --includedir)" \
	LINT_PG_FLAGS="-I$(shell $(PG_CONFIG) --includedir-server)" sh tools/lint

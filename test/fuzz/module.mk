# libFuzzer targets; they need clang and are no part of the default build. From the top of the project:
#   make -f test/fuzz/module.mk fuzz-distinct                 one minute; the others are fuzz-partial and so on
#   make -f test/fuzz/module.mk fuzz-distinct FUZZ_SECONDS=3600
# What was learned is kept in build/fuzz/corpus; a crash leaves its input in build/fuzz.
FUZZ_CXX     ?= clang++
FUZZ_SECONDS ?= 60
FUZZ_FLAGS    = -std=gnu++20 -g -O1 -Wall -Wextra -Iextension -I. -fsanitize=fuzzer,address,undefined \
                -fno-sanitize-recover=all

DISTINCT_FUZZ_SOURCES = test/fuzz/distinct_fuzz.cpp extension/core/distinct.cpp extension/core/registers.cpp

build/fuzz/distinct: $(DISTINCT_FUZZ_SOURCES) extension/core/distinct.hpp extension/core/registers.hpp extension/core/hash.hpp test/fuzz/fuzz_support.hpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -o $@ $(DISTINCT_FUZZ_SOURCES)

.PHONY: fuzz-distinct
fuzz-distinct: build/fuzz/distinct
	@mkdir -p build/fuzz/corpus/distinct
	printf '\325\001\000\000' > build/fuzz/corpus/distinct/empty
	printf '\325\001\000\001\001\000\000\000\000\000\000\000' > build/fuzz/corpus/distinct/one
	printf '\325\001\001\000\004\003\010' > build/fuzz/corpus/distinct/coded
	{ printf '\325\001\002'; head -c 16384 /dev/zero | tr '\0' '\024'; } > build/fuzz/corpus/distinct/raw
	build/fuzz/distinct -max_total_time=$(FUZZ_SECONDS) -max_len=17000 -artifact_prefix=build/fuzz/ \
	    build/fuzz/corpus/distinct

# make -f test/fuzz/module.mk fuzz-partial: the readers of partials
PARTIAL_FUZZ_SOURCES = test/fuzz/partial_fuzz.cpp extension/core/group_state.cpp extension/core/distinct.cpp \
                       extension/core/registers.cpp

build/fuzz/partial: $(PARTIAL_FUZZ_SOURCES) $(wildcard extension/core/*.hpp) test/fuzz/fuzz_support.hpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -o $@ $(PARTIAL_FUZZ_SOURCES)

# Seeds: a count and a sum; a least, a set and a sketch; sessions with a last value.
.PHONY: fuzz-partial
fuzz-partial: build/fuzz/partial
	@mkdir -p build/fuzz/corpus/partial
	printf '\000\001\000\002\000\001\000\001\002\003\001k\005\002\000\002\310\001' > build/fuzz/corpus/partial/sums
	printf '\000\001\000\003\000\003\001\001\005\001\002\006\001\001k\001\002ab\002\001a\001b\004\325\001\000\000' > build/fuzz/corpus/partial/sets
	printf '\000\001\001\001\000\010\000\001k\000\000\000\000\000\000\000\000\012\001\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\006' > build/fuzz/corpus/partial/sessions
	build/fuzz/partial -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -rss_limit_mb=1024 -malloc_limit_mb=256 \
	    -artifact_prefix=build/fuzz/ build/fuzz/corpus/partial

# --- the readers of the programs: fuzz-decoder (messages and their rows), fuzz-profile, fuzz-config, fuzz-retail
# (the Online Retail data set). Seeds are in test/fuzz/seeds. Without -DNDEBUG: simdjson checks its use. toml++ is not
# asked to: it asserts that a key begins well before it says that one does not. ---
READER_TARGETS      = decoder profile config retail
PG_CONFIG          ?= pg_config
READER_FUZZ_FLAGS   = -std=gnu++20 -g -O1 -Wall -Wextra -MMD -MP -I. -Iextension -isystem $(shell $(PG_CONFIG) --includedir) \
                      '-DTOML_ASSERT(expr)=static_assert(true)' -DSPDLOG_SHARED_LIB -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL \
                      -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
-include bridge/module.mk generator/module.mk

fuzz_objects = $(patsubst %.cpp,build/fuzz/%.o,$(1))
READER_OBJECTS = $(call fuzz_objects,$(filter-out %/main.cpp,$(wildcard bridge/*.cpp)) \
                   generator/csv.cpp generator/event_time.cpp generator/online_retail.cpp)
READER_SOURCES = $(patsubst %,test/fuzz/%_fuzz.cpp,$(READER_TARGETS))

build/fuzz/%.o: %.cpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(READER_FUZZ_FLAGS) -c -o $@ $<
-include $(patsubst %.o,%.d,$(READER_OBJECTS) $(call fuzz_objects,$(READER_SOURCES)))
build/fuzz/bridge/shipped_profile.o: profiles/globalmart.toml

# A target takes what it needs of them, whatever the files of the bridge are called.
build/fuzz/programs.a: $(READER_OBJECTS)
	rm -f $@
	ar qcs $@ $^
$(patsubst %,build/fuzz/%,$(READER_TARGETS)): build/fuzz/%: build/fuzz/test/fuzz/%_fuzz.o build/fuzz/programs.a
	$(FUZZ_CXX) -fsanitize=fuzzer,address,undefined -o $@ $^ $(BRIDGE_LIBS) $(GENERATOR_LIBS)

# toml++ 3.3 runs into its own __builtin_unreachable() where a letter that is not ASCII stands outside of a text.
fuzz-profile fuzz-config: ONLY_ASCII = -only_ascii=1
fuzz-profile: SEEDS = profiles
.PHONY: $(patsubst %,fuzz-%,$(READER_TARGETS))
$(patsubst %,fuzz-%,$(READER_TARGETS)): fuzz-%: build/fuzz/%
	@mkdir -p build/fuzz/corpus/$*
	build/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=10 $(ONLY_ASCII) \
	    -artifact_prefix=build/fuzz/ build/fuzz/corpus/$* test/fuzz/seeds/$* $(SEEDS)

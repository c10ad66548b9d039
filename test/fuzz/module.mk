# libFuzzer targets; they need clang and are no part of the default build. From the top of the project:
#   make -f test/fuzz/module.mk fuzz-distinct                 one minute
#   make -f test/fuzz/module.mk fuzz-distinct FUZZ_SECONDS=3600
# What was learned is kept in build/fuzz/corpus; a crash leaves its input in build/fuzz.
FUZZ_CXX     ?= clang++
FUZZ_SECONDS ?= 60
FUZZ_FLAGS    = -std=gnu++20 -g -O1 -Wall -Wextra -Iextension -I. -fsanitize=fuzzer,address,undefined \
                -fno-sanitize-recover=all

DISTINCT_FUZZ_SOURCES = test/fuzz/distinct_fuzz.cpp extension/core/distinct.cpp extension/core/registers.cpp

build/fuzz/distinct: $(DISTINCT_FUZZ_SOURCES) extension/core/distinct.hpp extension/core/registers.hpp extension/core/hash.hpp
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

build/fuzz/partial: $(PARTIAL_FUZZ_SOURCES) $(wildcard extension/core/*.hpp)
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

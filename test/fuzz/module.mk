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

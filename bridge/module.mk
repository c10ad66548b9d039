# The bridge's own flags and dependencies; included by the Makefile.
BRIDGE_LIBS = -lrdkafka -lpq -lsimdjson -lspdlog -lfmt -lprometheus-cpp-core -lpthread

# The shipped profile is read by the assembler, which -MMD does not see.
build/bridge/shipped_profile.o: profiles/globalmart.toml

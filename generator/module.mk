# zlib reads recordings that are kept as .ndjson.gz.
GENERATOR_LIBS = -lrdkafka -lz -lpthread

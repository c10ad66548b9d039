// Which release the loaded library is of.
#include "pg/entry.hpp"

#ifndef GLOBALMART_VERSION  // the Makefile says it
#define GLOBALMART_VERSION "of an unknown version"
#endif

// library_version() -> text
GLOBALMART_FUNCTION(globalmart_library_version) {
  PG_RETURN_TEXT_P(cstring_to_text(GLOBALMART_VERSION));
}

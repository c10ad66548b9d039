// Writes values in the place of a query's parameters. PostgreSQL's own scanner says what is one: $1
// in a literal, in a name or in a comment is none.
#include "pg/entry.hpp"

extern "C" {
#include "parser/gramparse.h"
}

namespace globalmart::commands {

namespace {

// `values[n - 1]` takes the place of $n; NULL leaves it.
char* bind(const char* query, const char* const* values, int count) {
  core_yy_extra_type state;
  core_yyscan_t scanner = scanner_init(query, &state, &ScanKeywords, ScanKeywordTokens);
  // The queries are the engine's own, written with this setting.
  state.standard_conforming_strings = true;
  StringInfoData bound;
  initStringInfo(&bound);
  const char* rest = query;
  core_YYSTYPE value;
  YYLTYPE location = 0;
  for (int token; (token = core_yylex(&value, &location, scanner)) != 0;) {
    if (token != PARAM || value.ival < 1 || value.ival > count) continue;
    if (values[value.ival - 1] == nullptr) continue;
    const char* parameter = query + location;
    appendBinaryStringInfo(&bound, rest, static_cast<int>(parameter - rest));
    appendStringInfoString(&bound, values[value.ival - 1]);
    rest = parameter + 1 + strspn(parameter + 1, "0123456789");
  }
  appendStringInfoString(&bound, rest);
  scanner_finish(scanner);
  return bound.data;
}

}  // namespace

}  // namespace globalmart::commands

// bind_parameters(query, VARIADIC expressions)
GLOBALMART_FUNCTION(globalmart_bind_parameters) {
  Datum* texts;
  bool* nulls;
  int count;
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls,
                    &count);
  auto** values = static_cast<const char**>(palloc(sizeof(char*) * (count + 1)));
  for (int i = 0; i < count; ++i) values[i] = nulls[i] ? nullptr : TextDatumGetCString(texts[i]);
  PG_RETURN_TEXT_P(cstring_to_text(
      globalmart::commands::bind(text_to_cstring(PG_GETARG_TEXT_PP(0)), values, count)));
}

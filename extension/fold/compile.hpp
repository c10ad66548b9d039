// Compiles the definitions of a stream into its program.
#pragma once

#include "fold/program.hpp"

namespace globalmart::fold {

// Fills an empty program. The definitions are read with the active snapshot. Inside pg::guarded.
void compile_program(Program& program, const char* stream_name, Oid relation);

}  // namespace globalmart::fold

// At-once rules: rows that a detector's WHERE let through become rows of its table, in the same
// transaction. That table may be a stream itself.
#pragma once

#include "fold/fold.hpp"

namespace globalmart::fold {

// Inserts the matches of every detector of the program.
void run_detectors(Program& program);

// Fills offset and arrival of a detector's row from the row that was detected, while its insertion
// runs; gives the topic. Rows inserted by hand keep what they have.
const char* source_of_detected(LateRow& row, const char* topic);

}  // namespace globalmart::fold

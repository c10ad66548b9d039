// Writes what came late to globalmart.late_events.
#pragma once

#include "fold/fold.hpp"

namespace globalmart::fold {

// One row for each rollup and message. Call inside pg::guarded.
void append_late_rows(const store::Stream& stream, const std::vector<LateRow>& rows);

}  // namespace globalmart::fold

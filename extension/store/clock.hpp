// The clock: the setting globalmart.now, or the real one. And the time that a close writes into
// rows.
#pragma once

#include "pg/postgres.hpp"

namespace globalmart::store {

void define_settings();  // from _PG_init

TimestampTz clock_now();

// Sets the value of processing_time() until the end of the transaction; restored by rollback.
void set_processing_time(TimestampTz time);
void clear_processing_time();

}  // namespace globalmart::store

#include "store/writers.hpp"

#include "pg/entry.hpp"

namespace globalmart::store {

void wait_for_writers(const Oid* relations, int count) {
  List* tags = NIL;
  for (int number = 0; number < count; ++number) {
    // Without a lock: a partition that comes later has no writer of before, one that goes has none
    // left.
    const List* members = find_all_inheritors(relations[number], NoLock, nullptr);
    for (int member = 0; member < list_length(members); ++member) {
      auto* tag = static_cast<LOCKTAG*>(palloc(sizeof(LOCKTAG)));
      SET_LOCKTAG_RELATION(*tag, MyDatabaseId, list_nth_oid(members, member));
      tags = lappend(tags, tag);
    }
  }
  WaitForLockersMultiple(tags, ShareLock, false);
}

}  // namespace globalmart::store

// wait_for_writers(relations regclass[])
GLOBALMART_FUNCTION(globalmart_wait_for_writers) {
  ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
  Datum* elements = nullptr;
  int count = 0;
  deconstruct_array(array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &elements, nullptr,
                    &count);
  Oid* relations = static_cast<Oid*>(palloc(sizeof(Oid) * (count + 1)));
  for (int number = 0; number < count; ++number)
    relations[number] = DatumGetObjectId(elements[number]);
  globalmart::store::wait_for_writers(relations, count);
  PG_RETURN_VOID();
}

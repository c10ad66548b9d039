#include "plan/state_spec.hpp"

#include "pg/datum.hpp"

namespace globalmart::plan {

namespace {

int compare_collated(const void* context, std::string_view left, std::string_view right) {
  const Oid collation = *static_cast<const Oid*>(context);
  return varstr_cmp(left.data(), static_cast<int>(left.size()), right.data(),
                    static_cast<int>(right.size()), collation);
}

}  // namespace

AggregateSpec spec_for(AggregateKind kind, Oid type, Oid collation) {
  AggregateSpec spec;
  spec.kind = kind;
  if (!OidIsValid(type)) return spec;
  spec.form = pg::type_form(type).form;
  const bool ordered = kind == AggregateKind::kMin || kind == AggregateKind::kMax;
  if (type == NUMERICOID && (ordered || kind == AggregateKind::kSum)) {
    spec.form = ValueForm::kDecimal;
  } else if (ordered && OidIsValid(collation) && !lc_collate_is_c(collation)) {
    spec.form = ValueForm::kCollated;
    auto* kept = static_cast<Oid*>(palloc(sizeof(Oid)));
    *kept = collation;
    spec.compare = compare_collated;
    spec.compare_context = kept;
  }
  return spec;
}

}  // namespace globalmart::plan

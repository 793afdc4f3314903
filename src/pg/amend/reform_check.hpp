// Have the rows of a departure become what ticket_reform planned? Each statement of its own looks
// at the rows that it has written. Triggers and rules of users may write others meanwhile, or call
// functions that do, ticket_reform itself among them.
#pragma once

#include "amend/reform_plan.hpp"

namespace ticketpool {

// After all rows are written: 09000 if a live ticket is not where it was planned to be, or an open
// quota has other seats. Those that have ended since are out of the way. Looks at nothing where
// nobody else has a trigger or a rule.
void require_as_planned(const Catalog& catalog, const OrderLeaf& leaf, const ReformPlan& plan,
                        int64_t layout_id);

}  // namespace ticketpool

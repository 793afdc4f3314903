// Keeps the marks of hand-written changes and applies them at commit, see commit_marks.hpp.
#include "follow/commit_marks.hpp"

#include "follow/notes.hpp"
#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "pool/ledger.hpp"
#include "pool/shared_memory.hpp"
#include "pool/stock_ledger.hpp"
#include "pool/waiting.hpp"

namespace ticketpool {
namespace {

enum class MarkKind { kStale, kReplaced, kTrain, kSale, kStockSale };

struct Mark {
    int level;  // transaction nesting level
    MarkKind kind;
    bool entered;  // in the ledger, before the commit
    Oid relation;
    int64_t id;  // of the departure or item
    SaleTimes sale;
    size_t since;  // kSale: the length of the ledger when the mark was made
    StockSale stock;
    char train[kMaxNameBytes + 1];
};
constinit Notes<Mark> marks{};

Mark new_mark(MarkKind kind, Oid relation, int64_t id) {
    Mark mark{};
    mark.level = GetCurrentTransactionNestLevel();
    mark.kind = kind;
    mark.relation = relation;
    mark.id = id;
    return mark;
}

void add(const Mark& mark) {
    if (marks.count > 0) {
        const Mark& last = marks.entries[marks.count - 1];
        if (mark.kind == MarkKind::kStale && last.kind == mark.kind && last.id == mark.id &&
            last.level <= mark.level && last.relation == mark.relation) {
            return;
        }
    }
    marks.add(mark);
}

// Of several marks of one departure the last one counts. Marks are entered last first, so all but
// the first to be entered find that one.
void enter_sale(Mark* mark) {
    uint32_t slot = directory_pin_if_ready(mark->relation, mark->id);
    // The row was changed after a reform whose callback is at work at this moment.
    while (slot != kNoSlot && is_replaced(slot)) {
        CHECK_FOR_INTERRUPTS();
        pg_usleep(10);
        slot = directory_pin_if_ready(mark->relation, mark->id);
    }
    if (slot == kNoSlot) {
        return;
    }
    wait_for_sale_turn(slot);
    const Departure* departure = shared.slots[slot].departure();
    if (departure->sale_writers.load(std::memory_order_relaxed) == 0 || !ledger_has_sale(slot)) {
        ledger_add_sale(slot, mark->sale, mark->since);
    }
    mark->entered = true;
}

// A mark of a stock that is not in memory is not entered: the item is loaded again.
void enter_stock_sale(Mark* mark) {
    const uint32_t slot = directory_pin_if_ready(mark->relation, mark->id);
    Item* item = slot == kNoSlot ? nullptr : shared.slots[slot].item();
    const Stock* stock = item == nullptr ? nullptr : item->find(mark->stock.inventory_id);
    if (stock == nullptr) {
        return;
    }
    const StockRef ref{slot, item->offset_of(stock)};
    stock_reserve(1);
    wait_for_stock_turn(ref);
    if (stock->sale_writers.load(std::memory_order_relaxed) == 0 || !stock_has_sale(ref)) {
        stock_add_sale(ref, mark->stock.on_sale || stock_is_merging(ref), mark->stock.has_seller);
    }
    mark->entered = true;
}

}  // namespace

void stale_at_commit(const Catalog& catalog, int64_t departure_id) {
    add(new_mark(MarkKind::kStale, catalog.order, departure_id));
}

void replaced_at_commit(const Catalog& catalog, int64_t departure_id) {
    add(new_mark(MarkKind::kReplaced, catalog.order, departure_id));
}

void sale_at_commit(const Catalog& catalog, int64_t departure_id, const SaleTimes& sale) {
    Mark mark = new_mark(MarkKind::kSale, catalog.order, departure_id);
    mark.sale = sale;
    mark.since = ledger_mark();
    add(mark);
}

void train_at_commit(const Catalog& catalog, int64_t departure_id, const char* train) {
    Mark mark = new_mark(MarkKind::kTrain, catalog.order, departure_id);
    strlcpy(mark.train, train, sizeof mark.train);
    add(mark);
}

void stale_item_at_commit(const Catalog& catalog, int64_t item_id) {
    add(new_mark(MarkKind::kStale, catalog.item_order, item_id));
}

void item_sale_at_commit(const Catalog& catalog, int64_t item_id, const StockSale& sale) {
    Mark mark = new_mark(MarkKind::kStockSale, catalog.item_order, item_id);
    mark.stock = sale;
    add(mark);
}

void marks_refuse_prepare() {
    for (size_t i = 0; i < marks.count; i++) {
        if (marks.entries[i].kind == MarkKind::kReplaced) {
            ereport(ERROR,
                    (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                     errmsg("cannot PREPARE a transaction that has called ticket_reform"),
                     errdetail("The departure in memory is replaced in the session that commits."),
                     errhint("Use COMMIT.")));
        }
    }
    if (marks.count > 0) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("cannot PREPARE a transaction that has changed departures, "
                               "reservations or inventories by hand"),
                        errdetail("The pool follows such changes in the session that commits."),
                        errhint("Use COMMIT.")));
    }
}

void marks_enter() {
    for (size_t i = marks.count; i > 0; i--) {
        Mark* mark = &marks.entries[i - 1];
        CHECK_FOR_INTERRUPTS();
        if (mark->kind == MarkKind::kSale) {
            enter_sale(mark);
        } else if (mark->kind == MarkKind::kStockSale) {
            enter_stock_sale(mark);
        }
    }
}

void marks_apply() {
    for (size_t i = 0; i < marks.count; i++) {
        const Mark& mark = marks.entries[i];
        if (mark.kind == MarkKind::kReplaced) {
            directory_replace(mark.relation, mark.id);
        } else if (mark.kind == MarkKind::kTrain) {
            directory_set_train(mark.relation, mark.id, {mark.train, strlen(mark.train)});
        } else if (!mark.entered) {
            directory_mark_stale(mark.relation, mark.id);
        }
    }
}

void marks_forget() {
    marks.forget();
}

void marks_forget_level(int level) {
    marks.forget_level(level);
}

void marks_promote_level(int level) {
    marks.promote(level);
}

}  // namespace ticketpool

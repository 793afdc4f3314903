#include "commit_marks.hpp"

#include "shared_memory.hpp"

namespace ticketpool {
namespace {

enum class MarkKind { kStale, kSale, kStockSale };

struct Mark {
    int level;  // transaction nesting level
    MarkKind kind;
    Oid relation;
    int64_t id;  // of the departure or item
    SaleTimes sale;
    StockSale stock;
};
struct Marks {
    Mark* entries;
    size_t count;
    size_t room;
};
constinit Marks marks{};

constexpr size_t kKeepMarks = 1024;  // more room than this is given back

void add(const Mark& mark) {
    if (marks.count > 0) {
        const Mark& last = marks.entries[marks.count - 1];
        if (mark.kind == MarkKind::kStale && last.kind == mark.kind && last.id == mark.id &&
            last.level <= mark.level && last.relation == mark.relation) {
            return;
        }
    }
    if (marks.count == marks.room) {
        const size_t room = Max(marks.room * 2, static_cast<size_t>(64));
        marks.entries = static_cast<Mark*>(
            marks.entries == nullptr ? MemoryContextAllocHuge(TopMemoryContext, room * sizeof(Mark))
                                     : repalloc_huge(marks.entries, room * sizeof(Mark)));
        marks.room = room;
    }
    marks.entries[marks.count++] = mark;
}

void apply(const Mark& mark) {
    switch (mark.kind) {
        case MarkKind::kStale:
            directory_mark_stale(mark.relation, mark.id);
            break;
        case MarkKind::kSale:
            directory_set_sale(mark.relation, mark.id, mark.sale);
            break;
        case MarkKind::kStockSale:
            directory_set_item_sale(mark.relation, mark.id, mark.stock);
            break;
    }
}

}  // namespace

void stale_at_commit(const Catalog& catalog, int64_t departure_id) {
    add(Mark{
        GetCurrentTransactionNestLevel(), MarkKind::kStale, catalog.order, departure_id, {}, {}});
}

void sale_at_commit(const Catalog& catalog, int64_t departure_id, const SaleTimes& sale) {
    add(Mark{
        GetCurrentTransactionNestLevel(), MarkKind::kSale, catalog.order, departure_id, sale, {}});
}

void stale_item_at_commit(const Catalog& catalog, int64_t item_id) {
    add(Mark{
        GetCurrentTransactionNestLevel(), MarkKind::kStale, catalog.item_order, item_id, {}, {}});
}

void item_sale_at_commit(const Catalog& catalog, int64_t item_id, const StockSale& sale) {
    add(Mark{GetCurrentTransactionNestLevel(),
             MarkKind::kStockSale,
             catalog.item_order,
             item_id,
             {},
             sale});
}

void marks_refuse_prepare() {
    if (marks.count > 0) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("cannot PREPARE a transaction that has changed departures, "
                               "reservations or inventories by hand"),
                        errdetail("The pool follows such changes in the session that commits."),
                        errhint("Use COMMIT.")));
    }
}

void marks_apply() {
    for (size_t i = 0; i < marks.count; i++) {
        apply(marks.entries[i]);
    }
}

void marks_forget() {
    marks.count = 0;
    if (marks.room > kKeepMarks) {
        pfree(marks.entries);
        marks.entries = nullptr;
        marks.room = 0;
    }
}

void marks_forget_level(int level) {
    while (marks.count > 0 && marks.entries[marks.count - 1].level >= level) {
        marks.count--;
    }
}

void marks_promote_level(int level) {
    for (size_t i = marks.count; i > 0 && marks.entries[i - 1].level >= level; i--) {
        marks.entries[i - 1].level = level - 1;
    }
}

}  // namespace ticketpool

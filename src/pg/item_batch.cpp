// item_buy_many: many purchases in one call and one transaction, each all or none by itself. The
// steps are those of ticket_buy_many (batch.cpp).
#include "errors.hpp"
#include "item.hpp"
#include "ledger.hpp"
#include "requests.hpp"
#include "rules.hpp"
#include "sale.hpp"

namespace ticketpool {
namespace {

struct Request {
    ItemArguments arguments;
    ItemPurchase purchase;
};

// Rows that are claimed and not yet written.
constexpr int kMostRows = 1024;
struct Batch {
    const Catalog* catalog;
    ReturnSetInfo* result;
    Datum sold;
    RowValues* rows;
    int count;
};

void flush(Batch* batch) {
    if (batch->count > 0) {
        insert_item_orders(*batch->catalog, batch->rows, batch->count, nullptr);
        batch->count = 0;
    }
}

void return_order(Batch* batch, int32_t request_no, Datum order_id, Datum item_id, Datum quantity) {
    Datum values[] = {Int32GetDatum(request_no), order_id, item_id, quantity};
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(batch->result->setResult, batch->result->setDesc, values, nulls);
}

struct FoundBefore {
    Batch* batch;
    int32_t request_no;
};

void return_found(TableReader* reader, void* context) {
    const FoundBefore* found = static_cast<FoundBefore*>(context);
    return_order(found->batch, found->request_no, row_datum(reader->row, kItemOrderId),
                 row_datum(reader->row, kItemId), row_datum(reader->row, kItemQuantity));
}

void sell_request(Batch* batch, int32_t request_no, const ItemPurchase& purchase) {
    const Catalog& catalog = *batch->catalog;
    if (purchase.request_id != nullptr) {
        flush(batch);
        FoundBefore found{batch, request_no};
        if (find_first_item_call(catalog, purchase, return_found, &found)) {
            return;
        }
    }
    if (!is_item_on_sale(purchase)) {
        return;
    }
    if (has_rules(catalog, RuleKind::kItem)) {
        flush(batch);
        if (ask_rules(catalog, rule_call(purchase)) != nullptr) {
            return;
        }
    }
    const Stock* stock = claim_item(purchase);
    if (stock != nullptr) {
        if (batch->count == kMostRows) {
            flush(batch);
        }
        RowValues* row = &batch->rows[batch->count++];
        build_item_order(catalog, purchase, stock->inventory_id, batch->sold, row);
        return_order(batch, request_no, row->value[kItemOrderId], row->value[kItemId],
                     row->value[kItemQuantity]);
    }
}

void parse_request(const Catalog& catalog, Request* request, int32_t request_no) {
    MemoryContext context = CurrentMemoryContext;
    PG_TRY();
    {
        parse_item_purchase(request->arguments, catalog, &request->purchase);
        pin_item(request->purchase.ref);     // it stays in memory until its turn comes
        is_item_on_sale(request->purchase);  // an inventory that does not exist fails the call
    }
    PG_CATCH();
    { rethrow_numbered(context, request_no); }
    PG_END_TRY();
}

Request* parse_requests(const Catalog& catalog, ArrayType* array, int* count) {
    const RequestArray elements = open_requests(array, "item_request", kItemArguments);
    *count = elements.count;
    Request* requests = static_cast<Request*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(*count, 1)) * sizeof(Request)));
    for (int i = 0; i < *count; i++) {
        CHECK_FOR_INTERRUPTS();
        ItemArguments* arguments = &requests[i].arguments;
        read_request(elements, i, arguments->value, arguments->is_null);
        if (arguments->is_null[kArgQuantity]) {  // one unit, as in item_buy
            arguments->value[kArgQuantity] = Int64GetDatum(1);
            arguments->is_null[kArgQuantity] = false;
        }
        parse_request(catalog, &requests[i], i + 1);
    }
    return requests;
}

// Of all request_ids; of all users, where there are rules.
void lock_all(const Catalog& catalog, const Request* requests, int count) {
    uint64_t* keys = static_cast<uint64_t*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(count, 1)) * sizeof(uint64_t)));
    size_t locks = 0;
    for (int i = 0; i < count; i++) {
        if (requests[i].purchase.request_id != nullptr) {
            keys[locks++] = item_request_key(catalog, requests[i].purchase);
        }
    }
    lock_requests(keys, locks);
    if (has_rules(catalog, RuleKind::kItem)) {
        int64_t* users = reinterpret_cast<int64_t*>(keys);
        for (int i = 0; i < count; i++) {
            users[i] = requests[i].purchase.user_id;
        }
        lock_people(catalog, users, static_cast<uint32_t>(count), nullptr, 0);
    }
    pfree(keys);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_buy_many) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "requests");
    PreventCommandIfReadOnly("item_buy_many()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    int count;
    const Request* requests = parse_requests(catalog, PG_GETARG_ARRAYTYPE_P(0), &count);
    lock_all(catalog, requests, count);
    const size_t room = static_cast<size_t>(Min(Max(count, 1), kMostRows));
    Batch batch{&catalog, result, CStringGetTextDatum("sold"),
                static_cast<RowValues*>(palloc(room * sizeof(RowValues))), 0};
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        sell_request(&batch, i + 1, requests[i].purchase);
    }
    flush(&batch);
    return 0;
}

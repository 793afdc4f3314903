// item_buy_many: many purchases in one call and one transaction, each all or none by itself. The
// steps are those of ticket_buy_many (batch.cpp).
#include "items/item_sale.hpp"
#include "load/item_pins.hpp"
#include "pool/shared_memory.hpp"
#include "purchase/batch_requests.hpp"
#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/errors.hpp"
#include "tables/item_rows.hpp"

namespace ticketpool {
namespace {

struct Request {
    ItemArguments arguments;
    ItemPurchase purchase;
    bool is_repeated;  // its request_id was used before: the rest is the order of then
    Datum order_id;
    Datum item_id;
    Datum quantity;
};

// Rows that are claimed and not yet written.
constexpr int kMostRows = 1024;
struct Batch {
    const Catalog* catalog;
    ReturnSetInfo* result;
    Datum sold;
    RowValues* rows;
    int count;
    bool has_twins;  // two requests have one request_id
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

void keep_found(TableReader* reader, void* context) {
    Request* request = static_cast<Request*>(context);
    request->is_repeated = true;
    request->order_id = row_datum(reader->row, kItemOrderId);
    request->item_id = row_datum(reader->row, kItemId);
    request->quantity = row_datum(reader->row, kItemQuantity);
}

void sell_request(Batch* batch, int32_t request_no, Request* request) {
    const Catalog& catalog = *batch->catalog;
    const ItemPurchase& purchase = request->purchase;
    if (batch->has_twins && purchase.request_id != nullptr && !request->is_repeated) {
        flush(batch);  // an earlier request of the batch may have the same request_id
        do_numbered(request_no,
                    [&] { find_first_item_call(catalog, purchase, keep_found, request); });
    }
    if (request->is_repeated) {
        return_order(batch, request_no, request->order_id, request->item_id, request->quantity);
        return;
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

void resolve_request(const Catalog& catalog, Request* request) {
    ItemPurchase* purchase = &request->purchase;
    if (purchase->request_id != nullptr &&
        find_first_item_call(catalog, *purchase, keep_found, request)) {
        return;
    }
    purchase->ref = require_item(catalog, purchase->item_id);
    pin_item(purchase->ref);     // it stays in memory until its turn comes
    is_item_on_sale(*purchase);  // an inventory that does not exist fails the call
}

Request* read_requests(ArrayType* array, int* count) {
    const RequestArray elements = open_requests(array, "item_request", kItemArguments);
    *count = elements.count;
    Request* requests = static_cast<Request*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(*count, 1)) * sizeof(Request)));
    for (int i = 0; i < *count; i++) {
        ItemArguments* arguments = &requests[i].arguments;
        read_request(elements, i, arguments->value, arguments->is_null);
        if (arguments->is_null[kArgQuantity]) {  // one unit, as in item_buy
            arguments->value[kArgQuantity] = Int64GetDatum(1);
            arguments->is_null[kArgQuantity] = false;
        }
        requests[i].is_repeated = false;
    }
    for_each_request(requests, *count, [](Request* request) {
        read_item_purchase(request->arguments, &request->purchase);
    });
    return requests;
}

// Of all request_ids. True: two of them are one.
bool lock_all_requests(const Catalog& catalog, const Request* requests, int count) {
    uint64_t* keys = static_cast<uint64_t*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(count, 1)) * sizeof(uint64_t)));
    size_t locks = 0;
    for (int i = 0; i < count; i++) {
        if (requests[i].purchase.request_id != nullptr) {
            keys[locks++] = item_request_key(catalog, requests[i].purchase);
        }
    }
    const bool has_twins = lock_requests(keys, locks);
    pfree(keys);
    return has_twins;
}

void lock_all_users(const Catalog& catalog, const Request* requests, int count) {
    int64_t* users = static_cast<int64_t*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(count, 1)) * sizeof(int64_t)));
    for (int i = 0; i < count; i++) {
        users[i] = requests[i].purchase.user_id;
    }
    lock_people(catalog, users, static_cast<uint32_t>(count), nullptr, 0);
    pfree(users);
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
    Request* requests = read_requests(PG_GETARG_ARRAYTYPE_P(0), &count);
    const bool has_twins = lock_all_requests(catalog, requests, count);
    for_each_request(requests, count, [&](Request* request) { resolve_request(catalog, request); });
    if (has_rules(catalog, RuleKind::kItem)) {
        lock_all_users(catalog, requests, count);
    }
    const size_t room = static_cast<size_t>(Min(Max(count, 1), kMostRows));
    Batch batch{&catalog,
                result,
                CStringGetTextDatum("sold"),
                static_cast<RowValues*>(palloc(room * sizeof(RowValues))),
                0,
                has_twins};
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        sell_request(&batch, i + 1, &requests[i]);
    }
    flush(&batch);
    return 0;
}

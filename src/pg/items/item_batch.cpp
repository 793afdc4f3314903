// item_buy_many: many purchases of units in one call. The steps are in batch_requests.hpp.
// item_check_many: whether its requests are well formed, see batch.cpp.
#include "items/item_sale.hpp"
#include "load/item_pins.hpp"
#include "pool/shared_memory.hpp"
#include "purchase/batch_requests.hpp"
#include "server/errors.hpp"
#include "tables/item_rows.hpp"

namespace ticketpool {
namespace {

constexpr int kMostRows = 1024;

struct ItemBatch {
    struct Request {
        ItemArguments arguments;
        ItemPurchase purchase;
        bool is_repeated;
        Datum order_id;  // of the first call, as the two below
        Datum item_id;
        Datum quantity;
    };
    static constexpr const char* kType = "item_request";
    static constexpr int kFields = kItemArguments;
    static constexpr RuleKind kRules = RuleKind::kItem;

    const Catalog& catalog;
    ReturnSetInfo* result;
    Datum sold;
    RowValues* rows;  // claimed and not yet written
    int count;

    void set_defaults(ItemArguments* arguments) const {
        if (arguments->is_null[kArgQuantity]) {  // one unit, as in item_buy
            arguments->value[kArgQuantity] = Int64GetDatum(1);
            arguments->is_null[kArgQuantity] = false;
        }
    }

    void read(Request* request) const {
        read_item_purchase(request->arguments, &request->purchase);
    }

    uint64_t key_of(const ItemPurchase& purchase) const {
        return item_request_key(catalog, purchase);
    }

    bool find_first(Request* request) const {
        const auto keep = [](TableReader* reader, void* context) {
            Request* found = static_cast<Request*>(context);
            found->order_id = row_datum(reader->row, kItemOrderId);
            found->item_id = row_datum(reader->row, kItemId);
            found->quantity = row_datum(reader->row, kItemQuantity);
        };
        return find_first_item_call(catalog, request->purchase, keep, request);
    }

    void resolve(Request* request) const {
        request->purchase.ref = require_item(catalog, request->purchase.item_id);
        pin_item(request->purchase.ref);
        is_item_on_sale(request->purchase);  // an inventory that does not exist fails the call
    }

    void check(Request* request) const {
        request->purchase.ref = require_item(catalog, request->purchase.item_id);
        is_item_on_sale(request->purchase);
        end_announcement();
    }

    std::span<const int64_t> passengers_of(const ItemPurchase&) const { return {}; }

    bool may_sell(const ItemPurchase& purchase) const { return is_item_on_sale(purchase); }

    void sell(int32_t request_no, const ItemPurchase& purchase) {
        const Stock* stock = claim_item(purchase);
        if (stock == nullptr) {
            return;
        }
        if (count == kMostRows) {
            flush();
        }
        RowValues* row = &rows[count++];
        build_item_order(catalog, purchase, stock->inventory_id, sold, row);
        return_order(request_no, row->value[kItemOrderId], row->value[kItemId],
                     row->value[kItemQuantity]);
    }

    void return_first(int32_t request_no, const Request& request) const {
        return_order(request_no, request.order_id, request.item_id, request.quantity);
    }

    void return_order(int32_t request_no, Datum order_id, Datum item_id, Datum quantity) const {
        Datum values[] = {Int32GetDatum(request_no), order_id, item_id, quantity};
        bool nulls[lengthof(values)] = {};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }

    void flush() {
        if (count > 0) {
            insert_item_orders(catalog, rows, count, nullptr);
            count = 0;
        }
    }
};

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_buy_many) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "requests");
    PreventCommandIfReadOnly("item_buy_many()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    ArrayType* requests = PG_GETARG_ARRAYTYPE_P(0);
    const int count = ArrayGetNItems(ARR_NDIM(requests), ARR_DIMS(requests));
    const size_t room = static_cast<size_t>(Min(Max(count, 1), kMostRows));
    ItemBatch batch{catalog_of(fcinfo), result, CStringGetTextDatum("sold"),
                    static_cast<RowValues*>(palloc(room * sizeof(RowValues))), 0};
    sell_batch(&batch, requests);
    return 0;
}

TICKETPOOL_FUNCTION(item_check_many) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "requests");
    ItemBatch batch{catalog_of(fcinfo), nullptr, Datum{0}, nullptr, 0};
    check_batch(&batch, PG_GETARG_ARRAYTYPE_P(0));
    PG_RETURN_VOID();
}

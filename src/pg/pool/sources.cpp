// Finds the source of a seat among the quotas of a departure (sources.hpp).
#include "pool/sources.hpp"

#include "pool/ledger.hpp"
#include "pool/maker.hpp"

namespace ticketpool {

bool of_channel(const Quota& quota, Text channel) {
    return channel.data != nullptr && same_text({quota.channel, quota.channel_length}, channel);
}

bool quota_usable(const DepartureRef& ref, const Quota& quota, uint32_t class_index) {
    return quota.class_index == class_index && !quota.closed.load(std::memory_order_acquire) &&
           is_made(quota.maker) && !ledger_is_closing(ref.slot, ref.departure->offset_of(&quota));
}

static SeatSource find_source(const DepartureRef& ref, uint32_t class_index, const Text* channel,
                              const SegmentMask& bits, uint32_t* seat) {
    for (Quota* quota = ref.departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
        if ((channel == nullptr || of_channel(*quota, *channel)) &&
            quota_usable(ref, *quota, class_index) &&
            bits.is_subset_of(trip_mask(quota->from, quota->to))) {
            const int64_t number = quota->find(*seat);
            if (number >= 0) {
                *seat = static_cast<uint32_t>(number);
                return {ref.slot, class_index, ref.departure->offset_of(quota), -1};
            }
        }
    }
    return seats_of_class(ref.slot, class_index);
}

SeatSource source_of_seat(const DepartureRef& ref, uint32_t class_index, Text channel,
                          const SegmentMask& bits, uint32_t* seat) {
    return find_source(ref, class_index, &channel, bits, seat);
}

SeatSource source_of_live_seat(const DepartureRef& ref, uint32_t class_index,
                               const SegmentMask& bits, uint32_t* seat) {
    return find_source(ref, class_index, nullptr, bits, seat);
}

void link_quota(Departure* departure, Quota* quota) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    quota->next = departure->first_quota();
    departure->quotas.store(departure->offset_of(quota), std::memory_order_release);
    LWLockRelease(shared.control->lock);
}

}  // namespace ticketpool

// Reads the values of a GTFS feed (feed_values.hpp).
#include "gtfs/feed_values.hpp"

extern "C" {
#include "utils/datetime.h"
}

namespace ticketpool {
namespace {

constexpr int64_t kLatestSecond = 366LL * SECS_PER_DAY;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Takes the digits at the front of the text. False: there are none, or too many.
bool take_digits(Text* rest, int most, int64_t* number) {
    int digits = 0;
    *number = 0;
    while (rest->length > 0 && is_digit(*rest->data)) {
        if (++digits > most) {
            return false;
        }
        *number = *number * 10 + (*rest->data - '0');
        *rest = {rest->data + 1, rest->length - 1};
    }
    return digits > 0;
}

// Takes ":05" from the front of the text.
bool take_sixtieth(Text* rest, int64_t* number) {
    if (rest->length < 3 || *rest->data != ':') {
        return false;
    }
    *rest = {rest->data + 1, rest->length - 1};
    const size_t before = rest->length;
    return take_digits(rest, 2, number) && before - rest->length == 2 && *number < 60;
}

}  // namespace

Text trimmed(Text value) {
    const auto is_blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
    while (value.length > 0 && is_blank(value.data[0])) {
        value = {value.data + 1, value.length - 1};
    }
    while (value.length > 0 && is_blank(value.data[value.length - 1])) {
        value.length--;
    }
    return value;
}

bool read_feed_time(Text value, int32_t* seconds) {
    Text rest = trimmed(value);
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    if (!take_digits(&rest, 5, &hour) || !take_sixtieth(&rest, &minute) ||
        (rest.length > 0 && !take_sixtieth(&rest, &second)) || rest.length > 0) {
        return false;
    }
    const int64_t time = hour * SECS_PER_HOUR + minute * SECS_PER_MINUTE + second;
    *seconds = static_cast<int32_t>(time);
    return time <= kLatestSecond;
}

bool read_feed_day(Text value, DateADT* day) {
    Text rest = trimmed(value);
    int64_t number = 0;
    if (rest.length != 8 || !take_digits(&rest, 8, &number) || rest.length > 0) {
        return false;
    }
    const int year = static_cast<int>(number / 10000);
    const int month = static_cast<int>(number / 100 % 100);
    const int of_month = static_cast<int>(number % 100);
    if (year < 1 || month < 1 || month > MONTHS_PER_YEAR || of_month < 1 ||
        of_month > day_tab[isleap(year)][month - 1]) {
        return false;
    }
    *day = date2j(year, month, of_month) - POSTGRES_EPOCH_JDATE;
    return true;
}

bool read_feed_number(Text value, int32_t* number) {
    Text rest = trimmed(value);
    int64_t read = 0;
    if (!take_digits(&rest, 15, &read) || rest.length > 0 || read > PG_INT32_MAX) {
        return false;
    }
    *number = static_cast<int32_t>(read);
    return true;
}

const char* feed_time_text(int32_t seconds) {
    return psprintf("%02d:%02d:%02d", seconds / SECS_PER_HOUR,
                    seconds % SECS_PER_HOUR / SECS_PER_MINUTE, seconds % SECS_PER_MINUTE);
}

int compare_texts(Text a, Text b) {
    const size_t shorter = Min(a.length, b.length);
    const int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    if (order != 0 || a.length == b.length) {
        return order;
    }
    return a.length < b.length ? -1 : 1;
}

}  // namespace ticketpool

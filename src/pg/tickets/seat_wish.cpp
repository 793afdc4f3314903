// Reads seat_choice with the words that the seats of a class have (seat_wish.hpp).
#include "tickets/seat_wish.hpp"

#include "server/errors.hpp"

namespace ticketpool {

namespace {

// The words of a class. Memory of the layout, valid while the departure is announced or pinned.
struct ClassWords {
    const Layout* layout;
    uint32_t class_index;
    const bool* has_set;  // for each property set: some seat has it; null: no seat has any
};

// The seats whose properties and letters count.
struct SeatRange {
    const SeatGeometry* seats;
    uint32_t count;
};

SeatRange seats_that_count(const WishedClass& wished) {
    const Layout* layout = wished.ref.departure->layout.get();
    if (wished.is_one_of_several) {
        return {layout->seats(), layout->seat_count};
    }
    return {layout->geometry(wished.class_index), layout->classes()[wished.class_index].seats};
}

// The letters of the seats, each once. `letters` has room for all letters and a NUL.
void list_letters(const SeatRange& range, char* letters) {
    bool seen[256] = {true};  // 0 is no letter
    size_t count = 0;
    for (uint32_t i = 0; i < range.count; i++) {
        const uint8_t letter = range.seats[i].letter;
        if (!seen[letter]) {
            seen[letter] = true;
            letters[count++] = static_cast<char>(letter);
        }
    }
    letters[count] = '\0';
}

const bool* list_property_sets(const Layout* layout, const SeatRange& range) {
    if (layout->property_sets == 0) {
        return nullptr;
    }
    bool* has_set = static_cast<bool*>(palloc0(layout->property_sets + 1));
    for (uint32_t i = 0; i < range.count; i++) {
        has_set[range.seats[i].properties] = true;
    }
    return has_set;
}

bool has_property_in_class(const void* context, WordText word) noexcept {
    const ClassWords& words = *static_cast<const ClassWords*>(context);
    for (uint32_t set = 1; words.has_set != nullptr && set <= words.layout->property_sets; set++) {
        if (words.has_set[set] &&
            has_property(words.layout->property_set(set), {word.data, word.length})) {
            return true;
        }
    }
    return false;
}

int64_t find_seat_of_class(const void* context, WordText coach, WordText label) noexcept {
    const ClassWords& words = *static_cast<const ClassWords*>(context);
    return words.layout->find_seat(words.class_index, coach.data, coach.length, label.data,
                                   label.length);
}

// What the words of a choice mean in the class's own seat map.
const WishWords* meaning_of(const ChoiceWords& words, const Layout* layout) {
    uint32_t* properties =
        static_cast<uint32_t*>(palloc0((layout->property_sets + 1) * sizeof(uint32_t)));
    for (uint32_t set = 1; words.properties > 0 && set <= layout->property_sets; set++) {
        for (uint32_t k = 0; k < words.properties; k++) {
            const WordText word = words.property[k];
            if (has_property(layout->property_set(set), {word.data, word.length})) {
                properties[set] |= uint32_t{1} << k;
            }
        }
    }
    WishWords* meaning = static_cast<WishWords*>(palloc(sizeof(WishWords)));
    meaning->properties = properties;
    for (uint32_t k = 0; k < kMaxSeatChoices; k++) {
        meaning->seat[k] = k < words.seats ? words.seat[k] : kNotInMap;
    }
    return meaning;
}

}  // namespace

SeatChoice parse_choice(Text text, const WishedClass& wished, uint32_t passengers) {
    const Layout* layout = wished.ref.departure->layout.get();
    const SeatRange range = seats_that_count(wished);
    char letters[32];
    list_letters(range, letters);
    const ClassWords of_class{layout, wished.class_index, list_property_sets(layout, range)};
    const ChoiceVocabulary vocabulary{letters, &of_class, has_property_in_class,
                                      find_seat_of_class};
    SeatChoice choice;
    ChoiceWords words;
    if (parse_seat_choice(text.data, text.length, passengers, vocabulary, &choice, &words) !=
        Status::kOk) {
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("\"%s\" is not a seat choice", printable(text)),
             errdetail_plural("A choice is at most one letter a passenger, or one word for all, "
                              "or one word a passenger, separated by commas; there is %u "
                              "passenger.",
                              "A choice is at most one letter a passenger, or one word for all, "
                              "or one word a passenger, separated by commas; there are %u "
                              "passengers.",
                              passengers, passengers),
             errhint("A word is a property that some seat of the class has, window, aisle, or "
                     "a seat as in '01/12F'. For example 'F', 'AB' for two passengers, or "
                     "'window'.")));
    }
    if (words.properties > 0 || words.seats > 0) {
        choice.words = meaning_of(words, layout);
    }
    return choice;
}

}  // namespace ticketpool

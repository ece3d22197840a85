// The rows of the seat service's tables, from either store's statements.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/money.h"
#include "services/seat/show.h"
#include "services/seat/store.h"
#include "services/seat/store_layout.h"

namespace boxoffice::seat {

template <typename Row>
[[nodiscard]] Concert ConcertAt(const Row& row) {
  return {row.Int(0), std::string(row.Text(1)), std::string(row.Text(2)), std::string(row.Text(3))};
}

// Without its layout, which is stored in a table of its own.
template <typename Row>
[[nodiscard]] StoredShow ShowAt(const Row& row) {
  StoredShow stored;
  Show& show = stored.show;
  show.id = row.Int(0);
  show.concert_id = row.Int(1);
  show.starts_at = FromUnixMs(row.Int(2));
  show.currency = Currency::Parse(row.Text(3)).value_or(Currency());
  show.terms.on_sale_at = FromUnixMs(row.Int(4));
  show.terms.sale_ends_at = FromUnixMs(row.Int(5));
  show.terms.seat_limit = static_cast<uint32_t>(row.Int(6));
  show.terms.hold_ttl = milliseconds(row.Int(7));
  show.terms.cancel_deadline = Time(row.Int(8));
  stored.marks = {Time(row.Int(9)), Time(row.Int(10))};
  show.terms.highest_seat_limit = std::max(show.terms.seat_limit, static_cast<uint32_t>(row.Int(11)));
  show.terms.phase = static_cast<ShowPhase>(row.Int(12));
  show.terms.orphan_rule = row.Int(13) != 0;
  show.terms.cancel_fee_per_seat = row.Int(17);
  show.terms.cancel_fee_percent = static_cast<uint32_t>(row.Int(18));
  show.terms.grace = milliseconds(row.Int(19));
  show.terms.waitlist_first = row.Int(20) != 0;
  show.terms.never_published = row.Int(22) != 0;
  return stored;
}

// Of its id, its phase and its marks.
template <typename Row>
[[nodiscard]] ShowRow ShowRowAt(const Row& row) {
  return {row.Int(0), static_cast<ShowPhase>(row.Int(1)), {Time(row.Int(2)), Time(row.Int(3))}};
}

// What a map knows of a seat, of its state, version, deadline (0: it is not held), channel and until when.
template <typename Row>
[[nodiscard]] SeatRow MappedSeatAt(int64_t show_id, const Row& row) {
  SeatRow seat;
  seat.key.show_id = show_id;
  seat.state = static_cast<SeatState>(row.Int(0));
  seat.version = row.Int(1);
  seat.hold_expires_at = FromUnixMs(row.Int(2));
  seat.channel = row.Text(3);
  seat.channel_until = FromUnixMs(row.Int(4));
  return seat;
}

// From its three columns, of which `body` is the first. Errors: layout_corrupt (kInternal).
template <typename Row>
[[nodiscard]] Result<Layout> LayoutAt(const Row& row, int body) {
  BOXOFFICE_ASSIGN(Layout layout, DecodeLayout(row.Text(body)));
  BOXOFFICE_TRY(DecodePrices(row.Text(body + 1), layout));
  BOXOFFICE_TRY(DecodeAccess(row.Text(body + 2), layout));
  return layout;
}

// What its row says of the layout that is read beside it: where the stage is, and how often it was changed.
template <typename Row>
void PutLayout(const Row& row, Layout layout, Show& show) {
  layout.stage = StageFrom({row.Int(14), row.Int(15), row.Int(16)});
  layout.version = static_cast<uint64_t>(row.Int(21));
  show.layout = ShareLayout(std::move(layout));
}

}  // namespace boxoffice::seat

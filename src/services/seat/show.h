// Concerts and shows as values: what they are, what may be changed, and what state a show is in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/money.h"
#include "base/result.h"
#include "services/seat/layout.h"

namespace boxoffice::seat {

inline constexpr uint32_t kDefaultSeatLimit = 8;
inline constexpr uint32_t kMaxSeatLimit = 1000;
inline constexpr milliseconds kDefaultHoldTtl = std::chrono::minutes(5);
inline constexpr milliseconds kMinHoldTtl = std::chrono::minutes(1);
inline constexpr milliseconds kMaxHoldTtl = std::chrono::minutes(30);
inline constexpr milliseconds kMaxGrace = std::chrono::minutes(30);
inline constexpr size_t kMaxConcertText = 200;  // bytes of a title, an artist, a venue

// A moment that there may not be, as stores and protos write it: 0: none.
[[nodiscard]] constexpr int64_t Ms(const std::optional<Timestamp>& time) {
  return time ? ToUnixMs(*time) : 0;
}
[[nodiscard]] constexpr std::optional<Timestamp> Time(int64_t ms) {
  return ms == 0 ? std::nullopt : std::optional(FromUnixMs(ms));
}

struct Concert {
  int64_t id = 0;
  std::string title;
  std::string artist;
  std::string venue;
  bool operator==(const Concert&) const = default;
};
// What is given is set.
struct ConcertChange {
  std::optional<std::string> title;
  std::optional<std::string> artist;
  std::optional<std::string> venue;
};

// What operators have made of a show; the rest of its state follows from time and counts. It only moves on.
enum class ShowPhase : uint8_t { kPublished = 0, kDraft = 1, kCancelled = 2 };

// What an operator may change of a show while it is sold.
struct ShowTerms {
  ShowPhase phase = ShowPhase::kPublished;
  // It was a draft until it was cancelled: buyers have never heard of it.
  bool never_published = false;
  Timestamp on_sale_at{};
  Timestamp sale_ends_at{};
  uint32_t seat_limit = kDefaultSeatLimit;  // held and sold seats of one buyer
  // That there ever was: a limit that is lowered takes nobody's seats. Follows from changing seat_limit.
  uint32_t highest_seat_limit = kDefaultSeatLimit;
  milliseconds hold_ttl = kDefaultHoldTtl;
  std::optional<Timestamp> cancel_deadline;  // none: until the show starts
  // A choice of seats may leave none over alone, unless the party has no other choice in that section.
  bool orphan_rule = false;
  // Kept of each seat that its buyer cancels: so much, never more than its price, and this part of its price.
  int64_t cancel_fee_per_seat = 0;
  uint32_t cancel_fee_percent = 0;
  milliseconds grace{0};  // for which seats stay held after a refused payment
  // What is free, and whatever becomes so, is held for those on the waitlist alone.
  bool waitlist_first = false;
  bool operator==(const ShowTerms&) const = default;
};

// A value; shared between threads as shared_ptr<const Show>, and replaced as a whole.
struct Show {
  int64_t id = 0;
  int64_t concert_id = 0;
  Timestamp starts_at{};
  Currency currency;
  ShowTerms terms;
  std::shared_ptr<const Layout> layout;

  // Whether buyers may know of it; operators know of all.
  [[nodiscard]] bool IsPublic() const { return terms.phase != ShowPhase::kDraft && !terms.never_published; }
  // Seats of a published show are sold from on_sale_at to before sale_ends_at, and never after the show has
  // begun.
  [[nodiscard]] bool OnSale(Timestamp now) const {
    return terms.phase == ShowPhase::kPublished && now >= terms.on_sale_at && now < terms.sale_ends_at &&
           now < starts_at;
  }
};

struct SeatCounts {
  uint32_t free = 0;
  uint32_t held = 0;
  uint32_t sold = 0;
  uint32_t blocked = 0;  // or kept for a channel
  uint32_t kept = 0;     // of these: kept for a channel, and nobody has them
  bool operator==(const SeatCounts&) const = default;
};

// When a show's first and its last seat were sold, if they were.
struct ShowMarks {
  std::optional<Timestamp> first_sold_at;
  std::optional<Timestamp> sold_out_at;
  bool operator==(const ShowMarks&) const = default;
};

enum class ShowState { kAnnounced, kOnSale, kSoldOut, kPast, kDraft, kCancelled };

// Of a published show, the state follows from the time and the counts, and is stored nowhere. Sold out is a
// show of which no seat is free or held: what operators block, they may yet give back.
[[nodiscard]] ShowState StateOf(const Show& show, const SeatCounts& counts, Timestamp now);

// What is asked of a new show. What is not given has a default: on sale from now until it starts.
struct NewShow {
  int64_t concert_id = 0;
  Timestamp starts_at{};
  std::optional<Timestamp> on_sale_at;
  std::optional<Timestamp> sale_ends_at;
  std::string currency;
  std::optional<uint32_t> seat_limit;
  std::optional<milliseconds> hold_ttl;
  std::optional<Timestamp> cancel_deadline;
  bool orphan_rule = false;
  bool draft = false;
  int64_t cancel_fee_per_seat = 0;
  uint32_t cancel_fee_percent = 0;
  milliseconds grace{0};
};
struct TermsChange {
  std::optional<Timestamp> on_sale_at;
  std::optional<Timestamp> sale_ends_at;
  std::optional<uint32_t> seat_limit;
  std::optional<milliseconds> hold_ttl;
  std::optional<Timestamp> cancel_deadline;  // the epoch itself: none any more
  std::optional<bool> orphan_rule;
  std::optional<int64_t> cancel_fee_per_seat;
  std::optional<uint32_t> cancel_fee_percent;
  std::optional<milliseconds> grace;
};

// Errors (kInvalidArgument), naming the field in the detail: concert_invalid.
[[nodiscard]] Result<void> CheckConcert(const Concert& concert);
// Errors: those of CheckConcert.
[[nodiscard]] Result<Concert> ChangeConcert(const Concert& concert, const ConcertChange& change);
// A show without id. Errors (kInvalidArgument), naming the field: show_invalid.
[[nodiscard]] Result<Show> MakeShow(const NewShow& request, std::shared_ptr<const Layout> layout,
                                    Timestamp now);
// The show with changed terms; holds that there are keep their deadlines. Errors: show_invalid.
[[nodiscard]] Result<Show> ChangeTerms(const Show& show, const TermsChange& change);
// A draft becomes known to buyers, and is sold from on_sale_at. Of a published show: as it is. Errors:
// show_state (kConflict: it is cancelled).
[[nodiscard]] Result<Show> Publish(const Show& show);
// Ends the sale for good: nothing more is held or confirmed. A draft stays unknown to buyers. Of a cancelled
// show: as it is. Errors: show_state (kConflict: it has begun).
[[nodiscard]] Result<Show> Cancel(const Show& show, Timestamp now);

}  // namespace boxoffice::seat

#include "services/seat/show.h"

#include <fmt/format.h>

#include "base/text.h"
#include "services/seat/seating_plan.h"

namespace boxoffice::seat {
namespace {

std::unexpected<Error> Invalid(std::string detail) {
  return Fail(Code::kInvalidArgument, "show_invalid", std::move(detail));
}

// `backwards`: what to say of a sale that ends before it begins, which is about what was given.
Result<void> CheckTerms(const Show& show, std::string_view backwards) {
  const ShowTerms& terms = show.terms;
  if (show.starts_at <= Timestamp{}) return Invalid("starts_at: is missing");
  if (terms.on_sale_at >= terms.sale_ends_at) return Invalid(std::string(backwards));
  if (terms.sale_ends_at > show.starts_at) return Invalid("sale_ends_at: is after starts_at");
  if (terms.seat_limit < 1 || terms.seat_limit > kMaxSeatLimit) {
    return Invalid(fmt::format("seat_limit: {} is not within 1 and {}", terms.seat_limit, kMaxSeatLimit));
  }
  if (terms.hold_ttl < kMinHoldTtl || terms.hold_ttl > kMaxHoldTtl) {
    return Invalid(fmt::format("hold_ttl_ms: {} is not within {} and {}", terms.hold_ttl.count(),
                               kMinHoldTtl.count(), kMaxHoldTtl.count()));
  }
  if (terms.cancel_deadline && *terms.cancel_deadline > show.starts_at) {
    return Invalid("cancel_deadline: is after starts_at");
  }
  if (terms.cancel_fee_per_seat < 0 || terms.cancel_fee_per_seat > kMaxPrice) {
    return Invalid(
        fmt::format("cancel_fee_per_seat: {} is not within 0 and {}", terms.cancel_fee_per_seat, kMaxPrice));
  }
  if (terms.cancel_fee_percent > 100) {
    return Invalid(fmt::format("cancel_fee_percent: {} is not within 0 and 100", terms.cancel_fee_percent));
  }
  if (terms.grace < milliseconds(0) || terms.grace > kMaxGrace) {
    return Invalid(
        fmt::format("grace_ms: {} is not within 0 and {}", terms.grace.count(), kMaxGrace.count()));
  }
  return {};
}

std::string_view BackwardsIn(const NewShow& request) {
  if (!request.sale_ends_at)
    return request.on_sale_at ? "on_sale_at: is not before starts_at" : "starts_at: is past";
  return request.on_sale_at ? "sale_ends_at: is not after on_sale_at" : "sale_ends_at: is past";
}

std::string_view BackwardsIn(const TermsChange& change) {
  return change.on_sale_at && !change.sale_ends_at ? "on_sale_at: is not before sale_ends_at"
                                                   : "sale_ends_at: is not after on_sale_at";
}

}  // namespace

ShowState StateOf(const Show& show, const SeatCounts& counts, Timestamp now) {
  if (show.terms.phase == ShowPhase::kCancelled) return ShowState::kCancelled;
  if (show.terms.phase == ShowPhase::kDraft) return ShowState::kDraft;
  if (now >= show.terms.sale_ends_at || now >= show.starts_at) return ShowState::kPast;
  if (now < show.terms.on_sale_at) return ShowState::kAnnounced;
  return counts.free == 0 && counts.held == 0 ? ShowState::kSoldOut : ShowState::kOnSale;
}

Result<void> CheckConcert(const Concert& concert) {
  const auto check = [](std::string_view field, const std::string& text, bool required) -> Result<void> {
    if (required && text.empty()) {
      return Fail(Code::kInvalidArgument, "concert_invalid", fmt::format("{}: is missing", field));
    }
    if (text.size() > kMaxConcertText) {
      return Fail(Code::kInvalidArgument, "concert_invalid",
                  fmt::format("{}: is longer than {} bytes", field, kMaxConcertText));
    }
    if (HasControl(text)) {
      return Fail(Code::kInvalidArgument, "concert_invalid",
                  fmt::format("{}: has a control character", field));
    }
    return {};
  };
  BOXOFFICE_TRY(check("title", concert.title, true));
  BOXOFFICE_TRY(check("artist", concert.artist, false));
  return check("venue", concert.venue, false);
}

Result<Concert> ChangeConcert(const Concert& concert, const ConcertChange& change) {
  Concert changed{concert.id, change.title.value_or(concert.title), change.artist.value_or(concert.artist),
                  change.venue.value_or(concert.venue)};
  BOXOFFICE_TRY(CheckConcert(changed));
  return changed;
}

Result<Show> MakeShow(const NewShow& request, std::shared_ptr<const Layout> layout, Timestamp now) {
  const auto currency = Currency::Parse(request.currency);
  if (!currency) return Invalid("currency: is not three capital letters");
  Show show;
  show.concert_id = request.concert_id;
  show.starts_at = request.starts_at;
  show.currency = *currency;
  show.terms.on_sale_at = request.on_sale_at.value_or(now);
  show.terms.sale_ends_at = request.sale_ends_at.value_or(request.starts_at);
  show.terms.seat_limit = request.seat_limit.value_or(kDefaultSeatLimit);
  show.terms.highest_seat_limit = show.terms.seat_limit;
  show.terms.hold_ttl = request.hold_ttl.value_or(kDefaultHoldTtl);
  show.terms.cancel_deadline = request.cancel_deadline;
  show.terms.orphan_rule = request.orphan_rule;
  show.terms.cancel_fee_per_seat = request.cancel_fee_per_seat;
  show.terms.cancel_fee_percent = request.cancel_fee_percent;
  show.terms.grace = request.grace;
  show.terms.phase = request.draft ? ShowPhase::kDraft : ShowPhase::kPublished;
  show.layout = std::move(layout);
  BOXOFFICE_TRY(CheckTerms(show, BackwardsIn(request)));
  return show;
}

Result<Show> ChangeTerms(const Show& show, const TermsChange& change) {
  Show changed = show;
  if (change.on_sale_at) changed.terms.on_sale_at = *change.on_sale_at;
  if (change.sale_ends_at) changed.terms.sale_ends_at = *change.sale_ends_at;
  if (change.seat_limit) {
    changed.terms.seat_limit = *change.seat_limit;
    changed.terms.highest_seat_limit = std::max(show.terms.highest_seat_limit, *change.seat_limit);
  }
  if (change.hold_ttl) changed.terms.hold_ttl = *change.hold_ttl;
  if (change.cancel_deadline) {
    changed.terms.cancel_deadline =
        *change.cancel_deadline == Timestamp{} ? std::nullopt : change.cancel_deadline;
  }
  if (change.orphan_rule) changed.terms.orphan_rule = *change.orphan_rule;
  if (change.cancel_fee_per_seat) changed.terms.cancel_fee_per_seat = *change.cancel_fee_per_seat;
  if (change.cancel_fee_percent) changed.terms.cancel_fee_percent = *change.cancel_fee_percent;
  if (change.grace) changed.terms.grace = *change.grace;
  BOXOFFICE_TRY(CheckTerms(changed, BackwardsIn(change)));
  return changed;
}

Result<Show> Publish(const Show& show) {
  if (show.terms.phase == ShowPhase::kCancelled) {
    return Fail(Code::kConflict, "show_state", "a show that is cancelled stays so");
  }
  Show published = show;
  published.terms.phase = ShowPhase::kPublished;
  return published;
}

Result<Show> Cancel(const Show& show, Timestamp now) {
  if (show.terms.phase != ShowPhase::kCancelled && now >= show.starts_at) {
    return Fail(Code::kConflict, "show_state", "a show that has begun can't be cancelled");
  }
  Show cancelled = show;
  if (show.terms.phase == ShowPhase::kDraft) cancelled.terms.never_published = true;
  cancelled.terms.phase = ShowPhase::kCancelled;
  return cancelled;
}

}  // namespace boxoffice::seat

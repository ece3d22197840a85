#include "services/seat/rpc_convert.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "platform/rpc/command_server.h"
#include "platform/rpc/field.h"

namespace boxoffice::seat {
namespace {

using rpc::InvalidField;
using rpc::ParseId;

constexpr size_t kMaxUserIdBytes = 64;
constexpr size_t kMaxNameBytes = 200;
constexpr size_t kMaxReasonBytes = 500;
constexpr int kMaxChannels = 100;  // of one buyer
// Far more than can be held; a longer list is an error of the caller rather than a refusal.
constexpr int kMaxNamedSeats = 1000;

Result<std::vector<SeatNo>> ParseSeats(std::string_view field,
                                       const google::protobuf::RepeatedField<uint32_t>& seats) {
  if (seats.size() > kMaxNamedSeats) {
    return InvalidField(field, fmt::format("has more than {} seats", kMaxNamedSeats));
  }
  return std::vector<SeatNo>(seats.begin(), seats.end());
}

// The saga, the reservation and the show, which every command names.
template <typename T, typename Proto>
Result<T> ParseNames(const Proto& proto) {
  T command;
  BOXOFFICE_ASSIGN(command.saga, ParseId<SagaId>("saga_id", proto.saga_id()));
  BOXOFFICE_ASSIGN(command.reservation, ParseId<ReservationId>("reservation_id", proto.reservation_id()));
  command.show_id = proto.show_id();
  return command;
}

Result<HoldSeats> Parse(const v1::HoldSeats& proto) {
  BOXOFFICE_ASSIGN(HoldSeats hold, ParseNames<HoldSeats>(proto));
  BOXOFFICE_ASSIGN(hold.user_id, rpc::ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  if (proto.hold_at_least_until_ms() < 0) return InvalidField("hold_at_least_until_ms", "is negative");
  hold.hold_at_least_until = FromUnixMs(proto.hold_at_least_until_ms());
  if (proto.has_best_available()) {
    const v1::BestAvailable& best = proto.best_available();
    if (best.section().size() > kMaxNameBytes) return InvalidField("best_available.section", "is too long");
    if (best.category().size() > kMaxNameBytes) return InvalidField("best_available.category", "is too long");
    if (best.max_price() < 0) return InvalidField("best_available.max_price", "is negative");
    if (best.accessible() > best.count()) {
      return InvalidField("best_available.accessible", "is more than count");
    }
    hold.best =
        BestAvailable{best.count(), best.section(), best.category(), best.max_price(), best.accessible()};
  } else {
    BOXOFFICE_ASSIGN(hold.seats, ParseSeats("seats.seat_nos", proto.seats().seat_nos()));
  }
  hold.from_waitlist = proto.from_waitlist();
  if (proto.channels_size() > kMaxChannels) {
    return InvalidField("channels", fmt::format("has more than {} channels", kMaxChannels));
  }
  hold.channels.assign(proto.channels().begin(), proto.channels().end());
  return hold;
}

Result<KeepSeats> ParseKeep(const v1::HoldSeats& proto) {
  BOXOFFICE_ASSIGN(KeepSeats keep, ParseNames<KeepSeats>(proto));
  BOXOFFICE_ASSIGN(keep.seats, ParseSeats("seats.seat_nos", proto.seats().seat_nos()));
  if (proto.keep_until_ms() < 0) return InvalidField("keep_until_ms", "is negative");
  keep.until = FromUnixMs(proto.keep_until_ms());
  return keep;
}

Result<ConfirmSeats> Parse(const v1::ConfirmSeats& proto) {
  BOXOFFICE_ASSIGN(ConfirmSeats confirm, ParseNames<ConfirmSeats>(proto));
  BOXOFFICE_ASSIGN(confirm.seats, ParseSeats("seat_nos", proto.seat_nos()));
  return confirm;
}

Result<ReleaseSeats> Parse(const v1::ReleaseSeats& proto) {
  BOXOFFICE_ASSIGN(ReleaseSeats release, ParseNames<ReleaseSeats>(proto));
  BOXOFFICE_ASSIGN(release.seats, ParseSeats("seat_nos", proto.seat_nos()));
  return release;
}

Result<MoveSeats> Parse(const v1::MoveSeats& proto) {
  BOXOFFICE_ASSIGN(MoveSeats move, ParseNames<MoveSeats>(proto));
  BOXOFFICE_ASSIGN(move.from, ParseSeats("from_seat_nos", proto.from_seat_nos()));
  BOXOFFICE_ASSIGN(move.to, ParseSeats("to_seat_nos", proto.to_seat_nos()));
  if (move.from.size() != move.to.size()) {
    return InvalidField(
        "to_seat_nos", fmt::format("has {} seats for {} of from_seat_nos", move.to.size(), move.from.size()));
  }
  return move;
}

std::string_view NameOf(ConflictReason reason) {
  switch (reason) {
    case ConflictReason::kHeld:
      return "held";
    case ConflictReason::kSold:
      return "sold";
    case ConflictReason::kUnknown:
      return "unknown";
    case ConflictReason::kFree:
      return "free";
    case ConflictReason::kBlocked:
      return "blocked";
    case ConflictReason::kOrphan:
      return "orphan";
    case ConflictReason::kChannel:
      return "channel";
  }
  return "";
}

v1::ShowState StateToProto(ShowState state) {
  switch (state) {
    case ShowState::kAnnounced:
      return v1::ANNOUNCED;
    case ShowState::kOnSale:
      return v1::ON_SALE;
    case ShowState::kSoldOut:
      return v1::SOLD_OUT;
    case ShowState::kPast:
      return v1::PAST;
    case ShowState::kDraft:
      return v1::DRAFT;
    case ShowState::kCancelled:
      return v1::CANCELLED;
  }
  return v1::SHOW_STATE_UNSPECIFIED;
}

void FillPrice(const Layout& layout, SeatNo seat_no, int64_t price, v1::SeatPrice& seat) {
  seat.set_seat_no(seat_no);
  seat.set_label(layout.LabelOf(seat_no));
  seat.set_price(price);
  seat.set_category(layout.CategoryOf(seat_no).name);
}

void AddLayout(const Layout& layout, v1::SeatMap& map) {
  map.mutable_layout()->Reserve(static_cast<int>(layout.capacity()));
  for (SeatNo seat_no = 1; seat_no <= layout.capacity(); ++seat_no) {
    const Seat& seat = layout.At(seat_no);
    v1::SeatInfo& info = *map.add_layout();
    info.set_seat_no(seat_no);
    info.set_section(layout.SectionOf(seat_no).name);
    info.set_row(layout.RowOf(seat_no).name);
    info.set_number(seat.number);
    info.set_label(layout.LabelOf(seat_no));
    info.set_category(layout.CategoryOf(seat_no).name);
    info.set_price(layout.PriceOf(seat_no));
    info.set_x(seat.x);
    info.set_y(seat.y);
  }
  const auto info_of = [&map](SeatNo seat_no) { return map.mutable_layout(static_cast<int>(seat_no - 1)); };
  for (const SeatNo seat_no : layout.accessible) info_of(seat_no)->set_accessible(true);
  for (const Companion& one : layout.companions) info_of(one.seat_no)->set_companion_of(one.of);
}

Result<decltype(Command::body)> ParseBody(const v1::Command& proto) {
  switch (proto.body_case()) {
    case v1::Command::kHold:
      if (proto.hold().has_keep_until_ms()) return ParseKeep(proto.hold());
      return Parse(proto.hold());
    case v1::Command::kConfirm:
      return Parse(proto.confirm());
    case v1::Command::kRelease:
      return Parse(proto.release());
    case v1::Command::kMove:
      return Parse(proto.move());
    case v1::Command::BODY_NOT_SET:
      break;
  }
  return InvalidField("body", "is missing or not known to this version");
}

}  // namespace

Result<Command> FromProto(const v1::Command& proto) {
  Command command;
  BOXOFFICE_ASSIGN(command.body, ParseBody(proto));
  command.traceparent = proto.header().traceparent();
  return command;
}

v1::SeatOutcome SeatsToProto(const Outcome& outcome) {
  v1::SeatOutcome seats;
  seats.set_kind(rpc::KindToProto<v1::SeatOutcome>(outcome.kind));
  for (size_t i = 0; i < outcome.seats.size(); ++i) {
    FillPrice(*outcome.show->layout, outcome.seats[i], outcome.prices[i], *seats.add_seats());
  }
  seats.set_grace_ms(static_cast<uint32_t>(outcome.grace.count()));
  if (outcome.rung) seats.set_rung(std::string(RungName(*outcome.rung)));
  if (!outcome.alternative.empty()) {
    const Layout& layout = *outcome.show->layout;
    v1::SeatOffer& offer = *seats.mutable_alternative();
    offer.set_rung(std::string(RungName(RungOf(layout, outcome.alternative))));
    int64_t amount = 0;
    for (const SeatNo seat_no : outcome.alternative) {
      FillPrice(layout, seat_no, layout.PriceOf(seat_no), *offer.add_seats());
      amount += layout.PriceOf(seat_no);
    }
    offer.set_amount(amount);
  }
  seats.set_amount(outcome.amount);
  if (outcome.show) seats.set_currency(std::string(outcome.show->currency.code()));
  seats.set_hold_expires_at_ms(ToUnixMs(outcome.hold_expires_at));
  seats.set_refusal(std::string(RefusalName(outcome.refusal)));
  if (!outcome.channel.empty()) {
    seats.set_detail(fmt::format("kept for the channel {}: give them back from it first", outcome.channel));
  }
  for (const Conflict& conflict : outcome.conflicts) {
    v1::SeatConflict& one = *seats.add_conflicts();
    one.set_seat_no(conflict.seat_no);
    const bool known = outcome.show && outcome.show->layout->Has(conflict.seat_no);
    if (known) one.set_label(outcome.show->layout->LabelOf(conflict.seat_no));
    one.set_reason(std::string(NameOf(conflict.reason)));
  }
  seats.set_seat_limit(outcome.seat_limit);
  seats.set_seats_owned(outcome.seats_owned);
  return seats;
}

v1::Outcome ToProto(const Outcome& outcome) {
  v1::Outcome proto;
  *proto.mutable_seats() = SeatsToProto(outcome);
  return proto;
}

Result<NewShow> FromProto(const v1::CreateShowRequest& proto) {
  NewShow show;
  show.concert_id = proto.concert_id();
  show.starts_at = FromUnixMs(proto.starts_at_ms());
  show.on_sale_at = Time(proto.on_sale_at_ms());
  show.sale_ends_at = Time(proto.sale_ends_at_ms());
  show.currency = proto.currency();
  if (proto.seat_limit() != 0) show.seat_limit = proto.seat_limit();
  if (proto.hold_ttl_ms() != 0) show.hold_ttl = milliseconds(proto.hold_ttl_ms());
  show.cancel_deadline = Time(proto.cancel_deadline_ms());
  show.orphan_rule = proto.orphan_rule();
  show.draft = proto.draft();
  show.cancel_fee_per_seat = proto.cancel_fee_per_seat();
  show.cancel_fee_percent = proto.cancel_fee_percent();
  show.grace = milliseconds(proto.grace_ms());
  return show;
}

When FromProto(v1::ListConcertsRequest::When when) {
  if (when == v1::ListConcertsRequest::UPCOMING) return When::kUpcoming;
  if (when == v1::ListConcertsRequest::PAST) return When::kPast;
  return When::kAll;
}

ConcertChange FromProto(const v1::UpdateConcertRequest& proto) {
  ConcertChange change;
  if (proto.has_title()) change.title = proto.title();
  if (proto.has_artist()) change.artist = proto.artist();
  if (proto.has_venue()) change.venue = proto.venue();
  return change;
}

Result<TermsChange> FromProto(const v1::UpdateShowRequest& proto) {
  TermsChange change;
  if (proto.has_on_sale_at_ms()) change.on_sale_at = FromUnixMs(proto.on_sale_at_ms());
  if (proto.has_sale_ends_at_ms()) change.sale_ends_at = FromUnixMs(proto.sale_ends_at_ms());
  if (proto.has_seat_limit()) change.seat_limit = proto.seat_limit();
  if (proto.has_hold_ttl_ms()) change.hold_ttl = milliseconds(proto.hold_ttl_ms());
  if (proto.has_cancel_deadline_ms()) change.cancel_deadline = FromUnixMs(proto.cancel_deadline_ms());
  if (proto.has_orphan_rule()) change.orphan_rule = proto.orphan_rule();
  if (proto.has_cancel_fee_per_seat()) change.cancel_fee_per_seat = proto.cancel_fee_per_seat();
  if (proto.has_cancel_fee_percent()) change.cancel_fee_percent = proto.cancel_fee_percent();
  if (proto.has_grace_ms()) change.grace = milliseconds(proto.grace_ms());
  return change;
}

Result<BlockSeats> FromProto(const v1::BlockSeatsRequest& proto) {
  BlockSeats block;
  block.show_id = proto.show_id();
  block.release = proto.release();
  if (proto.seat_nos_size() > static_cast<int>(kMaxSeatsPerBlock)) {
    return InvalidField("seat_nos", fmt::format("has more than {} seats", kMaxSeatsPerBlock));
  }
  block.seats.assign(proto.seat_nos().begin(), proto.seat_nos().end());
  BOXOFFICE_ASSIGN(block.reason, rpc::ParseText("reason", proto.reason(), kMaxReasonBytes));
  BOXOFFICE_ASSIGN(block.operator_id, rpc::ParseText("operator_id", proto.operator_id(), kMaxUserIdBytes));
  return block;
}

Result<AssignChannel> FromProto(const v1::AssignChannelRequest& proto) {
  AssignChannel assign;
  assign.show_id = proto.show_id();
  assign.channel = proto.channel();
  assign.from_channel = proto.from_channel();
  if (proto.until_ms() < 0) return InvalidField("until_ms", "is negative");
  assign.until = FromUnixMs(proto.until_ms());
  if (proto.seat_nos_size() > static_cast<int>(kMaxSeatsPerBlock)) {
    return InvalidField("seat_nos", fmt::format("has more than {} seats", kMaxSeatsPerBlock));
  }
  assign.seats.assign(proto.seat_nos().begin(), proto.seat_nos().end());
  BOXOFFICE_ASSIGN(assign.reason, rpc::ParseText("reason", proto.reason(), kMaxReasonBytes));
  BOXOFFICE_ASSIGN(assign.operator_id, rpc::ParseText("operator_id", proto.operator_id(), kMaxUserIdBytes));
  return assign;
}

v1::Contingent ToProto(const SeatMap::Contingent& contingent) {
  v1::Contingent proto;
  proto.set_channel(contingent.channel);
  proto.set_seats(static_cast<uint32_t>(contingent.seats.size()));
  proto.mutable_free_seat_nos()->Assign(contingent.free.begin(), contingent.free.end());
  proto.set_next_until_ms(Ms(contingent.next_until));
  return proto;
}

v1::ListBlocksResponse ToProto(const BlockPage& page) {
  v1::ListBlocksResponse proto;
  for (const BlockNote& note : page.notes) {
    v1::Block& block = *proto.add_blocks();
    block.set_id(note.id);
    block.set_release(note.release);
    block.mutable_seat_nos()->Assign(note.seats.begin(), note.seats.end());
    block.set_reason(note.reason);
    block.set_operator_id(note.operator_id);
    block.set_at_ms(ToUnixMs(note.at));
    block.set_about_channel(note.about_channel);
    block.set_channel(note.channel);
  }
  proto.set_more(page.more);
  return proto;
}

Result<PriceChange> FromProto(const v1::ChangePricesRequest& proto) {
  PriceChange change;
  change.categories = Prices(proto.categories().begin(), proto.categories().end());
  change.price = proto.price();
  if (proto.seat_nos_size() > static_cast<int>(kMaxSeatsPerBlock)) {
    return InvalidField("seat_nos", fmt::format("has more than {} seats", kMaxSeatsPerBlock));
  }
  change.seats.assign(proto.seat_nos().begin(), proto.seat_nos().end());
  BOXOFFICE_ASSIGN(change.reason, rpc::ParseText("reason", proto.reason(), kMaxReasonBytes));
  BOXOFFICE_ASSIGN(change.operator_id, rpc::ParseText("operator_id", proto.operator_id(), kMaxUserIdBytes));
  return change;
}

v1::ListPriceChangesResponse ToProto(const PriceNotePage& page) {
  v1::ListPriceChangesResponse proto;
  for (const PriceNote& note : page.notes) {
    v1::PriceChange& change = *proto.add_changes();
    change.set_id(note.id);
    change.set_layout_version(note.layout_version);
    change.set_category(note.category);
    change.mutable_seat_nos()->Assign(note.seats.begin(), note.seats.end());
    change.set_price(note.price);
    change.set_reason(note.reason);
    change.set_operator_id(note.operator_id);
    change.set_at_ms(ToUnixMs(note.at));
  }
  proto.set_more(page.more);
  return proto;
}

v1::Show ToProto(const ShowView& view) {
  const Show& show = *view.show;
  v1::Show proto;
  proto.set_id(show.id);
  proto.set_concert_id(show.concert_id);
  proto.set_starts_at_ms(ToUnixMs(show.starts_at));
  proto.set_on_sale_at_ms(ToUnixMs(show.terms.on_sale_at));
  proto.set_sale_ends_at_ms(ToUnixMs(show.terms.sale_ends_at));
  proto.set_currency(std::string(show.currency.code()));
  proto.set_capacity(show.layout->capacity());
  proto.set_seat_limit(show.terms.seat_limit);
  proto.set_highest_seat_limit(show.terms.highest_seat_limit);
  proto.set_hold_ttl_ms(static_cast<uint32_t>(show.terms.hold_ttl.count()));
  proto.set_cancel_deadline_ms(Ms(show.terms.cancel_deadline));
  proto.set_state(StateToProto(view.state));
  for (const Category& category : show.layout->categories) {
    v1::PriceCategory& one = *proto.add_price_categories();
    one.set_name(category.name);
    one.set_color(category.color);
    one.set_price(category.price);
    one.set_seats(category.seats);
    one.set_lowest_price(category.lowest != 0 ? category.lowest : category.price);
    one.set_highest_price(category.highest != 0 ? category.highest : category.price);
  }
  proto.set_layout_version(show.layout->version);
  proto.set_free(view.counts.free);
  proto.set_held(view.counts.held);
  proto.set_sold(view.counts.sold);
  proto.set_next_release_at_ms(Ms(view.next_release_at));
  proto.set_first_sold_at_ms(Ms(view.marks.first_sold_at));
  proto.set_blocked(view.counts.blocked);
  proto.set_kept_for_channels(view.counts.kept);
  proto.set_orphan_rule(show.terms.orphan_rule);
  proto.set_cancel_fee_per_seat(show.terms.cancel_fee_per_seat);
  proto.set_cancel_fee_percent(show.terms.cancel_fee_percent);
  proto.set_grace_ms(static_cast<uint32_t>(show.terms.grace.count()));
  proto.set_waitlist_first(show.terms.waitlist_first);
  if (show.layout->stage) {
    proto.mutable_stage()->set_x(show.layout->stage->x);
    proto.mutable_stage()->set_y(show.layout->stage->y);
  }
  return proto;
}

v1::Concert ToProto(const ConcertView& view) {
  v1::Concert proto;
  proto.set_id(view.concert.id);
  proto.set_title(view.concert.title);
  proto.set_artist(view.concert.artist);
  proto.set_venue(view.concert.venue);
  for (const ShowView& show : view.shows) *proto.add_shows() = ToProto(show);
  return proto;
}

v1::SeatMap ToProto(const SeatMapView& view, bool with_layout) {
  v1::SeatMap proto;
  proto.set_version(view.version);
  proto.set_layout_version(view.show->layout->version);
  if (!view.seats) return proto;
  proto.set_show_id(view.show->id);
  proto.set_states(view.seats->states);
  proto.set_free(view.seats->counts.free);
  proto.set_held(view.seats->counts.held);
  proto.set_sold(view.seats->counts.sold);
  proto.set_next_release_at_ms(Ms(view.seats->next_release_at));
  proto.set_blocked(view.seats->counts.blocked);
  if (with_layout) AddLayout(*view.show->layout, proto);
  return proto;
}

v1::AuditResponse ToProto(const AuditPage& page) {
  v1::AuditResponse proto;
  for (const SeatRow& seat : page.rows) {
    v1::AuditResponse::Row& row = *proto.add_rows();
    row.set_show_id(seat.key.show_id);
    row.set_seat_no(seat.key.seat_no);
    row.set_sold(seat.state == SeatState::kSold);
    row.set_reservation_id(std::string(seat.reservation.bytes()));
    row.set_user_id(seat.user_id);
    row.set_hold_expires_at_ms(seat.state == SeatState::kHeld ? ToUnixMs(seat.hold_expires_at) : 0);
    if (!page.show || !page.show->layout->Has(seat.key.seat_no)) continue;
    row.set_price(PriceOf(seat, *page.show->layout));
  }
  proto.set_more(page.more);
  for (const ShowView& show : page.shows) *proto.add_shows() = ToProto(show);
  return proto;
}

}  // namespace boxoffice::seat

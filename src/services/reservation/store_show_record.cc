#include "services/reservation/store_show_record.h"

namespace boxoffice::reservation {
namespace {

CancellationState StateFrom(std::string_view name) {
  for (const CancellationState state : {CancellationState::kDone, CancellationState::kRefused}) {
    if (CancellationStateName(state) == name) return state;
  }
  return CancellationState::kRunning;
}

Cancellation CancellationFrom(const v1::ShowCancellation& proto) {
  Cancellation cancellation;
  cancellation.state = StateFrom(proto.state());
  cancellation.reason = proto.reason();
  cancellation.operator_id = proto.operator_id();
  cancellation.started_at = FromUnixMs(proto.started_at_ms());
  cancellation.finished_at = FromUnixMs(proto.finished_at_ms());
  cancellation.progress.refunded = proto.refunded();
  cancellation.progress.released = proto.released();
  cancellation.progress.waiting = proto.waiting();
  cancellation.progress.parked = proto.parked();
  for (const auto& amount : proto.refunded_amounts()) {
    cancellation.progress.refunded_amounts[amount.currency()] = amount.amount();
  }
  cancellation.last_error = proto.last_error();
  return cancellation;
}

std::unexpected<Error> Unreadable() {
  return Fail(Code::kInternal, "record_unreadable", "a record of a show's work can't be parsed");
}

bool Parse(google::protobuf::MessageLite& message, std::string_view bytes) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

v1::ShowCancellation ToProto(int64_t show_id, const Cancellation& cancellation) {
  v1::ShowCancellation proto;
  proto.set_show_id(show_id);
  proto.set_state(std::string(CancellationStateName(cancellation.state)));
  proto.set_reason(cancellation.reason);
  proto.set_operator_id(cancellation.operator_id);
  proto.set_started_at_ms(ToUnixMs(cancellation.started_at));
  proto.set_finished_at_ms(ToUnixMs(cancellation.finished_at));
  const CancellationProgress& progress = cancellation.progress;
  proto.set_total(progress.refunded + progress.released + progress.waiting + progress.parked);
  proto.set_refunded(progress.refunded);
  proto.set_released(progress.released);
  proto.set_waiting(progress.waiting);
  proto.set_parked(progress.parked);
  for (const auto& [currency, amount] : progress.refunded_amounts) {
    auto& row = *proto.add_refunded_amounts();
    row.set_currency(currency);
    row.set_amount(amount);
  }
  proto.set_last_error(cancellation.last_error);
  return proto;
}

v1::WaitlistEntry ToProto(const WaitlistEntry& entry) {
  v1::WaitlistEntry proto;
  proto.set_show_id(entry.show_id);
  proto.set_place(entry.place);
  proto.set_user_id(entry.user_id);
  proto.mutable_wish()->set_count(entry.wish.best_count);
  proto.mutable_wish()->set_section(entry.wish.section);
  proto.mutable_wish()->set_category(entry.wish.category);
  proto.mutable_wish()->set_max_price(entry.wish.max_price);
  proto.set_state(static_cast<v1::WaitlistState>(entry.state));
  if (!entry.reservation.IsNil()) proto.set_reservation_id(std::string(entry.reservation.bytes()));
  proto.set_offered_until_ms(ToUnixMs(entry.offered_until));
  proto.set_ended_because(entry.ended_because);
  proto.set_joined_at_ms(ToUnixMs(entry.joined_at));
  proto.set_updated_at_ms(ToUnixMs(entry.updated_at));
  return proto;
}

SeatChoice WishFrom(const seat::v1::BestAvailable& wish) {
  SeatChoice choice;
  choice.best_count = wish.count();
  choice.section = wish.section();
  choice.category = wish.category();
  choice.max_price = wish.max_price();
  return choice;
}

SeatChoice WishFrom(int64_t seats, std::string_view section, std::string_view category,
                    int64_t price_column) {
  SeatChoice wish;
  wish.best_count = static_cast<uint32_t>(seats);
  wish.section = section;
  wish.category = category;
  wish.max_price = price_column == kAnyPrice ? 0 : price_column;
  return wish;
}

std::string_view ConditionOf(Places which) {
  switch (which) {
    case Places::kAll:
      break;
    case Places::kOpen:
      return " AND state < 3";
    case Places::kOffered:
      return " AND state = 2";
    case Places::kUnindexed:
      return " AND state < 3 AND indexed_version <> version";
  }
  return "";
}

std::string EncodeWork(const ShowWork& work) {
  v1::ShowWorkRecord record;
  record.set_owner(work.owner);
  record.set_tries(work.tries);
  if (work.key.kind == WorkKind::kCancellation) {
    *record.mutable_cancellation() = ToProto(work.key.show_id, work.cancellation);
  }
  record.set_places(work.places);
  record.set_closed_at_ms(ToUnixMs(work.cancellation.closed_at));
  return record.SerializeAsString();
}

std::string EncodeEntry(const WaitlistEntry& entry) {
  v1::WaitlistRecord record;
  *record.mutable_entry() = ToProto(entry);
  return record.SerializeAsString();
}

Result<ShowWork> DecodeWork(const WorkKey& key, uint64_t version, uint64_t epoch,
                            std::optional<Timestamp> due_at, std::string_view bytes) {
  v1::ShowWorkRecord record;
  if (!Parse(record, bytes)) return Unreadable();
  ShowWork work;
  work.key = key;
  work.version = version;
  work.epoch = epoch;
  work.owner = record.owner();
  work.tries = record.tries();
  work.due_at = due_at;
  work.cancellation = CancellationFrom(record.cancellation());
  work.cancellation.closed_at = FromUnixMs(record.closed_at_ms());
  work.places = record.places();
  return work;
}

Result<WaitlistEntry> DecodeEntry(uint64_t version, std::string_view bytes) {
  v1::WaitlistRecord record;
  if (!Parse(record, bytes)) return Unreadable();
  const v1::WaitlistEntry& proto = record.entry();
  WaitlistEntry entry;
  entry.show_id = proto.show_id();
  entry.place = proto.place();
  entry.user_id = proto.user_id();
  entry.wish = WishFrom(proto.wish());
  entry.state = static_cast<EntryState>(proto.state());
  entry.reservation = ReservationId::FromBytes(proto.reservation_id()).value_or(ReservationId());
  entry.offered_until = FromUnixMs(proto.offered_until_ms());
  entry.ended_because = proto.ended_because();
  entry.joined_at = FromUnixMs(proto.joined_at_ms());
  entry.updated_at = FromUnixMs(proto.updated_at_ms());
  entry.version = version;
  return entry;
}

}  // namespace boxoffice::reservation

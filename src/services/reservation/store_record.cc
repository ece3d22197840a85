#include "services/reservation/store_record.h"

#include <algorithm>

#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include "boxoffice/bus/v1/events.pb.h"

namespace boxoffice::reservation {
namespace {

template <typename IdType>
IdType IdFrom(const std::string& bytes) {
  return IdType::FromBytes(bytes).value_or(IdType());
}

// Protobuf keeps the fields that it does not know, message by message.
std::string UnknownFieldsOf(const google::protobuf::Message& message) {
  std::string fields;
  const google::protobuf::UnknownFieldSet& unknown = message.GetReflection()->GetUnknownFields(message);
  if (!unknown.empty()) unknown.SerializeToString(&fields);
  return fields;
}
void AddUnknownFields(const std::string& fields, google::protobuf::Message& message) {
  if (!fields.empty()) message.GetReflection()->MutableUnknownFields(&message)->ParseFromString(fields);
}

int64_t OptionalMs(Timestamp t) { return ToUnixMs(t); }

void SagaToProto(const Reservation& reservation, v1::Saga& proto) {
  const Saga& saga = reservation.saga;
  proto.set_id(std::string(saga.id.bytes()));
  proto.set_kind(std::string(KindName(saga.kind)));
  proto.set_attempt(saga.attempt);
  proto.set_status(std::string(StatusName(saga.status)));
  for (const TimelineEntry& entry : saga.timeline) {
    v1::TimelineEntry& row = *proto.add_timeline();
    row.set_step(entry.step);
    row.set_undo(entry.undo);
    row.set_outcome(entry.outcome);
    row.set_detail(entry.detail);
    row.set_at_ms(ToUnixMs(entry.at));
    row.set_duration_us(entry.duration_us);
  }
  proto.set_epoch(saga.epoch);
  proto.set_owner(saga.owner);
  const int64_t due_ms = reservation.due_at ? ToUnixMs(*reservation.due_at) : 0;
  // One clock serves both: while a saga runs it is the lease, while it waits it is the next retry.
  proto.set_lease_until_ms(saga.status == SagaStatus::kRunning ? due_ms : 0);
  proto.set_next_retry_at_ms(saga.status == SagaStatus::kRunning && saga.tries > 0 ? due_ms : 0);
  proto.set_tries(saga.tries);
  proto.set_last_error(saga.last_error);
  proto.set_started_at_ms(ToUnixMs(saga.started_at));
  proto.set_definition_version(static_cast<uint32_t>(saga.definition_version));
  proto.set_deadline_ms(OptionalMs(saga.deadline));
  AddUnknownFields(saga.unknown_fields, proto);
}

SagaKind KindFrom(std::string_view name) {
  for (const SagaKind kind :
       {SagaKind::kHold, SagaKind::kOneShot, SagaKind::kConfirm, SagaKind::kCancel, SagaKind::kRelease,
        SagaKind::kExpire, SagaKind::kCancelSeats, SagaKind::kMove, SagaKind::kOffer}) {
    if (KindName(kind) == name) return kind;
  }
  return SagaKind::kUnknown;
}

SagaStatus StatusFrom(std::string_view name) {
  for (const SagaStatus status : {SagaStatus::kDone, SagaStatus::kParked}) {
    if (StatusName(status) == name) return status;
  }
  return SagaStatus::kRunning;
}

Saga SagaFrom(const v1::Record& record) {
  const v1::Saga& proto = record.reservation().saga();
  Saga saga;
  saga.id = IdFrom<SagaId>(proto.id());
  saga.kind = KindFrom(proto.kind());
  saga.definition_version = static_cast<int>(proto.definition_version());
  saga.attempt = proto.attempt();
  saga.status = StatusFrom(proto.status());
  saga.undoing = record.undoing();
  saga.undo_from = record.undo_from();
  saga.undo_to = record.undo_to();
  saga.undone_state = static_cast<State>(record.undone_state());
  saga.epoch = proto.epoch();
  saga.owner = proto.owner();
  saga.tries = proto.tries();
  saga.started_at = FromUnixMs(proto.started_at_ms());
  saga.deadline = FromUnixMs(record.deadline_ms());
  saga.last_error = proto.last_error();
  for (const v1::TimelineEntry& row : proto.timeline()) {
    saga.timeline.push_back(
        {row.step(), row.undo(), row.outcome(), row.detail(), FromUnixMs(row.at_ms()), row.duration_us()});
  }
  saga.idempotency_key = record.idempotency_key();
  saga.asked_by = record.asked_by();
  saga.traceparent = record.traceparent();
  saga.unknown_fields = UnknownFieldsOf(proto);
  return saga;
}

Seat SeatFrom(const seat::v1::SeatPrice& seat) {
  return {seat.seat_no(), seat.label(), seat.price(), seat.category()};
}
void FillSeat(const Seat& seat, seat::v1::SeatPrice& row) {
  row.set_seat_no(seat.seat_no);
  row.set_label(seat.label);
  row.set_price(seat.price);
  row.set_category(seat.category);
}

}  // namespace

Refusal RefusalFrom(const v1::Refusal& proto) {
  Refusal refusal;
  refusal.code = proto.code();
  refusal.detail = proto.detail();
  for (const auto& conflict : proto.conflicts()) {
    refusal.conflicts.push_back({conflict.seat_no(), conflict.label(), conflict.reason()});
  }
  refusal.balance = proto.balance();
  refusal.needed = proto.needed();
  refusal.provider_code = proto.provider_code();
  refusal.queue_state = proto.queue_state();
  refusal.seat_limit = proto.seat_limit();
  refusal.seats_owned = proto.seats_owned();
  refusal.alternative.rung = proto.alternative().rung();
  for (const auto& seat : proto.alternative().seats()) refusal.alternative.seats.push_back(SeatFrom(seat));
  refusal.alternative.amount = proto.alternative().amount();
  return refusal;
}

v1::Refusal ToProto(const Refusal& refusal) {
  v1::Refusal proto;
  proto.set_code(refusal.code);
  proto.set_detail(refusal.detail);
  for (const SeatConflict& conflict : refusal.conflicts) {
    auto& row = *proto.add_conflicts();
    row.set_seat_no(conflict.seat_no);
    row.set_label(conflict.label);
    row.set_reason(conflict.reason);
  }
  proto.set_balance(refusal.balance);
  proto.set_needed(refusal.needed);
  proto.set_provider_code(refusal.provider_code);
  proto.set_queue_state(refusal.queue_state);
  proto.set_seat_limit(refusal.seat_limit);
  proto.set_seats_owned(refusal.seats_owned);
  if (!refusal.alternative.seats.empty()) {
    auto& offer = *proto.mutable_alternative();
    offer.set_rung(refusal.alternative.rung);
    for (const Seat& seat : refusal.alternative.seats) FillSeat(seat, *offer.add_seats());
    offer.set_amount(refusal.alternative.amount);
  }
  return proto;
}

v1::Return ToProto(const Return& returned) {
  v1::Return proto;
  for (const Seat& seat : returned.seats) FillSeat(seat, *proto.add_seats());
  proto.set_amount(returned.amount);
  proto.set_fee(returned.fee);
  return proto;
}

v1::Reservation ToProto(const Reservation& reservation) {
  v1::Reservation proto;
  proto.set_id(std::string(reservation.id.bytes()));
  proto.set_user_id(reservation.user_id);
  proto.set_show_id(reservation.show_id);
  for (const Seat& seat : reservation.seats) FillSeat(seat, *proto.add_seats());
  proto.set_rung(reservation.rung);
  proto.set_amount(reservation.amount);
  proto.set_currency(reservation.currency);
  proto.set_state(static_cast<v1::ReservationState>(static_cast<int>(reservation.state) + 1));
  proto.set_hold_expires_at_ms(OptionalMs(reservation.hold_expires_at));
  SagaToProto(reservation, *proto.mutable_saga());
  if (reservation.failure) *proto.mutable_failure() = ToProto(*reservation.failure);
  proto.set_created_at_ms(ToUnixMs(reservation.created_at));
  proto.set_updated_at_ms(ToUnixMs(reservation.updated_at));
  proto.set_version(reservation.version);
  proto.set_fees(reservation.fees);
  if (reservation.returned) *proto.mutable_returned() = ToProto(*reservation.returned);
  AddUnknownFields(reservation.unknown_fields, proto);
  return proto;
}

std::string Encode(const Reservation& reservation) {
  v1::Record record;
  *record.mutable_reservation() = ToProto(reservation);
  // In storage the lease column has its own meaning: due_at itself, or 0 for none.
  record.mutable_reservation()->mutable_saga()->set_lease_until_ms(
      reservation.due_at ? ToUnixMs(*reservation.due_at) : 0);
  // The record has its own: a replica of the release before would tell, and write back, this one as it was.
  record.mutable_reservation()->mutable_saga()->clear_deadline_ms();
  record.set_queue_token(reservation.queue_token);
  record.set_active_until_ms(ToUnixMs(reservation.active_until));
  record.set_payment_method(reservation.payment_method);
  for (const uint32_t seat_no : reservation.choice.seat_nos) record.add_chosen_seat_nos(seat_no);
  record.set_best_count(reservation.choice.best_count);
  record.set_section(reservation.choice.section);
  record.set_category(reservation.choice.category);
  record.set_max_price(reservation.choice.max_price);
  record.set_accessible(reservation.choice.accessible);
  for (const std::string& channel : reservation.choice.channels) record.add_channels(channel);
  record.set_paid_saga_id(std::string(reservation.paid_saga.bytes()));
  record.set_paid_attempt(reservation.paid_attempt);
  record.set_bound_saga_id(std::string(reservation.bound_saga.bytes()));
  record.set_undoing(reservation.saga.undoing);
  record.set_undo_from(reservation.saga.undo_from);
  record.set_undo_to(reservation.saga.undo_to);
  record.set_undone_state(static_cast<int>(reservation.saga.undone_state));
  record.set_deadline_ms(ToUnixMs(reservation.saga.deadline));
  record.set_idempotency_key(reservation.saga.idempotency_key);
  record.set_traceparent(reservation.saga.traceparent);
  record.set_asked_by(reservation.saga.asked_by);
  record.set_grace_ms(reservation.grace.count());
  const SeatMove& move = reservation.move;
  record.mutable_move_from_seat_nos()->Assign(move.from.begin(), move.from.end());
  record.mutable_move_to_seat_nos()->Assign(move.to.begin(), move.to.end());
  for (const Seat& seat : move.seats) FillSeat(seat, *record.add_moved_seats());
  record.set_from_waitlist(reservation.from_waitlist);
  AddUnknownFields(reservation.unknown_record_fields, record);
  return record.SerializeAsString();
}

Result<Reservation> Decode(std::string_view bytes) {
  v1::Record record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(Code::kInternal, "record_unreadable", "a reservation's record can't be parsed");
  }
  const v1::Reservation& proto = record.reservation();
  Reservation reservation;
  reservation.id = IdFrom<ReservationId>(proto.id());
  reservation.user_id = proto.user_id();
  reservation.show_id = proto.show_id();
  reservation.choice.seat_nos.assign(record.chosen_seat_nos().begin(), record.chosen_seat_nos().end());
  reservation.choice.best_count = record.best_count();
  reservation.choice.section = record.section();
  reservation.choice.category = record.category();
  reservation.choice.max_price = record.max_price();
  reservation.choice.accessible = record.accessible();
  reservation.choice.channels.assign(record.channels().begin(), record.channels().end());
  for (const auto& seat : proto.seats()) reservation.seats.push_back(SeatFrom(seat));
  reservation.rung = proto.rung();
  reservation.amount = proto.amount();
  reservation.currency = proto.currency();
  reservation.state = static_cast<State>(static_cast<int>(proto.state()) - 1);
  reservation.hold_expires_at = FromUnixMs(proto.hold_expires_at_ms());
  if (proto.has_failure()) reservation.failure = RefusalFrom(proto.failure());
  reservation.created_at = FromUnixMs(proto.created_at_ms());
  reservation.updated_at = FromUnixMs(proto.updated_at_ms());
  reservation.version = proto.version();
  reservation.queue_token = record.queue_token();
  reservation.active_until = FromUnixMs(record.active_until_ms());
  reservation.payment_method = record.payment_method();
  reservation.from_waitlist = record.from_waitlist();
  reservation.paid_saga = IdFrom<SagaId>(record.paid_saga_id());
  reservation.paid_attempt = record.paid_attempt();
  reservation.bound_saga = IdFrom<SagaId>(record.bound_saga_id());
  reservation.grace = milliseconds(record.grace_ms());
  reservation.fees = proto.fees();
  if (proto.has_returned()) {
    Return& returned = reservation.returned.emplace();
    for (const auto& seat : proto.returned().seats()) returned.seats.push_back(SeatFrom(seat));
    returned.amount = proto.returned().amount();
    returned.fee = proto.returned().fee();
  }
  SeatMove& move = reservation.move;
  move.from.assign(record.move_from_seat_nos().begin(), record.move_from_seat_nos().end());
  move.to.assign(record.move_to_seat_nos().begin(), record.move_to_seat_nos().end());
  for (const auto& seat : record.moved_seats()) move.seats.push_back(SeatFrom(seat));
  reservation.saga = SagaFrom(record);
  reservation.unknown_fields = UnknownFieldsOf(proto);
  reservation.unknown_record_fields = UnknownFieldsOf(record);
  if (proto.saga().lease_until_ms() != 0) reservation.due_at = FromUnixMs(proto.saga().lease_until_ms());
  return reservation;
}

std::optional<int64_t> DueColumn(const Reservation& reservation) {
  if (!reservation.due_at) return std::nullopt;
  return DueRangeOf(reservation.saga.definition_version) + ToUnixMs(*reservation.due_at);
}

void KeepOldest(std::vector<Reservation>& due, size_t limit) {
  std::ranges::stable_sort(due, {}, [](const Reservation& r) { return *r.due_at; });
  if (due.size() > limit) due.resize(limit);
}

Timestamp FromDueColumn(int64_t due) { return FromUnixMs(due % kDueRange); }

namespace {

// The first id that can be made then.
ReservationId FirstIdOf(Timestamp t) {
  std::string bytes(16, '\0');
  auto ms = static_cast<uint64_t>(ToUnixMs(t));
  for (size_t i = 6; i-- > 0; ms >>= 8) bytes[i] = static_cast<char>(ms & 0xff);
  return IdFrom<ReservationId>(bytes);
}

}  // namespace

IdRange RangeOf(const ListQuery& query) {
  // In ascending order of ids every id is below this one but itself, which nobody makes.
  static const ReservationId after_all = IdFrom<ReservationId>(std::string(16, '\xff'));
  IdRange range{FirstIdOf(query.created_from), query.before.value_or(after_all)};
  if (query.created_until) range.before = std::min(range.before, FirstIdOf(*query.created_until));
  return range;
}

void SetNext(Page& page, std::optional<ReservationId> cut) {
  if (page.more) cut = page.reservations.back().id;
  page.more = cut.has_value();
  page.next_before = cut;
}

std::string StateCondition(State state, bool of_one_user) {
  std::string is_so = fmt::format("state = {}", static_cast<int>(state));
  if (of_one_user) return is_so;
  // In the words of the index, which is of these states only.
  if (state > State::kConfirmed) is_so += " AND state > 2";
  // What is on its way is due, or its saga is parked: both have an index, and it is soon something else.
  if (state == State::kHeld || state == State::kConfirming) {
    is_so +=
        " AND id IN (SELECT id FROM reservation WHERE due_at_ms IS NOT NULL UNION ALL "
        "SELECT id FROM reservation WHERE saga_status <> 1)";
  }
  return is_so;
}

namespace {

// What was given back, beside or instead of what the reservation has.
void TellReturn(const Reservation& reservation, boxoffice::bus::v1::ReservationEvent& body) {
  const Return& returned = *reservation.returned;
  body.set_given_back(returned.amount);
  body.set_fee(returned.fee);
  if (reservation.saga.kind == SagaKind::kMove) {
    for (const Seat& seat : returned.seats) body.add_left_seat_nos(seat.seat_no);
    return;
  }
  body.clear_seat_nos();
  for (const Seat& seat : returned.seats) body.add_seat_nos(seat.seat_no);
  body.set_amount(returned.amount);
}

}  // namespace

bus::Event ToBusEvent(const std::string& type, const Reservation& reservation, EventId id) {
  boxoffice::bus::v1::ReservationEvent body;
  body.set_reservation_id(std::string(reservation.id.bytes()));
  body.set_user_id(reservation.user_id);
  body.set_show_id(reservation.show_id);
  for (const Seat& seat : reservation.seats) body.add_seat_nos(seat.seat_no);
  body.set_amount(reservation.amount);
  if (reservation.returned) TellReturn(reservation, body);
  body.set_currency(reservation.currency);
  body.set_saga_id(std::string(reservation.saga.id.bytes()));
  body.set_version(reservation.version);
  if (reservation.failure) body.set_failure_code(reservation.failure->code);
  body.set_at_ms(ToUnixMs(reservation.updated_at));
  body.set_from_waitlist(reservation.from_waitlist);
  if (reservation.from_waitlist) body.set_hold_expires_at_ms(ToUnixMs(reservation.hold_expires_at));
  return {.id = id,
          .topic = "reservation",
          .key = reservation.id.ToString(),
          .type = type,
          .traceparent = reservation.saga.traceparent,
          .body = body.SerializeAsString(),
          .time = reservation.updated_at};
}

}  // namespace boxoffice::reservation

#include "gateway/render.h"

#include <cmath>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/id.h"
#include "gateway/refusals.h"
#include "platform/http/utf8.h"

namespace boxoffice::gateway {
namespace {

using http::JsonWriter;

void WriteTimeline(JsonWriter& writer, const reservation::v1::Saga& saga) {
  writer.Key("timeline").BeginArray();
  for (const reservation::v1::TimelineEntry& entry : saga.timeline()) {
    writer.BeginObject()
        .Field("step", entry.step())
        .Field("undo", entry.undo())
        .Field("outcome", entry.outcome());
    writer.Field("detail", entry.detail());
    WriteTime(writer, "at", entry.at_ms());
    writer.Field("duration_us", entry.duration_us()).EndObject();
  }
  writer.EndArray();
}

void WriteSaga(JsonWriter& writer, const reservation::v1::Saga& saga, Audience audience) {
  writer.Key("saga").BeginObject();
  WriteUuid(writer, "id", saga.id());
  writer.Field("attempt", saga.attempt());
  WriteTimeline(writer, saga);
  if (audience == Audience::kOperator) {
    writer.Field("kind", saga.kind()).Field("status", saga.status()).Field("epoch", saga.epoch());
    writer.Field("owner", saga.owner());
    WriteTime(writer, "lease_until", saga.lease_until_ms());
    writer.Field("tries", saga.tries());
    WriteTime(writer, "next_retry_at", saga.next_retry_at_ms());
    writer.Field("last_error", saga.last_error());
    WriteTime(writer, "started_at", saga.started_at_ms());
    writer.Field("definition_version", saga.definition_version());
  }
  writer.EndObject();
}

}  // namespace

void WriteTime(JsonWriter& writer, std::string_view name, int64_t unix_ms) {
  writer.Key(name);
  if (unix_ms == 0) {
    writer.Null();
  } else {
    writer.Value(ToRfc3339(FromUnixMs(unix_ms)));
  }
}

void WriteNumberId(JsonWriter& writer, std::string_view name, int64_t id) {
  const fmt::format_int digits(id);
  writer.Key(name).Value(std::string_view(digits.data(), digits.size()));
}

void WriteUuid(JsonWriter& writer, std::string_view name, std::string_view bytes) {
  writer.Key(name);
  const std::optional<Uuid> uuid = Uuid::FromBytes(bytes);
  if (uuid && !uuid->IsNil()) {
    writer.Value(uuid->ToString());
  } else {
    writer.Null();
  }
}

void WriteDouble(JsonWriter& writer, std::string_view name, double value) {
  writer.Key(name);
  if (std::isfinite(value)) {
    writer.Raw(fmt::format("{}", value));
  } else {
    writer.Null();
  }
}

namespace {

void WriteSeats(JsonWriter& writer, const auto& seats) {
  writer.Key("seats").BeginArray();
  for (const seat::v1::SeatPrice& seat : seats) {
    writer.BeginObject()
        .Field("seat_no", seat.seat_no())
        .Field("label", seat.label())
        .Field("price", seat.price());
    writer.EndObject();
  }
  writer.EndArray();
}

}  // namespace

void WriteReturn(JsonWriter& writer, const reservation::v1::Return& returned) {
  WriteSeats(writer, returned.seats());
  writer.Field("amount", returned.amount()).Field("fee", returned.fee());
}

void WriteReservation(JsonWriter& writer, const reservation::v1::Reservation& reservation,
                      Audience audience) {
  writer.BeginObject();
  WriteUuid(writer, "id", reservation.id());
  if (audience == Audience::kOperator) writer.Field("user_id", reservation.user_id());
  WriteNumberId(writer, "show_id", reservation.show_id());
  WriteSeats(writer, reservation.seats());
  writer.Key("rung");
  if (reservation.rung().empty()) {
    writer.Null();
  } else {
    writer.Value(reservation.rung());
  }
  writer.Field("amount", reservation.amount()).Field("currency", reservation.currency());
  writer.Field("fees", reservation.fees());
  writer.Key("returned");
  if (reservation.has_returned()) {
    writer.BeginObject();
    WriteReturn(writer, reservation.returned());
    writer.EndObject();
  } else {
    writer.Null();
  }
  writer.Field("state", reservation::v1::ReservationState_Name(reservation.state()));
  WriteTime(writer, "hold_expires_at", reservation.hold_expires_at_ms());
  WriteSaga(writer, reservation.saga(), audience);
  writer.Key("failure");
  if (reservation.has_failure()) {
    const reservation::v1::Refusal& failure = reservation.failure();
    writer.BeginObject().Field("code", StableCode(failure.code())).Field("detail", failure.detail());
    writer.EndObject();
  } else {
    writer.Null();
  }
  WriteTime(writer, "created_at", reservation.created_at_ms());
  WriteTime(writer, "updated_at", reservation.updated_at_ms());
  if (audience == Audience::kOperator) writer.Field("version", reservation.version());
  writer.EndObject();
}

void WriteConcert(JsonWriter& writer, const seat::v1::Concert& concert) {
  writer.BeginObject();
  WriteNumberId(writer, "id", concert.id());
  writer.Field("title", concert.title()).Field("artist", concert.artist()).Field("venue", concert.venue());
  writer.Key("shows").BeginArray();
  for (const seat::v1::Show& show : concert.shows()) WriteShow(writer, show);
  writer.EndArray().EndObject();
}

void WriteShow(JsonWriter& writer, const seat::v1::Show& show, std::optional<uint32_t> changed_seats) {
  writer.BeginObject();
  WriteNumberId(writer, "id", show.id());
  WriteNumberId(writer, "concert_id", show.concert_id());
  writer.Field("state", seat::v1::ShowState_Name(show.state()));
  WriteTime(writer, "starts_at", show.starts_at_ms());
  WriteTime(writer, "on_sale_at", show.on_sale_at_ms());
  WriteTime(writer, "sale_ends_at", show.sale_ends_at_ms());
  WriteTime(writer, "cancel_deadline", show.cancel_deadline_ms());
  writer.Field("currency", show.currency()).Field("capacity", show.capacity());
  writer.Field("seat_limit", show.seat_limit());
  WriteDouble(writer, "hold_ttl_s", show.hold_ttl_ms() / 1000.0);
  writer.Key("price_categories").BeginArray();
  for (const seat::v1::PriceCategory& category : show.price_categories()) {
    writer.BeginObject().Field("name", category.name()).Field("color", category.color());
    writer.Field("price", category.price()).Field("seats", category.seats());
    // 0: a replica of the version before does not tell them.
    const int64_t lowest = category.lowest_price() != 0 ? category.lowest_price() : category.price();
    const int64_t highest = category.highest_price() != 0 ? category.highest_price() : category.price();
    writer.Field("lowest_price", lowest).Field("highest_price", highest).EndObject();
  }
  writer.EndArray().Field("layout_version", show.layout_version()).Key("stage");
  if (show.has_stage()) {
    writer.BeginObject();
    WriteDouble(writer, "x", show.stage().x());
    WriteDouble(writer, "y", show.stage().y());
    writer.EndObject();
  } else {
    writer.Null();
  }
  writer.Field("orphan_rule", show.orphan_rule());
  writer.Field("cancel_fee_per_seat", show.cancel_fee_per_seat());
  writer.Field("cancel_fee_percent", show.cancel_fee_percent());
  WriteDouble(writer, "grace_s", show.grace_ms() / 1000.0);
  writer.Field("waitlist_first", show.waitlist_first());
  writer.Field("free", show.free()).Field("held", show.held()).Field("sold", show.sold());
  writer.Field("blocked", show.blocked()).Field("kept_for_channels", show.kept_for_channels());
  WriteTime(writer, "next_release_at", show.next_release_at_ms());
  WriteTime(writer, "first_sold_at", show.first_sold_at_ms());
  if (changed_seats) writer.Field("changed_seats", *changed_seats);
  writer.EndObject();
}

namespace {

// `queue`'s member "draw": null where there is none.
void WriteDraw(JsonWriter& writer, const queue::v1::Queue& queue) {
  writer.Key("draw");
  if (!queue.has_draw()) {
    writer.Null();
    return;
  }
  const queue::v1::Draw& draw = queue.draw();
  writer.BeginObject().Field("algorithm", "hmac-sha256-of-number").Field("commitment", draw.commitment());
  writer.Field("first", draw.first()).Field("entrants", draw.entrants()).Key("seed");
  if (draw.seed().empty()) {
    writer.Null();
  } else {
    writer.Value(draw.seed());
  }
  WriteTime(writer, "drawn_at", draw.drawn_at_ms());
  writer.EndObject();
}

}  // namespace

void WriteQueueView(JsonWriter& writer, const queue::v1::Queue& queue) {
  writer.BeginObject();
  WriteNumberId(writer, "show_id", queue.show_id());
  writer.Field("state", queue::v1::QueueState_Name(queue.state()));
  WriteTime(writer, "opens_at", queue.opens_at_ms());
  writer.Field("waiting", queue.waiting());
  WriteDraw(writer, queue);
  writer.EndObject();
}

void WriteQueue(JsonWriter& writer, const queue::v1::Queue& queue) {
  writer.BeginObject();
  WriteNumberId(writer, "show_id", queue.show_id());
  writer.Field("state", queue::v1::QueueState_Name(queue.state()));
  WriteDouble(writer, "rate_per_s", queue.rate_per_s());
  writer.Field("active_cap", queue.active_cap()).Field("head_sequence", queue.head_sequence());
  writer.Field("last_sequence", queue.last_sequence()).Field("waiting", queue.waiting());
  writer.Field("active", queue.active())
      .Field("completed", queue.completed())
      .Field("expired", queue.expired());
  WriteDouble(writer, "admitted_per_s", queue.admitted_per_s());
  writer.Field("joined", queue.last_sequence())
      .Field("admitted", queue.admitted())
      .Field("left", queue.left());
  WriteTime(writer, "opens_at", queue.opens_at_ms());
  WriteDraw(writer, queue);
  writer.EndObject();
}

void WriteSession(JsonWriter& writer, int64_t show_id, const queue::v1::Session& session,
                  seat::v1::ShowState show_state, std::string_view admission) {
  writer.BeginObject();
  WriteNumberId(writer, "show_id", show_id);
  writer.Field("token", session.token()).Field("state", queue::v1::SessionState_Name(session.state()));
  writer.Field("position", session.position()).Field("eta_s", session.eta_s());
  writer.Field("refresh_interval_s", session.refresh_interval_s());
  WriteTime(writer, "expires_at", session.expires_at_ms());
  writer.Field("number", session.sequence()).Field("place", session.place());
  writer.Key("queue_state");
  if (session.queue_state() == queue::v1::QUEUE_STATE_UNSPECIFIED) {
    writer.Null();  // a queue of the release before does not tell
  } else {
    writer.Value(queue::v1::QueueState_Name(session.queue_state()));
  }
  WriteTime(writer, "opens_at", session.opens_at_ms());
  writer.Key("show_state");
  if (show_state == seat::v1::SHOW_STATE_UNSPECIFIED) {
    writer.Null();  // nobody has asked for it yet
  } else {
    writer.Value(seat::v1::ShowState_Name(show_state));
  }
  if (admission.empty()) {
    writer.Key("admission").Null();
  } else {
    writer.Field("admission", admission);
  }
  writer.EndObject();
}

void WriteTarget(JsonWriter& writer, const relay::v1::Target& target) {
  writer.BeginObject();
  WriteNumberId(writer, "id", target.id());
  writer.Field("url", target.url()).Key("event_types").BeginArray();
  for (const std::string& type : target.event_types()) writer.Value(type);
  writer.EndArray().Key("show_ids").BeginArray();
  for (const int64_t id : target.show_ids()) writer.Value(fmt::to_string(id));
  writer.EndArray().Field("payload", target.payload());
  WriteDouble(writer, "rate_per_s", target.rate_per_s());
  writer.Field("enabled", target.enabled()).Field("disabled_reason", target.disabled_reason());
  if (!target.secret().empty()) writer.Field("secret", target.secret());
  WriteTime(writer, "old_secret_until", target.old_secret_until_ms());
  WriteTime(writer, "paused_until", target.paused_until_ms());
  WriteTime(writer, "created_at", target.created_at_ms());
  writer.EndObject();
}

void WriteDelivery(JsonWriter& writer, const relay::v1::Delivery& delivery) {
  writer.BeginObject();
  WriteNumberId(writer, "id", delivery.id());
  WriteNumberId(writer, "target_id", delivery.target_id());
  writer.Field("event_id", delivery.event_id()).Field("event_type", delivery.event_type());
  writer.Field("state", delivery.state()).Field("attempts", delivery.attempts());
  WriteTime(writer, "next_attempt_at", delivery.next_attempt_at_ms());
  writer.Field("last_status", delivery.last_status()).Field("last_error", delivery.last_error());
  WriteTime(writer, "created_at", delivery.created_at_ms());
  WriteTime(writer, "delivered_at", delivery.delivered_at_ms());
  if (!delivery.body().empty()) writer.Field("body", delivery.body());
  writer.EndObject();
}

void WriteOutbox(JsonWriter& writer, const OutboxRow& row) {
  writer.BeginObject().Field("service", row.service).Key("pending");
  if (row.status) {
    writer.Value(row.status->pending());
  } else {
    writer.Null();
  }
  if (row.status && row.status->has_oldest_age_ms()) {
    WriteDouble(writer, "oldest_age_s", static_cast<double>(row.status->oldest_age_ms()) / 1000.0);
  } else {
    writer.Key("oldest_age_s").Null();
  }
  writer.Key("problem");
  if (row.status) {
    writer.Null();
  } else {
    writer.Value(row.status.error().reason);
  }
  writer.EndObject();
}

void WriteDeadLetter(JsonWriter& writer, const bus::DeadLetter& letter) {
  const bus::Event& event = letter.record.event;
  // Whoever may write to the bus wrote these texts, in whatever bytes.
  writer.BeginObject();
  WriteNumberId(writer, "id", letter.id);
  writer.Field("group", letter.group).Field("topic", event.topic).Field("key", http::ToUtf8(event.key));
  writer.Field("event_id", event.id.ToString()).Field("event_type", http::ToUtf8(event.type));
  writer.Key("error").BeginObject().Field("code", http::ToUtf8(letter.error.reason));
  writer.Field("detail", http::ToUtf8(letter.error.detail));
  writer.EndObject().Field("attempts", letter.attempts);
  WriteTime(writer, "parked_at", ToUnixMs(letter.parked_at));
  writer.EndObject();
}

namespace {

void WriteConflicts(JsonWriter& writer, const reservation::v1::Refusal& refusal) {
  writer.Key("conflicts").BeginArray();
  for (const seat::v1::SeatConflict& conflict : refusal.conflicts()) {
    writer.BeginObject().Field("seat_no", conflict.seat_no()).Field("label", conflict.label());
    writer.Field("reason", conflict.reason()).EndObject();
  }
  writer.EndArray();
}

void WriteAlternative(JsonWriter& writer, const seat::v1::SeatOffer& offer) {
  writer.Key("alternative").BeginObject().Field("rung", offer.rung()).Key("seats").BeginArray();
  for (const seat::v1::SeatPrice& seat : offer.seats()) {
    writer.BeginObject().Field("seat_no", seat.seat_no()).Field("label", seat.label());
    writer.Field("price", seat.price()).Field("category", seat.category()).EndObject();
  }
  writer.EndArray().Field("amount", offer.amount()).EndObject();
}

void WriteRefusalMembers(JsonWriter& writer, const reservation::v1::Refusal& refusal) {
  if (!refusal.conflicts().empty()) WriteConflicts(writer, refusal);
  if (refusal.has_alternative()) WriteAlternative(writer, refusal.alternative());
  if (refusal.code() == "balance_too_low") {
    writer.Field("balance", refusal.balance()).Field("needed", refusal.needed());
  }
  if (!refusal.provider_code().empty()) writer.Field("provider_code", refusal.provider_code());
  if (!refusal.queue_state().empty()) {
    writer.Field("queue_state", refusal.queue_state());
  } else {
    WriteEndedPlace(writer, refusal.code());
  }
  if (refusal.code() == "seat_limit") {
    writer.Field("seat_limit", refusal.seat_limit()).Field("seats_owned", refusal.seats_owned());
  }
}

}  // namespace

void WriteEndedPlace(JsonWriter& writer, std::string_view refusal) {
  if (refusal == "token_expired" || refusal == "token_unknown") writer.Field("queue_state", "EXPIRED");
}

http::Response RefusalResponse(const reservation::v1::Refusal& refusal, const http::ProblemMembers& members) {
  return RefusalResponse(refusal.code(), refusal.detail(), [&](JsonWriter& writer) {
    WriteRefusalMembers(writer, refusal);
    if (members) members(writer);
  });
}

}  // namespace boxoffice::gateway

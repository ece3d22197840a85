// The services' answers as JSON: shapes, no decisions. openapi/boxoffice.yaml names every field; a test
// compares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "boxoffice/outbox/v1/outbox.pb.h"
#include "boxoffice/queue/v1/queue.pb.h"
#include "boxoffice/relay/v1/relay.pb.h"
#include "boxoffice/reservation/v1/reservation.pb.h"
#include "boxoffice/seat/v1/seat.pb.h"
#include "platform/bus/bus.h"
#include "platform/http/json_writer.h"
#include "platform/http/problem.h"

namespace boxoffice::gateway {

// Milliseconds since 1970 as a time in quotes; null for 0.
void WriteTime(http::JsonWriter& writer, std::string_view name, int64_t unix_ms);
// A number of ours as a string, which no reader rounds.
void WriteNumberId(http::JsonWriter& writer, std::string_view name, int64_t id);
// 16 bytes as a UUID; null if they are none.
void WriteUuid(http::JsonWriter& writer, std::string_view name, std::string_view bytes);
// A finite number; null otherwise.
void WriteDouble(http::JsonWriter& writer, std::string_view name, double value);

// What buyers see, and what operators see besides.
enum class Audience { kBuyer, kOperator };

void WriteReservation(http::JsonWriter& writer, const reservation::v1::Reservation& reservation,
                      Audience audience);
void WriteShowCancellation(http::JsonWriter& writer, const reservation::v1::ShowCancellation& cancellation);
void WriteWaitlistEntry(http::JsonWriter& writer, const reservation::v1::WaitlistEntry& entry,
                        Audience audience);
// The members seats, amount and fee of what is given back.
void WriteReturn(http::JsonWriter& writer, const reservation::v1::Return& returned);
void WriteConcert(http::JsonWriter& writer, const seat::v1::Concert& concert);
// `changed_seats`: after a change of its seats, of how many.
void WriteShow(http::JsonWriter& writer, const seat::v1::Show& show,
               std::optional<uint32_t> changed_seats = std::nullopt);
void WriteQueue(http::JsonWriter& writer, const queue::v1::Queue& queue);
// As everybody may see it.
void WriteQueueView(http::JsonWriter& writer, const queue::v1::Queue& queue);
// `admission`: the token that says that the session is ACTIVE; empty: it is not.
void WriteSession(http::JsonWriter& writer, int64_t show_id, const queue::v1::Session& session,
                  seat::v1::ShowState show_state, std::string_view admission);
void WriteTarget(http::JsonWriter& writer, const relay::v1::Target& target);
void WriteDelivery(http::JsonWriter& writer, const relay::v1::Delivery& delivery);
void WriteDeadLetter(http::JsonWriter& writer, const bus::DeadLetter& letter);

// Of one service: its answer, or why there is none.
struct OutboxRow {
  std::string service;
  Result<outbox::v1::OutboxStatus> status;
};
void WriteOutbox(http::JsonWriter& writer, const OutboxRow& row);

// Of a problem whose refusal says that a place in the queue has ended for good: that as the state that
// clients know.
void WriteEndedPlace(http::JsonWriter& writer, std::string_view refusal);

// The answer to a refusal, with the members that its code calls for (conflicts, alternative, balance, needed,
// provider_code, queue_state, seat_limit, seats_owned), and further ones.
[[nodiscard]] http::Response RefusalResponse(const reservation::v1::Refusal& refusal,
                                             const http::ProblemMembers& members = {});

// {"items":[…],"next_cursor":…}: `write` appends one item. An empty cursor: this is the last page.
template <typename Items, typename Write>
[[nodiscard]] http::Response ListResponse(const Items& items, std::string_view next_cursor, Write write) {
  http::JsonWriter writer;
  writer.BeginObject().Key("items").BeginArray();
  for (const auto& item : items) write(writer, item);
  writer.EndArray().Key("next_cursor");
  if (next_cursor.empty()) {
    writer.Null();
  } else {
    writer.Value(next_cursor);
  }
  writer.EndObject();
  return http::JsonResponse(writer.Take());
}

// One thing as the whole body.
template <typename Write>
[[nodiscard]] http::Response ObjectResponse(Write write, int status = 200) {
  http::JsonWriter writer;
  write(writer);
  return http::JsonResponse(writer.Take(), status);
}

}  // namespace boxoffice::gateway

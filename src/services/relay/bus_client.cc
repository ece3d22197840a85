#include "services/relay/bus_client.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/id.h"
#include "boxoffice/bus/v1/events.pb.h"
#include "platform/http/json_writer.h"

namespace boxoffice::relay {
namespace {

namespace events = boxoffice::bus::v1;
using http::JsonWriter;

// Ids are 16 bytes in events, and the usual text outside; an absent one is left out.
void Id(JsonWriter& json, std::string_view name, std::string_view bytes) {
  if (const std::optional<Uuid> uuid = Uuid::FromBytes(bytes)) json.Field(name, uuid->ToString());
}

void Text(JsonWriter& json, std::string_view name, const std::string& text) {
  if (!text.empty()) json.Field(name, text);
}

void Seats(JsonWriter& json, const auto& seat_nos) {
  json.Key("seat_nos").BeginArray();
  for (const uint32_t seat : seat_nos) json.Value(seat);
  json.EndArray();
}

void Data(JsonWriter& json, const events::ReservationEvent& event) {
  Id(json, "reservation_id", event.reservation_id());
  Text(json, "user_id", event.user_id());
  json.Field("show_id", event.show_id());
  Seats(json, event.seat_nos());
  json.Field("amount", event.amount());
  json.Field("currency", event.currency());
  Id(json, "saga_id", event.saga_id());
  json.Field("version", event.version());
  Text(json, "failure_code", event.failure_code());
  if (event.given_back() != 0) json.Field("given_back", event.given_back());
  if (event.fee() != 0) json.Field("fee", event.fee());
  if (!event.left_seat_nos().empty()) {
    json.Key("left_seat_nos").BeginArray();
    for (const uint32_t seat : event.left_seat_nos()) json.Value(seat);
    json.EndArray();
  }
  // An offer to somebody on a waitlist: whoever tells the buyer says until when.
  if (!event.from_waitlist()) return;
  json.Field("from_waitlist", true);
  if (event.hold_expires_at_ms() != 0)
    json.Field("hold_expires_at", ToRfc3339(FromUnixMs(event.hold_expires_at_ms())));
}

void Data(JsonWriter& json, const events::SeatEvent& event) {
  Id(json, "reservation_id", event.reservation_id());
  json.Field("show_id", event.show_id());
  Seats(json, event.seat_nos());
  if (event.hold_expires_at_ms() != 0) {
    json.Field("hold_expires_at", ToRfc3339(FromUnixMs(event.hold_expires_at_ms())));
  }
}

void Data(JsonWriter& json, const events::ShowSoldOut& event) {
  json.Field("show_id", event.show_id());
  if (event.on_sale_at_ms() != 0) json.Field("on_sale_at", ToRfc3339(FromUnixMs(event.on_sale_at_ms())));
}

void Data(JsonWriter& json, const events::WalletEvent& event) {
  Text(json, "user_id", event.user_id());
  Id(json, "entry_id", event.entry_id());
  Id(json, "reservation_id", event.reservation_id());
  json.Field("amount", event.amount());
  json.Field("currency", event.currency());
  json.Field("balance_after", event.balance_after());
}

void Data(JsonWriter& json, const events::PaymentEvent& event) {
  Id(json, "payment_id", event.payment_id());
  Id(json, "reservation_id", event.reservation_id());
  json.Field("amount", event.amount());
  json.Field("currency", event.currency());
  Text(json, "method", event.method());
  Text(json, "provider_code", event.provider_code());
}

template <typename Message>
Result<InboxEvent> Convert(const bus::Event& event) {
  Message body;
  if (!body.ParseFromString(event.body)) {
    return Fail(Code::kInvalidArgument, "event_malformed", event.type + " can't be read");
  }
  JsonWriter json;
  json.BeginObject().Field("type", event.type).Field("timestamp", ToRfc3339(event.time));
  json.Key("data").BeginObject();
  Data(json, body);
  json.EndObject().EndObject();
  InboxEvent kept{event.id,          event.topic, event.key,   event.type,
                  event.traceparent, event.time,  json.Take(), 0};
  if constexpr (requires { body.show_id(); }) kept.show_id = body.show_id();
  return kept;
}

}  // namespace

Result<InboxEvent> ToInboxEvent(const bus::Event& event) {
  const std::string_view type = event.type;
  if (std::ranges::find(EventTypes(), type) == EventTypes().end()) {
    return Fail(Code::kInvalidArgument, "event_malformed", "no type is called " + event.type);
  }
  if (type.starts_with("reservation.")) return Convert<events::ReservationEvent>(event);
  if (type.starts_with("seat.")) return Convert<events::SeatEvent>(event);
  if (type.starts_with("wallet.")) return Convert<events::WalletEvent>(event);
  if (type.starts_with("payment.")) return Convert<events::PaymentEvent>(event);
  return Convert<events::ShowSoldOut>(event);
}

bus::Consumed Consume(RelayService& service, std::span<const bus::Record> records,
                      const std::function<void()>& accepted) {
  // First: another replica may have made a target that wants these.
  if (const Result<void> loaded = service.Load(); !loaded) return bus::StoreFailed(loaded.error());
  std::vector<InboxEvent> inbox;
  bus::Consumed consumed{records.size(), {}};
  for (size_t i = 0; i < records.size(); ++i) {
    const bus::Event& event = records[i].event;
    if (!service.Wants(event.type)) continue;
    Result<InboxEvent> kept = ToInboxEvent(event);
    if (!kept) {
      consumed = {i, kept.error()};
      break;
    }
    inbox.push_back(*std::move(kept));
  }
  if (inbox.empty()) return consumed;
  const Result<bool> added = service.AcceptEvents(inbox);
  if (!added) return bus::StoreFailed(added.error());
  if (*added) accepted();
  return consumed;
}

const std::vector<std::string>& ConsumedTopics() {
  static const std::vector<std::string> consumed{"reservation", "payment", "wallet", "seat"};
  return consumed;
}

Result<void> Subscribe(RelayService& service, bus::Bus& bus, std::function<void()> accepted) {
  return bus.Subscribe(kGroup, ConsumedTopics(),
                       [&service, accepted = std::move(accepted)](std::span<const bus::Record> records) {
                         return Consume(service, records, accepted);
                       });
}

}  // namespace boxoffice::relay

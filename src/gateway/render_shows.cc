// Cancellations of shows, and waitlists, as JSON.
#include "gateway/refusals.h"
#include "gateway/render.h"

namespace boxoffice::gateway {
namespace {

using http::JsonWriter;

void WriteText(JsonWriter& writer, std::string_view name, std::string_view text) {
  writer.Key(name);
  if (text.empty()) {
    writer.Null();
  } else {
    writer.Value(text);
  }
}

std::string_view StateWord(reservation::v1::WaitlistState state) {
  switch (state) {
    case reservation::v1::WAITLIST_OFFERED:
      return "OFFERED";
    case reservation::v1::WAITLIST_ACCEPTED:
      return "ACCEPTED";
    case reservation::v1::WAITLIST_LAPSED:
      return "LAPSED";
    case reservation::v1::WAITLIST_LEFT:
      return "LEFT";
    default:
      return "WAITING";
  }
}

}  // namespace

void WriteShowCancellation(JsonWriter& writer, const reservation::v1::ShowCancellation& cancellation) {
  writer.BeginObject();
  WriteNumberId(writer, "show_id", cancellation.show_id());
  writer.Field("state", cancellation.state()).Field("reason", cancellation.reason());
  writer.Field("operator_id", cancellation.operator_id());
  WriteTime(writer, "started_at", cancellation.started_at_ms());
  WriteTime(writer, "finished_at", cancellation.finished_at_ms());
  writer.Field("total", cancellation.total()).Field("refunded", cancellation.refunded());
  writer.Field("released", cancellation.released()).Field("waiting", cancellation.waiting());
  writer.Field("parked", cancellation.parked()).Key("refunded_amounts").BeginArray();
  for (const auto& amount : cancellation.refunded_amounts()) {
    writer.BeginObject().Field("amount", amount.amount()).Field("currency", amount.currency()).EndObject();
  }
  writer.EndArray();
  WriteText(writer, "last_error", cancellation.last_error());
  writer.EndObject();
}

void WriteWaitlistEntry(JsonWriter& writer, const reservation::v1::WaitlistEntry& entry, Audience audience) {
  writer.BeginObject();
  WriteNumberId(writer, "show_id", entry.show_id());
  writer.Field("place", entry.place());
  if (audience == Audience::kOperator) writer.Field("user_id", entry.user_id());
  writer.Field("count", entry.wish().count());
  WriteText(writer, "section", entry.wish().section());
  WriteText(writer, "category", entry.wish().category());
  writer.Key("max_price");
  if (entry.wish().max_price() == 0) {
    writer.Null();
  } else {
    writer.Value(entry.wish().max_price());
  }
  writer.Field("state", StateWord(entry.state())).Field("before", entry.before());
  WriteUuid(writer, "reservation_id", entry.reservation_id());
  WriteTime(writer, "offered_until", entry.offered_until_ms());
  WriteText(writer, "ended_because", StableCode(entry.ended_because()));
  WriteTime(writer, "joined_at", entry.joined_at_ms());
  WriteTime(writer, "updated_at", entry.updated_at_ms());
  writer.EndObject();
}

}  // namespace boxoffice::gateway

#include "services/ranking/bus_client.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "boxoffice/bus/v1/events.pb.h"
#include "platform/obs/log.h"

namespace boxoffice::ranking {
namespace {

std::unexpected<Error> Malformed(const bus::Record& record) {
  return Fail(Code::kInvalidArgument, "event_malformed", record.event.type + " can't be read");
}

// What no service of ours publishes may stand in a record all the same, and is not counted.
bool IsSane(const boxoffice::bus::v1::ReservationEvent& body) {
  const auto is_amount = [](int64_t amount) { return amount >= 0 && amount <= kMaxAmount; };
  return body.show_id() > 0 && HasRfc3339(FromUnixMs(body.at_ms())) && is_amount(body.amount()) &&
         is_amount(body.given_back()) && Currency::Parse(body.currency());
}
bool IsSane(const boxoffice::bus::v1::ShowSoldOut& body) {
  return body.show_id() > 0 && HasRfc3339(FromUnixMs(body.at_ms())) &&
         HasRfc3339(FromUnixMs(body.on_sale_at_ms()));
}

// What an event of a reservation is here; nullopt: nothing.
std::optional<Kind> BookingKind(std::string_view type) {
  if (type == "reservation.confirmed") return Kind::kConfirmed;
  if (type == "reservation.cancelled") return Kind::kCancelled;
  if (type == "reservation.seats_cancelled" || type == "reservation.moved") return Kind::kLessened;
  return std::nullopt;
}

}  // namespace

const std::vector<std::string>& ConsumedTopics() {
  static const std::vector<std::string> consumed{"reservation", "seat"};
  return consumed;
}

Result<std::optional<Event>> ToEvent(const bus::Record& record) {
  const std::string& type = record.event.type;
  Event event;
  event.id = record.event.id;
  if (const std::optional<Kind> kind = BookingKind(type)) {
    boxoffice::bus::v1::ReservationEvent body;
    if (!body.ParseFromString(record.event.body) || !IsSane(body)) return Malformed(record);
    const bool moved = type == "reservation.moved";  // as many seats as before
    event.kind = *kind;
    event.show_id = body.show_id();
    event.seats = moved ? 0 : body.seat_nos_size();
    event.amount = moved ? body.given_back() : body.amount();
    event.currency = body.currency();
    event.at = FromUnixMs(body.at_ms());
    return event;
  }
  if (type == "show.sold_out") {
    boxoffice::bus::v1::ShowSoldOut body;
    if (!body.ParseFromString(record.event.body) || !IsSane(body)) return Malformed(record);
    event.kind = Kind::kSoldOut;
    event.show_id = body.show_id();
    event.at = FromUnixMs(body.at_ms());
    event.on_sale_at = FromUnixMs(body.on_sale_at_ms());
    return event;
  }
  return std::nullopt;
}

bus::Consumed Consume(RankingService& service, std::span<const bus::Record> records) {
  std::vector<Event> events;
  bus::Consumed consumed{records.size(), {}};
  for (size_t i = 0; i < records.size(); ++i) {
    Result<std::optional<Event>> event = ToEvent(records[i]);
    if (!event) {
      consumed = {i, event.error()};
      break;
    }
    if (*event) events.push_back(**event);
  }
  if (const Result<void> counted = service.Count(events); !counted) return bus::StoreFailed(counted.error());
  return consumed;
}

Result<void> RebuildFromLog(RankingService& service, RankingService::From& from, bus::Bus& bus,
                            const std::atomic<bool>& stopping) {
  constexpr size_t kPage = 1000;
  const std::vector<std::string>& topics = ConsumedTopics();
  size_t topic = 0;
  bus::Position after;
  const auto read = [&](size_t limit) -> Result<bus::Page> {
    if (stopping) return Fail(Code::kUnavailable, "stopped", "the rebuild goes on at the next start");
    return bus.Read(topics[topic], after, limit);
  };
  // A page can hold nothing of interest; an empty answer would say that the log is at its end.
  const auto next = [&]() -> Result<std::vector<Event>> {
    from = RankingService::From::kWhatIsThere;  // it is asked once all is forgotten
    std::vector<Event> events;
    while (events.empty() && topic < topics.size()) {
      BOXOFFICE_ASSIGN(const bus::Page page, read(kPage));
      for (const bus::Record& record : page.records) {
        const Result<std::optional<Event>> event = ToEvent(record);
        if (event && *event) events.push_back(**event);
      }
      after = page.next;
      if (page.records.size() == kPage) continue;
      // The topic's end. What comes to it from now on is counted by whoever consumes it: a rebuild that read
      // on until nothing came would not end during a sale.
      ++topic;
      after.clear();
    }
    return events;
  };
  // While the log can't be read, what was counted stays. What this gives is read again, as another process
  // may still count something behind it before all is forgotten.
  BOXOFFICE_TRY(read(1));
  BOXOFFICE_TRY(service.Rebuild(from, next));
  obs::Log(obs::Level::kInfo, "ranking_rebuilt", {{"events", service.GetAudit().processed}});
  return {};
}

Result<void> Subscribe(RankingService& service, bus::Bus& bus) {
  return bus.Subscribe(kGroup, ConsumedTopics(), [&service](std::span<const bus::Record> records) {
    return Consume(service, records);
  });
}

}  // namespace boxoffice::ranking

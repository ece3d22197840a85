#include "audit/event_index.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "boxoffice/bus/v1/events.pb.h"

namespace boxoffice::audit {
namespace {

constexpr size_t kPage = 2000;

std::optional<EventType> ParseType(std::string_view name) {
  for (const EventType type : kEventTypes) {
    if (EventTypeName(type) == name) return type;
  }
  return std::nullopt;
}

// As the ranking counts it (services/ranking/bus_client.cc).
void Count(const EventIndex::Row& row, RankingFact::Counts& counts) {
  if (row.type == EventType::kConfirmed) {
    ++counts.confirmed;
    counts.seats += row.seats;
  }
  if (row.type == EventType::kCancelled) ++counts.cancelled;
  if (row.cancels()) counts.seats -= row.seats;
}

bool InOrder(const EventIndex::Row& a, const EventIndex::Row& b) {
  return std::tie(a.reservation, a.number) < std::tie(b.reservation, b.number);
}

}  // namespace

Result<void> EventIndex::Refresh(const std::function<Result<void>()>& go_on) {
  const size_t known = rows_.size();
  const int64_t known_unreadable = unreadable_;
  bus::Position position = position_;
  if (Result<void> read = ReadFrom(position, go_on); !read) {
    rows_.resize(known);
    unreadable_ = known_unreadable;
    return read;
  }
  position_ = std::move(position);
  const auto first_new = rows_.begin() + static_cast<ptrdiff_t>(known);
  std::sort(first_new, rows_.end(), InOrder);
  std::inplace_merge(rows_.begin(), first_new, rows_.end(), InOrder);
  return {};
}

Result<void> EventIndex::ReadFrom(bus::Position& position, const std::function<Result<void>()>& go_on) {
  ::boxoffice::bus::v1::ReservationEvent body;
  while (true) {
    BOXOFFICE_ASSIGN(const bus::Page page, bus_.Read("reservation", position, kPage));
    for (const bus::Record& record : page.records) {
      const auto type = ParseType(record.event.type);
      if (!type) continue;
      const bool parsed = body.ParseFromString(record.event.body);
      const auto reservation = ReservationId::FromBytes(parsed ? body.reservation_id() : std::string());
      if (!reservation) {
        ++unreadable_;
        continue;
      }
      Row& row = rows_.emplace_back(
          Row{.reservation = *reservation,
              .id = record.event.id,
              .show_id = body.show_id(),
              .number = end() + 1,
              .version = static_cast<uint32_t>(std::min<uint64_t>(body.version(), UINT32_MAX)),
              .seats = static_cast<uint16_t>(std::min(body.seat_nos_size(), UINT16_MAX)),
              .type = *type,
              .from_waitlist = body.from_waitlist()});
      row.money = row.cancels() ? body.fee() : body.amount();
    }
    position = page.next;
    BOXOFFICE_TRY(go_on());
    if (page.records.size() < kPage) return {};
  }
}

std::vector<EventFact> EventIndex::Of(ReservationId id) const {
  std::vector<EventFact> events;
  for (const Row& row : std::ranges::equal_range(rows_, id, {}, &Row::reservation)) {
    events.push_back(row.Fact());
  }
  return events;
}

std::map<int64_t, RankingFact::Counts> EventIndex::Fold(int64_t number) const {
  std::map<int64_t, RankingFact::Counts> shows;
  for (auto group = rows_.begin(); group != rows_.end();) {
    const auto next = std::find_if(group, rows_.end(),
                                   [&](const Row& row) { return row.reservation != group->reservation; });
    for (auto row = group; row != next; ++row) {
      const bool repeated =
          std::any_of(group, row, [&](const Row& earlier) { return earlier.id == row->id; });
      if (repeated || row->number > number) continue;
      Count(*row, shows[row->show_id]);
    }
    group = next;
  }
  return shows;
}

}  // namespace boxoffice::audit
